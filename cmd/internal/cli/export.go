package cli

import (
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/collect"
	"ipcmq/cmd/internal/export"
)

func exportCommand() *cobra.Command {
	once, listen := false, "127.0.0.1:10429"
	config := export.Config{MaxQueues: 1000}
	c := &cobra.Command{
		Use:   "export [--once [FILE]] [flags]",
		Short: "Export metrics of all queues to Prometheus",
		Long: `Export serves metrics of all queues, of both kinds, to Prometheus, at /metrics of an
address that by default only this host can reach: messages, bytes, capacity, how full
each queue is, when it was last used, who waits at it, its messages that are lent or due
again, dead inboxes, and the limits with how much of them is used. Their names begin with
ipcmq_. Simultaneous scrapes share one look at the queues. Whatever could not be seen is
reported by ipcmq_unseen and on standard error.

With --once it writes the metrics to a file and ends. That is for the textfile
collector of node_exporter: the file gets its name only when it is complete, so that
nobody reads a part of it. Without FILE the metrics go to standard output. The status is
1 if some queues could not be listed.

Root sees who waits and what is in POSIX queues of mode 0600; other users see this for
their own processes and queues. The kernel does not count messages, so there are no rates.`,
		Example: `  ipcmq export
  ipcmq export --once /var/lib/prometheus/node-exporter/ipcmq.prom
  ipcmq export --once | promtool check metrics`,
		Args: cobra.MaximumNArgs(1),
	}
	c.Flags().StringVar(&listen, "listen", listen, "where to serve; :10429 is all addresses of this host")
	c.Flags().BoolVar(&once, "once", false, "write the metrics to FILE, or to standard output, and end")
	c.Flags().IntVar(&config.MaxQueues, "max-queues", config.MaxQueues, "most queues to give metrics of their own; see ipcmq_queues_omitted")
	c.Flags().BoolVar(&config.Inboxes, "inboxes", false, "metrics of each inbox too; clients create them under ever new names")
	c.RunE = func(c *cobra.Command, args []string) error {
		if config.MaxQueues < 0 {
			return usagef("--max-queues %d: it must be 0 or more", config.MaxQueues)
		}
		switch {
		case once && c.Flags().Changed("listen"):
			return usagef("--once and --listen cannot be combined")
		case once:
			return exportOnce(config, args)
		case len(args) > 0:
			return usagef("a file to write to is for --once")
		}
		config.OnCollect = newUnseenLog()
		l, err := net.Listen("tcp", listen)
		if err != nil {
			return err
		}
		logLine("ipcmq: metrics at http://%s/metrics", l.Addr())
		return export.Serve(c.Context(), l, export.New(config))
	}
	return c
}

func exportOnce(config export.Config, args []string) error {
	failed := error(nil)
	config.OnCollect = func(h *collect.Host) {
		for _, err := range h.Problems() {
			report(err)
			failed = errReported
		}
	}
	m := export.New(config)
	if len(args) == 0 {
		if err := export.Write(os.Stdout, m); err != nil {
			return err
		}
		return failed
	}
	if err := export.WriteFile(args[0], m); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return failed
}

// newUnseenLog returns a function that reports what could not be seen: each problem
// once while it lasts.
func newUnseenLog() func(*collect.Host) {
	reported := map[string]bool{}
	return func(h *collect.Host) {
		now := map[string]bool{}
		for _, err := range h.Errors() {
			now[explain(err)] = true
		}
		if h.Hidden > 0 {
			now["processes of others are hidden from this user: whether they wait at queues is not known"] = true
		}
		for text := range now {
			if !reported[text] {
				logLine("ipcmq: %s", text)
			}
		}
		reported = now
	}
}
