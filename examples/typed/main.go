// Typed exchanges values with programs in PHP, Python and Node: orders go out as JSON,
// invoices come back, and other messages do no harm. Languages that are not installed
// are left out. At the end it sends itself an order that is far larger than a kernel
// message may be.
//
//	go run ./examples/typed
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/codec"
	"ipcmq/mq/large"
	"ipcmq/mq/sysv"
)

//go:embed programs
var sources embed.FS

type item struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	Price int    `json:"price"` // in cents
}

type order struct {
	ID    int    `json:"id"`
	Items []item `json:"items"`
}

type invoice struct {
	ID    int    `json:"id"`
	By    string `json:"by"`
	Total int    `json:"total"`
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "typed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "typed")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, sources); err != nil {
		return err
	}
	key, err := sysv.Ftok(dir, 't')
	if err != nil {
		return err
	}
	kernel, err := sysv.Open(key, &sysv.Config{Exclusive: true})
	if err != nil {
		return err
	}
	q, err := large.Wrap(kernel, nil) // small payloads travel in the queue, as for the other programs
	if err != nil {
		return errors.Join(err, kernel.Remove(), kernel.Close())
	}
	defer func() { err = errors.Join(err, q.Remove(), q.Close()) }()

	python := "/usr/bin/python3" // with the system's modules
	for _, p := range []struct {
		language string
		has      []string
		run      []string
	}{
		{"PHP", []string{"php", "--ri", "sysvmsg"}, []string{"php", "peer.php"}},
		{"Python", []string{python, "-c", "import sysv_ipc"}, []string{python, "peer.py"}},
		{"Node", []string{"node", "-e", "require('svmq')"}, []string{"node", "peer.js"}},
	} {
		if err := command(ctx, dir, p.has).Run(); err != nil {
			fmt.Printf("%s is left out: %v\n", p.language, err)
			continue
		}
		cmd := command(ctx, dir, append(p.run, strconv.Itoa(int(int32(key)))))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		if err := exchange(ctx, q); err != nil {
			return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		}
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%s: %w", p.language, err)
		}
		if err := rest(q); err != nil {
			return err
		}
	}
	return bulk(ctx, q)
}

// exchange sends two orders, and one without items, which ends the peer, and prints the
// invoices.
func exchange(ctx context.Context, q *large.Queue) error {
	orders := codec.NewSender(q, mq.Message{Type: 1}, codec.JSON[order]())
	for _, o := range []order{
		{1, []item{{"tea", 2, 350}, {"käse & brot", 1, 420}}},
		{2, []item{{"cake", 3, 500}}},
		{3, []item{}},
	} {
		if err := orders.Send(ctx, o); err != nil {
			return err
		}
	}
	invoices, err := q.Select(mq.Type(2))
	if err != nil {
		return err
	}
	for v, err := range codec.All(mq.All(ctx, invoices), codec.JSON[invoice]()) {
		if err != nil {
			return err
		}
		fmt.Printf("%s: order %d costs %d.%02d\n", v.By, v.ID, v.Total/100, v.Total%100)
		if v.ID == 2 {
			break
		}
	}
	return nil
}

// bulk sends and receives an order of 20,000 items. The queue takes 8 KiB: package large
// puts this one into shared memory.
func bulk(ctx context.Context, q *large.Queue) error {
	o := order{ID: 4}
	for i := range 20_000 {
		o.Items = append(o.Items, item{fmt.Sprintf("cup number %05d", i), 1, 250})
	}
	if err := codec.NewSender(q, mq.Message{Type: 3}, codec.JSON[order]()).Send(ctx, o); err != nil {
		return err
	}
	m, err := q.Receive(ctx)
	if err != nil {
		return err
	}
	got, err := codec.JSON[order]().Value(m)
	if err != nil {
		return err
	}
	total := 0
	for _, i := range got.Items {
		total += i.Count * i.Price
	}
	fmt.Printf("Go: order %d is %d bytes of JSON, has %d items, and costs %d.%02d\n", got.ID, len(m.Data), len(got.Items), total/100, total%100)
	return nil
}

// rest prints the other messages in the queue, which cannot be decoded.
func rest(q *large.Queue) error {
	for {
		m, err := q.TryReceive()
		if errors.Is(err, mq.ErrEmpty) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = codec.JSON[invoice]().Value(m)
		var bad *codec.Error
		if !errors.As(err, &bad) {
			return fmt.Errorf("%q is an invoice too many", m.Data)
		}
		fmt.Printf("not an invoice: %s\n", bad.Message.Data)
	}
}

// command returns a command that runs in dir.
func command(ctx context.Context, dir string, words []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = filepath.Join(dir, "programs")
	return cmd
}
