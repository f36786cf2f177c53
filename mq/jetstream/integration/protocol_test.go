package integration_test

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// pageBlocks returns the blocks of JSON on the page of the protocol.
func pageBlocks(t *testing.T, replace ...string) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "PROTOCOL.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(page), "```json\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		blocks = append(blocks, strings.NewReplacer(replace...).Replace(block))
	}
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of JSON on the page", len(blocks))
	}
	return blocks
}

// callAPI calls the API of JetStream with JSON.
func callAPI(t *testing.T, nc *nats.Conn, subject, request string) (answer map[string]any) {
	t.Helper()
	m, err := nc.Request("$JS.API."+subject, []byte(request), 10*time.Second)
	if err == nil {
		err = json.Unmarshal(m.Data, &answer)
	}
	if err != nil || answer["error"] != nil {
		t.Fatalf("%s: %v, %v", subject, err, answer)
	}
	return answer
}

// has compares all that want has with what got has under the same keys.
func has(t *testing.T, got map[string]any, want string) {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal([]byte(want), &values); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	for key, value := range values {
		is := got[key]
		if inner, ok := value.(map[string]any); ok {
			for key, value := range inner {
				if is := is.(map[string]any)[key]; !reflect.DeepEqual(is, value) {
					t.Errorf("%s is %v, and on the page %v", key, is, value)
				}
			}
		} else if !reflect.DeepEqual(is, value) {
			t.Errorf("%s is %v, and on the page %v", key, is, value)
		}
	}
}

// The page of the protocol matches what this package does.
func TestTheProtocolPageSaysWhatIsDone(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()

	q := openQueue(t, url, "page", nil)
	leases(t, q, mq.Type(5))
	config := func(name string) map[string]any {
		return callAPI(t, nc, "STREAM.INFO.IPCMQ_"+name, "")["config"].(map[string]any)
	}
	lease := config("page")
	id := lease["metadata"].(map[string]any)["ipcmq-id"].(string)
	blocks := pageBlocks(t, "NAME", "page", "RANDOM", id, "CONSUMER", "type-5-"+id, "FILTER", "ipcmq.page.type.5")
	has(t, lease, blocks[0])
	var request struct{ Config json.RawMessage }
	if err := json.Unmarshal([]byte(blocks[2]), &request); err != nil {
		t.Fatal(err)
	}
	has(t, callAPI(t, nc, "CONSUMER.INFO.IPCMQ_page.type-5-"+id, "")["config"].(map[string]any), string(request.Config))
	openQueue(t, url, "claim", &jetstream.Config{Mode: jetstream.ClaimMode})
	has(t, config("claim"), "{"+strings.ReplaceAll(blocks[1], "page", "claim")+"}")

	// The clock, too.
	info := callAPI(t, nc, "STREAM.INFO.IPCMQ_page", "")
	cluster, _ := info["cluster"].(map[string]any)
	leader, _ := cluster["leader"].(string)
	clock, err := q.Clock(t.Context())
	if sum := sha256.Sum256([]byte("IPCMQ_page " + id + " " + info["created"].(string) + " " + leader)); err != nil || clock.ID != [16]byte(sum[:]) {
		t.Errorf("the id of the clock is %x, %v, not the beginning of %x", clock.ID, err, sum)
	}

	// A stream created as the page says is a queue.
	callAPI(t, nc, "STREAM.CREATE.IPCMQ_made", strings.NewReplacer("page", "made", id, "ABC123").Replace(blocks[0]))
	callAPI(t, nc, "CONSUMER.CREATE.IPCMQ_made.type-5-ABC123.ipcmq.made.type.5", strings.NewReplacer("page", "made", id, "ABC123").Replace(blocks[2]))
	made := openQueue(t, url, "made", &jetstream.Config{OpenOnly: true})
	sendAll(t, made, mq.Message{Type: 5, Data: []byte("hello")})
	l, err := leases(t, made, mq.Type(5)).Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Ack(t.Context()); err != nil {
		t.Error(err)
	}
}
