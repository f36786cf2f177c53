package cli

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/visible"
	"ipcmq/mq"
)

const formatHelp = `Formats:
  text   the bytes and a newline; on a terminal, control characters are escaped
  hex    two digits per byte, and a newline
  json   one object per line: type or priority, size, and data in base64
  raw    the bytes and nothing else`

// A format writes messages.
type format struct {
	*oneOf
	withType bool
	terminal bool // escape control characters
	types    bool // messages have types, not priorities
}

// formatFlags adds the flags for the format.
func formatFlags(c *cobra.Command) *format {
	f := &format{oneOf: choiceFlag(c, "format", "text", "text, hex, json or raw", "text", "hex", "json", "raw")}
	c.Flags().BoolVar(&f.withType, "with-type", false, "put the type (POSIX: the priority) and a tab before each message")
	return f
}

// begin checks the flags and prepares for the messages of q.
func (f *format) begin(q mq.Queue, terminal bool) error {
	if f.withType && f.value == "raw" {
		return usagef("--with-type and --format raw cannot be combined; --format json has the type")
	}
	f.terminal, f.types = terminal, hasTypes(q)
	return nil
}

// jsonMessage is a message in JSON: in the output of recv and in the files of
// drain.
type jsonMessage struct {
	Type     int64   `json:"type,omitempty"`
	Priority *uint32 `json:"priority,omitempty"`
	Size     int     `json:"size"`
	Data     string  `json:"data"`
}

func newJSONMessage(m mq.Message) jsonMessage {
	j := jsonMessage{Type: m.Type, Size: len(m.Data), Data: base64.StdEncoding.EncodeToString(m.Data)}
	if m.Type == 0 {
		j.Priority = &m.Priority
	}
	return j
}

// append appends m in the chosen format.
func (f *format) append(b []byte, m mq.Message) []byte {
	if f.withType && f.value != "json" {
		if f.types {
			b = strconv.AppendInt(b, m.Type, 10)
		} else {
			b = strconv.AppendUint(b, uint64(m.Priority), 10)
		}
		b = append(b, '\t')
	}
	switch f.value {
	case "raw":
		return append(b, m.Data...)
	case "hex":
		b = hex.AppendEncode(b, m.Data)
	case "json":
		line, err := json.Marshal(newJSONMessage(m))
		if err != nil {
			panic(err) // it holds numbers and a string
		}
		b = append(b, line...)
	default:
		if f.terminal {
			b = visible.AppendText(b, m.Data)
		} else {
			b = append(b, m.Data...)
		}
	}
	return append(b, '\n')
}

// appendLent is append for a lent message, for which JSON has more fields.
func (f *format) appendLent(b []byte, l collect.Lent, m mq.Message) []byte {
	if f.value != "json" {
		return f.append(b, m)
	}
	l.Size = len(m.Data)
	line, err := json.Marshal(struct {
		collect.Lent
		Data string `json:"data"`
	}{l, base64.StdEncoding.EncodeToString(m.Data)})
	if err != nil {
		panic(err) // it holds numbers, times and strings
	}
	return append(appendJSON(b, line), '\n')
}

// writeData writes bytes from other programs as they are, or on a terminal with
// control characters escaped.
func writeData(f *os.File, data []byte) error {
	if isTerminal(f) {
		data = visible.AppendText(nil, data)
	}
	_, err := f.Write(data)
	return err
}
