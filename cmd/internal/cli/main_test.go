package cli_test

import (
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"ipcmq/cmd/internal/cli"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// Under the names ipcmq and lender the test binary is also the command, and a program
// that leases messages; see bin.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "ipcmq":
		os.Exit(cli.Main(os.Args[1:]))
	case "lender":
		lender()
	}
	// Commands that are executed get the default action of a signal that is caught here;
	// an ignored one, as under nohup, would stay ignored.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	testutil.Main(m, nil)
}

// lender KEY N leases N messages of a queue and holds them until it is killed. With a
// third argument it gives the first one back for an hour.
func lender() {
	key, err := sysv.ParseKey(os.Args[1])
	q, err2 := sysv.Open(key, &sysv.Config{OpenOnly: true, Lease: time.Hour, MaxLeases: 8})
	n, err3 := strconv.Atoi(os.Args[2])
	if err := errors.Join(err, err2, err3); err != nil {
		log.Fatal(err)
	}
	r, err := q.SelectLeases(mq.Any())
	if err != nil {
		log.Fatal(err)
	}
	batch, err := r.LeaseBatch(context.Background(), n)
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 3 {
		if err := batch[0].Nak(context.Background(), time.Hour); err != nil {
			log.Fatal(err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-ctx.Done()
	os.Exit(0)
}

// bin returns a directory with the commands ipcmq and lender.
func bin(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"ipcmq", "lender"} {
		if err := os.Symlink(exe, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
