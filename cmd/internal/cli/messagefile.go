package cli

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"ipcmq/mq"
)

const fileHelp = `The file is JSON lines, for people and programs to read:
  {"ipcmq":"messages","version":1,"queue":"0x0000002a"}
  {"type":7,"size":5,"data":"aGVsbG8="}
  {"type":1,"size":5,"data":"d29ybGQ="}
  {"end":2}
The data is in base64, messages of POSIX queues have a priority instead of a
type, and the last line gives the number of messages.`

const fileVersion = 1

// A fileHeader is the first line of a file of messages.
type fileHeader struct {
	Ipcmq   string `json:"ipcmq"` // "messages"
	Version int    `json:"version"`
	Queue   string `json:"queue"` // for people
}

// A fileLine is every other line: a message, or the end.
type fileLine struct {
	jsonMessage
	End *int `json:"end,omitempty"`
}

// A messageFile is a file of messages being written.
type messageFile struct {
	f     *os.File
	count int
	good  int64 // bytes of whole lines
}

// createMessageFile makes a new file that only this user may read.
func createMessageFile(name, queue string) (*messageFile, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w := &messageFile{f: f}
	if err := w.line(fileHeader{"messages", fileVersion, queue}); err != nil {
		f.Close()
		return nil, errors.Join(err, os.Remove(name))
	}
	return w, nil
}

// line writes v as a line, or nothing if that fails.
func (w *messageFile) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if _, err := w.f.WriteAt(b, w.good); err != nil {
		return errors.Join(err, w.f.Truncate(w.good))
	}
	w.good += int64(len(b))
	return nil
}

func (w *messageFile) add(m mq.Message) error {
	if err := w.line(newJSONMessage(m)); err != nil {
		return err
	}
	w.count++
	return nil
}

// close writes the last line. When it returns nil, everything is on disk.
func (w *messageFile) close() error {
	err := w.line(struct {
		End int `json:"end"`
	}{w.count})
	return errors.Join(err, w.f.Sync(), w.f.Close())
}

// readMessages calls f with each message of r and its number, from 1. It returns the
// number of messages. A file without its last line is an error, unless incomplete is
// set: then anything after the last whole line is ignored.
func readMessages(r io.Reader, incomplete bool, f func(n int, m mq.Message, size int) error) (n int, err error) {
	lines := bufio.NewReaderSize(r, 64<<10)
	var b []byte
	header := fileHeader{}
	b, err = readLine(lines, b)
	if err != nil || json.Unmarshal(b, &header) != nil || header.Ipcmq != "messages" {
		return 0, errors.New("this is not a file of ipcmq drain")
	}
	if header.Version != fileVersion {
		return 0, fmt.Errorf("the file has version %d; this ipcmq reads version %d", header.Version, fileVersion)
	}
	for number := 2; ; number++ {
		b, err = readLine(lines, b[:0])
		if err == io.EOF {
			if incomplete {
				return n, nil
			}
			return n, fmt.Errorf("the file lacks its last line: drain was killed, or the file was cut; --incomplete loads the %s in it", plural(n, "message"))
		}
		if err != nil {
			return n, err
		}
		var l fileLine
		if err := json.Unmarshal(b, &l); err != nil {
			if _, end := lines.Peek(1); end == io.EOF && incomplete {
				return n, nil
			}
			return n, fmt.Errorf("line %d: %w", number, err)
		}
		if l.End != nil {
			if *l.End != n {
				return n, fmt.Errorf("line %d: there should be %d messages and there are %d", number, *l.End, n)
			}
			if _, err := lines.Peek(1); err != io.EOF {
				return n, fmt.Errorf("line %d: unexpected data after the end", number+1)
			}
			return n, nil
		}
		m, err := l.message()
		if err != nil {
			return n, fmt.Errorf("line %d: %w", number, err)
		}
		n++
		if err := f(n, m, len(b)+1); err != nil {
			return n, err
		}
	}
}

// message returns the message that j describes.
func (j jsonMessage) message() (mq.Message, error) {
	data, err := base64.StdEncoding.DecodeString(j.Data)
	if err != nil {
		return mq.Message{}, fmt.Errorf("data: %w", err)
	}
	m := mq.Message{Type: j.Type, Data: data}
	if j.Priority != nil {
		m.Priority = *j.Priority
	}
	switch {
	case len(data) != j.Size:
		return m, fmt.Errorf("the size is %d and there are %d bytes of data", j.Size, len(data))
	case (j.Type != 0) == (j.Priority != nil):
		return m, errors.New("a message has either a type or a priority")
	}
	return m, nil
}
