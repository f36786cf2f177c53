package cli

import (
	"os"

	"github.com/spf13/cobra"
)

// withoutBashCompletion replaces the one function of cobra's script that needs the
// package bash-completion, in case that is not loaded: bash itself breaks words at
// colons and equals signs, which addresses and flags contain.
const withoutBashCompletion = `
__ipcmq_init_completion()
{
    COMPREPLY=()
    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref "$@" cur prev words cword
        return
    fi
    local i rest line=${COMP_LINE:0:COMP_POINT}
    words=()
    cword=0
    for ((i = 0; i <= COMP_CWORD; i++)); do
        rest=${line#"${line%%[![:space:]]*}"}
        if ((i > 0)) && [[ $rest == "$line" ]] && [[ -n $rest ]]; then
            words[cword]+=${COMP_WORDS[i]} # what bash split off
        else
            cword=${#words[@]}
            words[cword]=${COMP_WORDS[i]}
        fi
        line=${rest#"${COMP_WORDS[i]}"}
    done
    cur=${words[cword]}
    prev=
    ((cword > 0)) && prev=${words[cword - 1]}
    return 0
}
`

// completeBash makes cobra's command for bash write a script that does not need
// the package bash-completion.
func completeBash(c *cobra.Command) {
	cobras := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := cobras(c, args); err != nil {
			return err
		}
		return write(os.Stdout, withoutBashCompletion)
	}
	c.Long = `Bash writes the script with which bash completes commands, flags, and addresses of
existing queues. It works with and without the package bash-completion.`
	c.Example = `  source <(ipcmq completion bash)
  ipcmq completion bash > ~/.local/share/bash-completion/completions/ipcmq`
}
