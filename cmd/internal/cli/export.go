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
		Short: "Tell Prometheus of all queues",
		Long: `Export serves the metrics of all queues, of both kinds, to Prometheus, at /metrics
of an address that by default this host alone reaches: messages, bytes, capacity,
how full each queue is, when it was used last, who waits at it, what is lent of it and
due, dead inboxes, limits and what is used of them. Their names begin with ipcmq_. Scrapes at the same
time share one look at the queues. What could not be seen is in ipcmq_unseen, and
standard error says so.

With --once it writes the metrics to a file and ends. That is for the textfile
collector of node_exporter: the file has another name until it is whole, so that
nobody reads a part. Without FILE they go to standard output. The status is
1 if there are queues that could not be listed.

Who waits, and what is in POSIX queues of mode 0600, root sees, others see of their
own. The kernel counts no messages: there are no rates.`,
		Example: `  ipcmq export
  ipcmq export --once /var/lib/prometheus/node-exporter/ipcmq.prom
  ipcmq export --once | promtool check metrics`,
		Args: cobra.MaximumNArgs(1),
	}
	c.Flags().StringVar(&listen, "listen", listen, "where to serve; :10429 is all addresses of this host")
	c.Flags().BoolVar(&once, "once", false, "write the metrics to FILE, or standard output, and end")
	c.Flags().IntVar(&config.MaxQueues, "max-queues", config.MaxQueues, "most queues with metrics of their own; see ipcmq_queues_omitted")
	c.Flags().BoolVar(&config.Inboxes, "inboxes", false, "metrics of each inbox too; clients make them under ever new names")
	c.RunE = func(c *cobra.Command, args []string) error {
		if config.MaxQueues < 0 {
			return usagef("--max-queues %d: it is 0 or more", config.MaxQueues)
		}
		switch {
		case once && c.Flags().Changed("listen"):
			return usagef("--once and --listen exclude each other")
		case once:
			return exportOnce(config, args)
		case len(args) > 0:
			return usagef("a file to write to is for --once")
		}
		config.Told = newTeller()
		l, err := net.Listen("tcp", listen)
		if err != nil {
			return err
		}
		tell("ipcmq: metrics at http://%s/metrics", l.Addr())
		return export.Serve(c.Context(), l, export.New(config))
	}
	return c
}

func exportOnce(config export.Config, args []string) error {
	failed := error(nil)
	config.Told = func(h *collect.Host) {
		for _, err := range h.Problems() {
			report(err)
			failed = errTold
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

// newTeller returns a function that tells what could not be seen, each once until
// it is seen again.
func newTeller() func(*collect.Host) {
	told := map[string]bool{}
	return func(h *collect.Host) {
		now := map[string]bool{}
		for _, err := range h.Errors() {
			now[explain(err)] = true
		}
		if h.Hidden > 0 {
			now["processes of others are hidden from this user: whether they wait at queues is not known"] = true
		}
		for text := range now {
			if !told[text] {
				tell("ipcmq: %s", text)
			}
		}
		told = now
	}
}
