package cli

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/web"
)

func webCommand() *cobra.Command {
	listen, interval := "127.0.0.1:10430", time.Second
	var hosts []string
	c := &cobra.Command{
		Use:   "web [flags]",
		Short: "Show all queues in a browser",
		Long: `Web serves a page that shows all queues live: how full each is, how that has changed,
when it will be full at this pace, who waits at it, its messages, what is on lease, and
what doctor finds. It writes the URL, in which a token is that nobody else knows:
whoever has it sees what this user may see. Nothing can be changed there, and looking at
messages takes none.

By default this host alone reaches the page. From another one, ssh brings it there:
ssh -L 10430:127.0.0.1:10430 HOST, and then the same URL. With --listen :10430 others
reach it, and what is sent can be read on its way. Names of this host by which browsers
may ask for the page are allowed with --host; localhost and addresses always are.

A minute after the last page was closed it stops looking at queues. Rates are at least
what is shown, as in top. Who waits, and what is in queues of mode 0600, root sees, others see of their own.`,
		Example: `  ipcmq web
  ipcmq web --listen 127.0.0.1:0
  ipcmq web --listen :10430 --host queues.example`,
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&listen, "listen", listen, "where to serve; port 0 is any that is free")
	c.Flags().StringArrayVar(&hosts, "host", nil, "a name by which browsers may ask for the page; can be repeated")
	c.Flags().DurationVar(&interval, "interval", interval, "how often the page changes")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if interval < 100*time.Millisecond {
			return usagef("--interval %v: it is 100ms or more", interval)
		}
		for _, h := range hosts {
			if h == "" || strings.ContainsAny(h, ":/") {
				return usagef("--host %q: it is a name alone, such as queues.example", h)
			}
		}
		l, err := net.Listen("tcp", listen)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%w (is there another ipcmq web? --listen 127.0.0.1:0 takes a port that is free)", err)
		}
		if err != nil {
			return err
		}
		s := web.New(web.Config{Hosts: hosts, Diagnose: findingsForWeb, Explain: explain, Interval: interval})
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			tell("ipcmq: other hosts can reach %s, and what is sent is not encrypted", a)
		}
		if err := say("%s", s.URL(l.Addr())); err != nil {
			l.Close()
			return err
		}
		return s.Serve(c.Context(), l)
	}
	return c
}

func findingsForWeb() (all []web.Finding) {
	for _, f := range diagnose() {
		all = append(all, web.Finding(f))
	}
	return all
}
