// The benchmarks of ipcmq: the same work done by C programs and by the library,
// in turn, in one run. See README.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == childArg {
		exitOn(runChild(os.Args[2]))
		return
	}
	if len(os.Args) == 3 && os.Args[1] == taskArg {
		exitOn(runTask(os.Args[2]))
		return
	}
	var b bench
	flag.IntVar(&b.rounds, "rounds", 7, "let all contenders of a contest work `N` times in turn")
	flag.BoolVar(&b.quick, "quick", false, "one round of a few messages: shows that everything works; the figures mean nothing")
	flag.StringVar(&b.profiles, "cpuprofile", "", "write a CPU profile of the timed Go process of each row into `directory`")
	pattern := flag.String("run", "", "measure only rows whose name, such as sysv/one-way/Receive/64, matches `regexp`")
	size := flag.Int("size", 0, "measure only messages of this size in `bytes`: 64, 1024 or 8192, or 7168 in requests")
	list := flag.Bool("list", false, "print the names of the rows and measure nothing")
	write := flag.Bool("write", false, "write all tables and figures into results, and a summary into README.md")
	flag.Parse()
	if b.quick {
		b.rounds = 1
	}
	if b.rounds < 1 {
		exitOn(fmt.Errorf("-rounds %d is less than 1", b.rounds))
	}
	p, err := newPlan(*pattern, *size)
	exitOn(err)
	if *list {
		fmt.Println(strings.Join(p.names(), "\n"))
		return
	}
	// So that an interrupted run removes its queues.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	all, err := b.measure(ctx, p)
	stop()
	exitOn(err)
	writeTables(os.Stdout, all)
	if *write {
		exitOn(all.write("."))
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}
