package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"maragu.dev/goqite"
	_ "modernc.org/sqlite" // a driver without cgo

	"ipcmq/mq"
)

// meetGoqite creates a database with the tables of goqite, which are in its module.
func meetGoqite(ctx context.Context, b *bench, j *job) (m meeting, err error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "maragu.dev/goqite").Output()
	if err != nil {
		return m, &processError{"go list", err, ""}
	}
	schema, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema_sqlite.sql"))
	if err != nil {
		return m, err
	}
	j.There, j.Back = filepath.Join(b.programs, rand.Text()+".db"), "queue"
	db, err := openSQLite(j.There)
	if err != nil {
		return m, err
	}
	m.remove = func() error {
		err := db.Close()
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if e := os.Remove(j.There + suffix); !errors.Is(e, os.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
		return err
	}
	_, err = db.ExecContext(ctx, string(schema))
	return m, err
}

// openSQLite opens a database with commonly recommended settings: a write-ahead log
// that is not written to disk after each transaction.
func openSQLite(file string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=busy_timeout(10000)&_txlock=immediate")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

func openGoqite(_ context.Context, j job) (end, error) {
	db, err := openSQLite(j.There)
	if err != nil {
		return end{}, err
	}
	q := goqite.New(goqite.NewOpts{DB: db, Name: j.Back, Timeout: time.Minute})
	return end{
		sender: &goqiteSender{db: db, q: q, left: j.Warm + j.Count},
		receive: func(ctx context.Context, handle func([]byte) bool) error {
			for {
				m, err := q.ReceiveAndWait(ctx, time.Millisecond)
				if err != nil {
					return err
				}
				more := handle(m.Body)
				if err := q.Delete(ctx, m.ID); err != nil || !more {
					return err
				}
			}
		},
		close: db.Close,
	}, nil
}

// A goqiteSender sends several messages in one transaction.
type goqiteSender struct {
	db   *sql.DB
	q    *goqite.Queue
	left int // messages still to come
	tx   *sql.Tx
	in   int
}

func (s *goqiteSender) Send(ctx context.Context, m mq.Message) (err error) {
	if s.tx == nil {
		if s.tx, err = s.db.BeginTx(ctx, nil); err != nil {
			return err
		}
	}
	if err := s.q.SendTx(ctx, s.tx, goqite.Message{Body: m.Data}); err != nil {
		return err
	}
	s.in++
	s.left--
	if s.in < batchSize && s.left > 0 {
		return nil
	}
	err = s.tx.Commit()
	s.tx, s.in = nil, 0
	return err
}
