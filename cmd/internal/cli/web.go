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
when it will be full at the current rate, who waits at it, its messages, leases, and
the findings of doctor. It prints the URL, which contains a secret token: whoever has it
sees what this user may see. Nothing can be changed on the page, and looking at messages
takes none.

By default only this host can reach the page. To see it from another host, use ssh:
ssh -L 10430:127.0.0.1:10430 HOST, and then the same URL. With --listen :10430 other
hosts can reach it, without encryption. --host allows a name of this host under which
browsers may request the page; localhost and IP addresses are always allowed.

A minute after the last page was closed web stops looking at queues. Rates are at least
what is shown, as in top. Root sees who waits and what is in queues of mode 0600; other
users see this for their own processes and queues.`,
		Example: `  ipcmq web
  ipcmq web --listen 127.0.0.1:0
  ipcmq web --listen :10430 --host queues.example`,
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&listen, "listen", listen, "where to serve; port 0 is any free port")
	c.Flags().StringArrayVar(&hosts, "host", nil, "a name under which browsers may request the page; can be repeated")
	c.Flags().DurationVar(&interval, "interval", interval, "how often the page is updated")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if interval < 100*time.Millisecond {
			return usagef("--interval %v: it must be 100ms or more", interval)
		}
		for _, h := range hosts {
			if h == "" || strings.ContainsAny(h, ":/") {
				return usagef("--host %q: it must be a name without a port, such as queues.example", h)
			}
		}
		l, err := net.Listen("tcp", listen)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%w (is another ipcmq web running? --listen 127.0.0.1:0 takes a free port)", err)
		}
		if err != nil {
			return err
		}
		s := web.New(web.Config{Hosts: hosts, Diagnose: findingsForWeb, Explain: explain, Interval: interval})
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			logLine("ipcmq: other hosts can reach %s, and the connection is not encrypted", a)
		}
		if err := printLine("%s", s.URL(l.Addr())); err != nil {
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
