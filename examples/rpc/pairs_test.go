package main

import (
	"strings"
	"testing"
)

// Also without Go: each client gets a reply and an error from each server.
func TestEveryClientIsAnsweredByEveryServer(t *testing.T) {
	words := make(map[string][]string)
	for _, l := range wanted() {
		if l.installed() == nil {
			words[l.name] = l.words(t, "client")
		}
	}
	inEach(t, func(t *testing.T, l language) {
		q := newQueue(t)
		s := l.startServer(t, q)
		st, err := q.Stat()
		if err != nil {
			t.Fatal(err)
		}
		for name, client := range words {
			out, err := runWords(t, client, st.Key.String(), "20000", "hello, "+name, "", strings.Repeat("x", 5000)).Output()
			want := "HELLO, " + strings.ToUpper(name) + "\nerror 1024: nothing to put in upper case\n" + strings.Repeat("X", 5000) + "\n"
			if err == nil || string(out) != want {
				t.Errorf("the client in %s: %v, printed\n%s", name, err, out)
			}
		}
		if err := q.Remove(); err != nil {
			t.Fatal(err)
		}
		if err := s.Wait(); err != nil {
			t.Errorf("%v: %s", err, s.out.String())
		}
	})
}
