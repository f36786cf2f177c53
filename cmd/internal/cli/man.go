package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func manCommand() *cobra.Command {
	dir := ""
	c := &cobra.Command{
		Use:   "man [COMMAND] [flags]",
		Short: "Write the manual pages",
		Long: `Man writes the manual page of ipcmq, or of one of its commands, to standard output;
with --dir it writes all of them, as files such as ipcmq-recv.1 for a directory man1 of
MANPATH. Their text is that of the help.

Their date is SOURCE_DATE_EPOCH, or else the date of the commit that ipcmq was built
from, or else missing: the same build writes the same pages.`,
		Example: `  ipcmq man recv | man -l -
  ipcmq man --dir /usr/local/share/man/man1`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			for _, about := range documented(c.Root()) {
				if len(args) == 0 && about.HasParent() {
					names = append(names, cobra.CompletionWithDesc(about.Name(), about.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "write all pages, as files in this directory, which must exist")
	_ = c.MarkFlagDirname("dir")
	c.RunE = func(c *cobra.Command, args []string) error {
		date := buildDate()
		switch {
		case dir != "" && len(args) > 0:
			return usagef("--dir writes the pages of all commands")
		case dir != "":
			for _, about := range documented(c.Root()) {
				if err := os.WriteFile(filepath.Join(dir, pageName(about)+".1"), manPage(about, date), 0o644); err != nil {
					return err
				}
			}
			return nil
		case len(args) == 0:
			return write(os.Stdout, harmless(manPage(c.Root(), date)))
		}
		for _, about := range documented(c.Root()) {
			if about.HasParent() && about.Name() == args[0] {
				return write(os.Stdout, harmless(manPage(about, date)))
			}
		}
		return unknownCommand(c.Root(), args[0])
	}
	return c
}

// documented returns root and those of its commands that have a page.
func documented(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "completion" { // cobra's, with help for each shell
			all = append(all, c)
		}
	}
	return all
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// buildDate returns the date of the pages, or "".
func buildDate() string {
	if seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(seconds, 0).UTC().Format(time.DateOnly)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return t.UTC().Format(time.DateOnly)
			}
		}
	}
	return ""
}

// manPage returns the page of c in the language of man(7).
func manPage(c *cobra.Command, date string) []byte {
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH %s 1 %q ipcmq \"User Commands\"\n", strings.ToUpper(pageName(c)), date)
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(pageName(c)), roff(strings.ToLower(c.Short[:1])+c.Short[1:]))
	use := c.UseLine()
	if c.HasAvailableSubCommands() {
		use = c.CommandPath() + " COMMAND [flags]"
	}
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n%s\n", roff(c.CommandPath()), roff(strings.TrimPrefix(use, c.CommandPath()+" ")))
	b.WriteString(".SH DESCRIPTION\n")
	paragraphs(&b, c.Long)
	for _, g := range c.Groups() {
		fmt.Fprintf(&b, ".SH %s\n", strings.ToUpper(strings.TrimSuffix(g.Title, ":")))
		listCommands(&b, c, g.ID)
	}
	if c.HasAvailableSubCommands() {
		b.WriteString(".SH OTHER COMMANDS\n")
		listCommands(&b, c, "")
	}
	b.WriteString(".SH OPTIONS\n")
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		names := "\\fB" + roff("--"+f.Name) + "\\fR"
		if f.Shorthand != "" {
			names = "\\fB" + roff("-"+f.Shorthand) + "\\fR, " + names
		}
		if value != "" {
			names += " \\fI" + roff(value) + "\\fR"
		}
		if d := f.DefValue; value != "" && d != "" && d != "0" && d != "0s" && d != "[]" {
			usage += " (default " + d + ")"
		}
		fmt.Fprintf(&b, ".TP\n%s\n%s\n", names, roff(usage))
	})
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n")
		paragraphs(&b, c.Example)
	}
	see := []string{"ipcmq"}
	if !c.HasParent() {
		see = nil
		for _, other := range documented(c)[1:] {
			see = append(see, pageName(other))
		}
	}
	b.WriteString(".SH SEE ALSO\n")
	for _, name := range see {
		fmt.Fprintf(&b, ".BR %s (1),\n", roff(name))
	}
	b.WriteString(".BR sysvipc (7),\n.BR mq_overview (7)\n")
	return b.Bytes()
}

func listCommands(b *bytes.Buffer, c *cobra.Command, group string) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.GroupID == group {
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(sub.Name()), roff(sub.Short))
		}
	}
}

// paragraphs writes a text of the help: lines that are indented stay as they are,
// the others are filled.
func paragraphs(b *bytes.Buffer, text string) {
	literal, fresh := false, false // initially after a heading
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		indented := strings.HasPrefix(line, "  ")
		switch {
		case line == "":
			fresh = true
			continue
		case indented && !literal:
			if fresh {
				b.WriteString(".PP\n")
			}
			b.WriteString(".RS 2\n.nf\n")
		case literal && !indented:
			b.WriteString(".fi\n.RE\n.PP\n")
		case literal && fresh:
			b.WriteString(".sp\n") // between two literal blocks
		case fresh:
			b.WriteString(".PP\n")
		}
		literal, fresh = indented, false
		b.WriteString(roff(strings.TrimPrefix(line, "  ")) + "\n")
	}
	if literal {
		b.WriteString(".fi\n.RE\n")
	}
}

// roff escapes a line of text.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
