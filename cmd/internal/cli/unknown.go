package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// refuseUnknown makes the help command, and commands with subcommands, refuse unknown
// names as root does.
func refuseUnknown(root *cobra.Command) {
	root.DisableSuggestions = true // cobra writes them on extra lines
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("")
	for _, c := range root.Commands() {
		switch {
		case c.Name() == "help":
			c.Run, c.RunE = nil, func(_ *cobra.Command, args []string) error {
				about := root
				for _, name := range args {
					next, _, err := about.Find([]string{name})
					if err != nil || next == about {
						return unknownCommand(about, name)
					}
					about = next
				}
				about.InitDefaultHelpFlag()
				return about.Help()
			}
		case c.HasSubCommands():
			for _, shell := range c.Commands() {
				if shell.Name() == "bash" {
					completeBash(shell)
				}
			}
			c.Args = cobra.ArbitraryArgs
			c.RunE = func(c *cobra.Command, args []string) error {
				if len(args) > 0 {
					return unknownCommand(c, args[0])
				}
				return c.Help()
			}
		}
	}
}

// unknownCommand is the error for a name that is not a command of c.
func unknownCommand(c *cobra.Command, name string) error {
	c.SuggestionsMinimumDistance = 2
	text := fmt.Sprintf("there is no command %q", strings.TrimSpace(strings.TrimPrefix(c.CommandPath()+" "+name, c.Root().Name())))
	if close := c.SuggestionsFor(name); len(close) > 0 {
		text += "; did you mean " + strings.Join(close, " or ") + "?"
	}
	return usagef("%s", text)
}
