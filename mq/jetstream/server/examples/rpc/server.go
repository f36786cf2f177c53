package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"ipcmq/mux"
)

// codeNegative is a code of our own; those below 1024 are the library's.
const codeNegative mux.Code = 1024

// serve answers requests until the process is told to stop.
func serve(ctx context.Context, m *mux.Mux, name string) error {
	squares := func(_ context.Context, request []byte) ([]byte, error) {
		n, err := strconv.Atoi(string(request))
		if err != nil {
			return nil, err
		}
		if n < 0 {
			return nil, &mux.RemoteError{Code: codeNegative, Text: fmt.Sprintf("%d is negative", n)}
		}
		time.Sleep(time.Millisecond) // the work
		return fmt.Appendf(nil, "%d by %s", n*n, name), nil
	}
	// A handler may make a request itself. Its context has the deadline of the
	// request that it handles, so the deadline travels on.
	signature := func(ctx context.Context, document []byte) ([]byte, error) {
		if _, err := m.Request(ctx, permit, fmt.Appendf(nil, "%s at %s", document, name)); err != nil {
			return nil, err
		}
		return fmt.Appendf(nil, "%s signed by %s", document, name), nil
	}
	// Few at once: the others stay in the queue for the other servers.
	if _, err := m.Handle(square, squares, &mux.HandleConfig{Concurrency: 2}); err != nil {
		return err
	}
	if _, err := m.Handle(sign, signature, nil); err != nil {
		return err
	}

	select {
	case <-ctx.Done():
	case <-m.Done():
		return m.Err()
	}
	// Told to stop: take no more requests, and answer those that are taken.
	finish, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := m.Shutdown(finish); err != nil {
		return err
	}
	fmt.Printf("%s: stopped after %d requests\n", name, m.Stats().Handled.Handled)
	return nil
}
