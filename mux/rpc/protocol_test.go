package rpc_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mux/rpc"
)

// golden returns the bytes in a golden file.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".golden"))
	if err != nil {
		t.Fatal(err)
	}
	return unhex(t, strings.Fields(string(b)))
}

func unhex(t *testing.T, words []string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(words, ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The page explains the bytes of messages, which must be those of the golden files.
func TestTheProtocolPageShowsTheGoldenFiles(t *testing.T) {
	page, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "\n```golden ")[1:]
	for _, block := range blocks {
		name, text, _ := strings.Cut(block, "\n")
		text, _, _ = strings.Cut(text, "\n```")
		var words []string
		for line := range strings.Lines(text) {
			digits, _, _ := strings.Cut(line, "   ") // their meaning follows
			words = append(words, strings.Fields(digits)...)
		}
		if got, want := unhex(t, words), golden(t, name); !bytes.Equal(got, want) {
			t.Errorf("%s is shown as\n%x, not\n%x", name, got, want)
		}
	}
	if len(blocks) != 3 {
		t.Errorf("%d blocks", len(blocks))
	}
}

func TestMetadataIsItsGoldenFile(t *testing.T) {
	md := rpc.Metadata{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "k": "", "\xff": "\x00\xff"}
	want := golden(t, "request_with_metadata")
	if got := rpc.MakeHeaderWith("sysv:32769", md).Append(nil, []byte("hello")); !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
	h, payload, err := rpc.ParseHeader(want)
	if err != nil || string(payload) != "hello" || !maps.Equal(h.Metadata(), md) {
		t.Errorf("parsed %v, %q, %v", h.Metadata(), payload, err)
	}
}

// The golden file is about another process: its numbers are replaced by those of this
// one.
func TestTheRecordOfAnInboxIsItsGoldenFile(t *testing.T) {
	want := golden(t, "owner")
	in := newInbox(t, newQueue(t, nil)).(interface {
		Peek(int) (mq.Message, error)
	})
	m, err := in.Peek(0)
	if errors.Is(err, errors.ErrUnsupported) {
		testutil.Lacking(t, "MSG_COPY")
	}
	if err != nil || m.Type != 2 || len(m.Data) != len(want) || !bytes.Equal(m.Data[:8], want[:8]) {
		t.Errorf("the record is %v, %v, not\n%x", m, err, want)
	}
}
