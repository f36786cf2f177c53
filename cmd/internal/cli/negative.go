package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// hidden is put before negative numbers, which are keys or messages rather than
// flags. As a byte that no argument can contain, it hides the minus from the flag
// parser.
const hidden = "\x00"

// protectNegatives hides negative numbers that are not values of flags.
func protectNegatives(root *cobra.Command, args []string) []string {
	c, _, err := root.Find(args)
	if err != nil {
		return args
	}
	protected := make([]string, len(args))
	for i, a := range args {
		if a == "--" {
			copy(protected[i:], args[i:])
			break
		}
		if len(a) > 1 && a[0] == '-' && a[1] >= '0' && a[1] <= '9' && (i == 0 || !takesValue(c, args[i-1])) {
			a = hidden + a
		}
		protected[i] = a
	}
	return protected
}

// takesValue reports whether the argument after arg is its value.
func takesValue(c *cobra.Command, arg string) bool {
	c.InitDefaultHelpFlag()
	switch name, long := strings.CutPrefix(arg, "--"); {
	case long:
		f := c.Flags().Lookup(name)
		return f != nil && f.NoOptDefVal == ""
	case len(arg) > 1 && arg[0] == '-':
		f := c.Flags().ShorthandLookup(arg[len(arg)-1:])
		return f != nil && f.NoOptDefVal == ""
	}
	return false
}

func unprotect(arg string) string { return strings.TrimPrefix(arg, hidden) }
