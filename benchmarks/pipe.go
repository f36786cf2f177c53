package main

import (
	"context"
	"os"
)

// meetPipes makes a pipe for each direction.
func meetPipes(context.Context, *bench, *job) (meeting, error) {
	thereIn, thereOut, err := os.Pipe()
	if err != nil {
		return meeting{}, err
	}
	backIn, backOut, err := os.Pipe()
	if err != nil {
		return meeting{remove: ends(thereIn.Close, thereOut.Close)}, err
	}
	return meeting{
		files:  []*os.File{thereIn, thereOut, backIn, backOut},
		remove: ends(thereIn.Close, thereOut.Close, backIn.Close, backOut.Close),
	}, nil
}

// openPipes opens those of the process. They block a thread, as the standard
// input of a program does, which is faster here than waiting in the poller.
func openPipes(_ context.Context, j job) (end, error) {
	in, out := firstFile+2, firstFile+1
	switch j.Role {
	case echo, take, serve:
		in, out = firstFile, firstFile+3
	}
	return connEnd(newFrames(os.NewFile(uintptr(in), "in"), os.NewFile(uintptr(out), "out"))), nil
}
