package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/address"
	"ipcmq/internal/visible"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

const (
	somePeeked  = 50      // messages at once
	mostPeeked  = 1000    // messages that can be looked at: the kernel counts up to each
	bytesPeeked = 4 << 20 // approximate bytes of messages at once
)

// A page of messages, waiting in a queue or lent.
type messages struct {
	From     int       `json:"from"`
	Total    int64     `json:"total"`
	More     bool      `json:"more"` // further messages can be looked at
	Messages []preview `json:"messages"`
}

// A preview is how a message is shown in a list.
type preview struct {
	Index int    `json:"index"` // 0 is the oldest
	Sum   string `json:"sum"`   // to find the message again
	Type  int64  `json:"type"`
	Size  int    `json:"size"`
	Kind  string `json:"kind"`
	Text  string `json:"text"` // the beginning
	Lent  *lent  `json:"lent,omitempty"`
}

// lent is what is known about a lent message.
type lent struct {
	Sequence  uint64     `json:"sequence"`
	Attempt   int        `json:"attempt"`
	Uncertain bool       `json:"uncertain"` // the payload may be cut
	Due       bool       `json:"due"`
	Holder    string     `json:"holder,omitempty"` // empty if it was given back
	Since     *time.Time `json:"since,omitempty"`
	Until     *time.Time `json:"until,omitempty"`
}

// A whole is one message.
type whole struct {
	Type int64  `json:"type"`
	Size int    `json:"size"`
	Body body   `json:"body"`
	Hex  string `json:"hex"` // of the part From to To
	From int    `json:"from"`
	To   int    `json:"to"`
}

func newPreview(index int, m mq.Message) preview {
	kind, text := beginning(m.Data)
	return preview{Index: index, Sum: sumOf(m), Type: m.Type, Size: len(m.Data), Kind: kind, Text: text}
}

// sumOf distinguishes the messages of a queue, except identical ones.
func sumOf(m mq.Message) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s", m.Type, m.Data))
	return hex.EncodeToString(sum[:8])
}

// open opens the queue named in a request to look at its messages.
func open(q url.Values) (*sysv.Queue, error) {
	a, err := address.Parse(q.Get("at"))
	switch {
	case err != nil:
		return nil, badRequest{err}
	case a.Kind == address.Name:
		return nil, &mq.Error{Op: "peek", Queue: a.String(), Kind: errors.ErrUnsupported,
			Detail: "the kernel shows messages of System V queues only; of a POSIX queue they can be taken: ipcmq recv"}
	case a.Kind == address.ID:
		return sysv.OpenID(a.ID, &sysv.Config{Access: mq.ReadOnly})
	}
	return sysv.Open(a.Key, &sysv.Config{Access: mq.ReadOnly, OpenOnly: true})
}

// number reads a number in a request, 0 if it is missing.
func number(q url.Values, name string, most uint64) (uint64, error) {
	text := q.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > most {
		return 0, badRequest{fmt.Errorf("%s must be 0 to %d, not %.20q", name, most, text)}
	}
	return n, nil
}

// peek lets a few requests at a time read messages; it opens the queue for each.
func (s *Server) peek(w http.ResponseWriter, r *http.Request, look func(*sysv.Queue, url.Values) (any, error)) {
	select {
	case s.peeks <- struct{}{}:
		defer func() { <-s.peeks }()
	case <-r.Context().Done():
		return
	}
	values := r.URL.Query()
	var found any
	q, err := open(values)
	if err == nil {
		defer q.Close()
		found, err = look(q, values)
	}
	if err != nil {
		refuse(w, statusOf(err), visible.Line(s.config.Explain(err)))
		return
	}
	answer(w, http.StatusOK, found)
}

// messages answers with some messages, which stay in the queue.
func (s *Server) messages(w http.ResponseWriter, r *http.Request) {
	s.peek(w, r, func(q *sysv.Queue, values url.Values) (any, error) {
		from, err := number(values, "from", mostPeeked)
		if err != nil {
			return nil, err
		}
		if values.Has("lent") {
			return lentOf(q, int(from))
		}
		return waitingIn(q, int(from))
	})
}

func waitingIn(q *sysv.Queue, from int) (page messages, err error) {
	stat, err := q.Stat()
	if err != nil {
		return page, err
	}
	page = messages{From: from, Total: stat.Messages, Messages: []preview{}}
	last := min(from+somePeeked, mostPeeked)
	size := 0
	for i := from; i < last && size < bytesPeeked; i++ {
		m, err := q.Peek(i)
		if errors.Is(err, mq.ErrEmpty) {
			return page, nil
		}
		if err != nil {
			return page, err
		}
		size += len(m.Data)
		page.Messages = append(page.Messages, newPreview(i, m))
	}
	next := from + len(page.Messages)
	page.More = next < mostPeeked && int64(next) < stat.Messages
	return page, nil
}

func lentOf(q *sysv.Queue, from int) (page messages, err error) {
	page = messages{From: from, Messages: []preview{}}
	all, err := collect.LentOf(q, mostPeeked)
	if errors.Is(err, fs.ErrNotExist) {
		return page, nil // nothing was ever lent
	}
	if err != nil {
		return page, err
	}
	page.Total = int64(len(all))
	size, i := 0, from
	for ; i < min(from+somePeeked, len(all)) && size < bytesPeeked; i++ {
		l := all[i]
		m, err := l.Message()
		if errors.Is(err, mq.ErrEmpty) { // already settled, or just being taken
			continue
		}
		if err != nil {
			return page, err
		}
		size += len(m.Data)
		p := newPreview(i, m)
		p.Lent = &lent{Sequence: l.Sequence, Attempt: l.Attempt, Uncertain: l.Uncertain, Due: l.Due, Until: l.Until}
		if l.Holder != nil {
			p.Lent.Holder, p.Lent.Since = visible.Line(l.Holder.String()), l.Holder.Since
		}
		page.Messages = append(page.Messages, p)
	}
	page.More = i < len(all)
	return page, nil
}

// message answers with one message and a part of its bytes.
func (s *Server) message(w http.ResponseWriter, r *http.Request) {
	s.peek(w, r, func(q *sysv.Queue, values url.Values) (any, error) {
		var m mq.Message
		from, err := number(values, "from", math.MaxInt32)
		if err != nil {
			return nil, err
		}
		if values.Has("lent") {
			m, err = findLent(q, values)
		} else {
			m, err = findWaiting(q, values)
		}
		if err != nil {
			return nil, err
		}
		start := min(int(from)/hexLine*hexLine, len(m.Data))
		end := min(start+hexPart, len(m.Data))
		return whole{Type: m.Type, Size: len(m.Data), Body: newBody(m.Data), Hex: dump(m.Data[start:end], start), From: start, To: end}, nil
	})
}

// errTaken is the error for a message that somebody has received.
var errTaken = &mq.Error{Op: "peek", Kind: mq.ErrEmpty, Detail: "this message is not in the queue any more: it was received meanwhile"}

// findWaiting finds a message where it was, or closer to the front if others were taken
// meanwhile.
func findWaiting(q *sysv.Queue, values url.Values) (mq.Message, error) {
	index, err := number(values, "index", mostPeeked)
	if err != nil {
		return mq.Message{}, err
	}
	for i := int(index); i >= 0; i-- {
		m, err := q.Peek(i)
		if errors.Is(err, mq.ErrEmpty) {
			continue // more messages than this were taken
		}
		if err != nil || sumOf(m) == values.Get("sum") {
			return m, err
		}
	}
	return mq.Message{}, errTaken
}

func findLent(q *sysv.Queue, values url.Values) (mq.Message, error) {
	sequence, err := number(values, "lent", math.MaxUint64)
	if err != nil {
		return mq.Message{}, err
	}
	all, err := collect.LentOf(q, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return mq.Message{}, err
	}
	for _, l := range all {
		if l.Sequence == sequence {
			return l.Message()
		}
	}
	return mq.Message{}, &mq.Error{Op: "peek", Queue: q.String(), Kind: mq.ErrEmpty, Detail: "this message is not lent any more"}
}
