package php_test

import (
	"context"
	"fmt"
	"log"
	"maps"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"ipcmq/examples/php"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/codec"
	"ipcmq/mq/sysv"
)

func TestMain(m *testing.M) { testutil.Main(m, nil) }

func ExampleArray() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()

	// The data of msg_send($queue, 1, ['id' => 7, 'items' => ['tea', 'cake']]); and
	// data with which the library alone would end the program.
	for _, text := range []string{`a:2:{s:2:"id";i:7;s:5:"items";a:2:{i:0;s:3:"tea";i:1;s:4:"cake";}}`, `a:2:{i:0;a:9999999999:{`} {
		if err := q.TrySend(mq.Message{Type: 1, Data: []byte(text)}); err != nil {
			log.Fatal(err)
		}
	}
	orders := codec.All(mq.All(context.Background(), q), php.Array())
	n := 0
	for order, err := range orders {
		fmt.Println(order["id"], order["items"], err)
		if n++; n == 2 {
			break
		}
	}

	m, err := php.Array().Payload(map[any]any{"id": 7})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", m)
	// Output:
	// 7 [tea cake] <nil>
	// <nil> <nil> mq: decode message of type 1, 23 bytes: byte 23: an array does not have the 9999999999 elements that it claims, with keys that are int or string
	// a:1:{s:2:"id";i:7;}
}

func TestDecode(t *testing.T) {
	deep := func(n int) string {
		return strings.Repeat("a:1:{i:0;", n) + "N;" + strings.Repeat("}", n)
	}
	for _, c := range []struct {
		name, data string
		ok         bool
	}{
		{"empty array", `a:0:{}`, true},
		{"all kinds", `a:6:{i:-1;N;i:5;b:1;s:1:"f";d:0.5;s:0:"";s:2:"";";i:7;i:9223372036854775807;s:1:"a";a:0:{}}`, true},
		{"as deep as allowed", deep(php.MaxDepth), true},
		{"nothing", ``, false},
		{"a string", `s:1:"a";`, false},
		{"too deep", deep(php.MaxDepth + 1), false},
		{"very deep", deep(5000), false},
		{"more elements than there are", `a:3:{i:0;N;i:1;N;}`, false},
		{"more elements than any memory holds", `a:2:{i:0;a:9999999999:{`, false},
		{"fewer elements than there are", `a:1:{i:0;N;i:1;N;}`, false},
		{"a negative number of elements", `a:-1:{}`, false},
		{"bytes after the end", `a:0:{} `, false},
		{"no end", `a:1:{i:0;N;`, false},
		{"a cut string", `a:1:{i:0;s:9:"abc";}`, false},
		{"a string of negative length", `a:1:{i:0;s:-1:"";}`, false},
		{"a backslash", `a:1:{i:0;s:2:"\n";}`, false},
		{"an invalid bool", `a:1:{i:0;b:2;}`, false},
		{"an invalid int", `a:1:{i:0;i:x;}`, false},
		{"an array as a key", `a:1:{a:0:{}N;}`, false},
		{"an object", `a:1:{i:0;O:8:"stdClass":0:{}}`, false},
		{"a reference", `a:2:{i:0;N;i:1;R:2;}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := php.Array().Value(mq.Message{Data: []byte(c.data)})
			if (err == nil) != c.ok {
				t.Errorf("%v, %v", v, err)
			}
		})
	}
}

// FuzzDecode decodes arbitrary bytes: none ends the program, and a decoded value stays
// the same when encoded and decoded again.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{`a:2:{s:2:"id";i:7;s:1:"x";a:1:{i:0;d:1.5;}}`, `a:2:{i:0;a:9999999999:{`, `a:1:{i:0;b:1;}`, `a:1:{s:1:"k";N;}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := php.Array().Decode(data)
		if err != nil {
			return
		}
		again, err := php.Array().Encode(v)
		if err != nil {
			t.Fatalf("%v of %q, which is %v", err, data, v)
		}
		if w, err := php.Array().Decode(again); err == nil && len(w) != len(v) {
			t.Errorf("%v, and then %v", v, w)
		}
	})
}

// TestWithPHP exchanges messages with PHP and its default serialization.
func TestWithPHP(t *testing.T) {
	if err := exec.Command("php", "--ri", "sysvmsg").Run(); err != nil {
		testutil.Lacking(t, "PHP with sysvmsg")
	}
	key, err := sysv.Ftok(t.TempDir(), 'p')
	if err != nil {
		t.Fatal(err)
	}
	q, err := sysv.Open(key, &sysv.Config{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	orders := codec.NewSender(q, mq.Message{Type: 1}, php.Array())
	sent := map[any]any{"id": 7, "name": "käse & brot", "price": 3.5, "paid": true, "note": nil, "items": []any{1, 2}}
	if err := orders.Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	const program = `$q = msg_get_queue((int) $argv[1]);
		msg_receive($q, 1, $_, 8192, $order) or exit(1);
		msg_send($q, 2, $order + ['answer' => $order['id'] + 1]) or exit(2);`
	if out, err := exec.CommandContext(t.Context(), "php", "-r", program, "--", strconv.Itoa(int(int32(key)))).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m, err := q.TryReceive()
	if err != nil {
		t.Fatal(err)
	}
	got, err := php.Array().Value(m)
	if err != nil {
		t.Fatal(err)
	}
	want := maps.Clone(sent)
	want["id"], want["answer"], want["items"] = int64(7), int64(8), []any{int64(1), int64(2)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
