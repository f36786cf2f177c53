package pool

import (
	"bytes"
	"cmp"
	"io/fs"
	"slices"
	"time"

	"ipcmq/internal/procfs"
	"ipcmq/mq"
)

// A Message describes a message in a pool.
type Message struct {
	Type     int64
	Sequence uint64
	Attempt  int
	Length   int  // -1 if it is being taken, or its taker died before it stored the length
	Unsure   bool // whether that is all
	Returned bool // nobody has it
	Due      bool

	// Who has it.
	Process      procfs.Process
	Dead, Judged bool

	Since, Until time.Time // zero if not known

	slot int
}

// Messages returns the messages in the pool of a queue, the oldest first, up to
// most unless that is 0. The rest is not touched, since that would allocate memory
// that was never used.
func Messages(segment, queue, most int) (all []Message, _ *mq.Error) {
	p, err := viewOf(segment, queue)
	if err != nil {
		return nil, err
	}
	defer p.segment.Detach()
	l := p.newLook()
	var slots []Message // with no more than sequence and slot
	for i := range p.used {
		if s, _ := l.at(i); s.there {
			slots = append(slots, Message{Sequence: p.metaOf(i)[0].Load(), slot: i})
		}
	}
	slices.SortStableFunc(slots, func(a, b Message) int { return cmp.Compare(a.Sequence, b.Sequence) })
	l.typed = 0
	for _, s := range slots {
		if most > 0 && len(all) == most {
			break
		}
		if m, ok := l.message(s.slot); ok && m.Sequence == s.Sequence {
			all = append(all, m)
		}
	}
	return all, nil
}

// viewOf is view of the pool of a queue.
func viewOf(segment, queue int) (*Pool, *mq.Error) {
	p, err := view(segment)
	if err == nil && p.queue != queue {
		err = refuse(fs.ErrNotExist, nil, "segment %d is the pool of another queue", segment)
	}
	if err != nil && p != nil {
		p.segment.Detach()
	}
	return p, err
}

func (l *look) message(i int) (m Message, ok bool) {
	p := l.p
	for range tries {
		s, _ := l.at(i)
		if !s.there {
			return m, false
		}
		meta := p.metaOf(i)
		m = Message{
			Type: p.typeOf(i, s.word), Sequence: meta[0].Load(), Attempt: s.since(int(meta[1].Load())),
			Length: min(s.length(), len(p.bytes(i))-8), Unsure: s.word&unsure != 0, Returned: s.state() == returned, Due: s.due,
			Process: s.process, Dead: s.verdict.dead, Judged: s.verdict.judged,
			Since: l.timeOf(s.began), Until: l.timeOf(s.until), slot: i,
		}
		if s.state() == taking {
			m.Length = -1
		}
		if m.Returned {
			m.Since = time.Time{}
		}
		if word(p.words[i].Load()) == s.word {
			return m, true
		}
	}
	return m, false
}

// Payload returns a copy of the payload of a message that Messages has returned,
// and whether its length is certain. The error matches mq.ErrEmpty if the message
// is no longer there, or is being taken, so its end may be missing.
func Payload(segment, queue int, m Message) (data []byte, certain bool, _ *mq.Error) {
	p, err := viewOf(segment, queue)
	if err != nil {
		return nil, false, err
	}
	defer p.segment.Detach()
	l := p.newLook()
	for range tries {
		if m.slot >= len(p.words) { // the segment is another's by now
			break
		}
		w := word(p.words[m.slot].Load())
		if w.state() < taking || w.state() > returned || p.metaOf(m.slot)[0].Load() != m.Sequence || p.typeOf(m.slot, w) != m.Type {
			break
		}
		room := p.bytes(m.slot)[8:]
		n, certain := w.length(), w&unsure == 0
		if w.state() == taking {
			if _, v := l.judge(w.owner()); !v.dead {
				return nil, false, refuse(mq.ErrEmpty, nil, "message %d is being taken", m.Sequence)
			}
			n, certain = p.lengthOf(m.slot)
		}
		data = bytes.Clone(room[:min(n, len(room))])
		if word(p.words[m.slot].Load()) == w {
			return data, certain, nil
		}
	}
	return nil, false, refuse(mq.ErrEmpty, nil, "message %d is no longer lent", m.Sequence)
}
