package main

import (
	"context"
	"os"
	"syscall"
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

// openPipes opens the pipes of the process as os.Pipe would: they wait in the runtime's
// poller.
func openPipes(_ context.Context, j job) (end, error) {
	in, out := firstFile+2, firstFile+1
	switch j.Role {
	case echo, take, serve:
		in, out = firstFile, firstFile+3
	}
	for _, fd := range []int{in, out} {
		if err := syscall.SetNonblock(fd, true); err != nil {
			return end{}, os.NewSyscallError("fcntl", err)
		}
	}
	return connEnd(newFrames(os.NewFile(uintptr(in), "in"), os.NewFile(uintptr(out), "out"))), nil
}
