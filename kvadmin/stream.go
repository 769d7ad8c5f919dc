package kvadmin

import (
	"bufio"
	"fmt"
	"net/http"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
)

// stream writes an answer of unknown length. Each write gets a deadline.
type stream struct {
	q       *request
	control *http.ResponseController
	begun   bool
}

func (s *stream) Write(b []byte) (int, error) {
	s.begun = true
	s.control.SetWriteDeadline(time.Now().Add(idleTime)) // fails if there is no connection
	return s.q.w.Write(b)
}

// stream calls fn with a writer of the answer. If fn fails after the answer has begun, the
// connection is aborted, so that the client cannot take it for complete.
func (q *request) stream(kind, filename string, fn func(*stream) error) error {
	header := q.w.Header()
	header.Set("Content-Type", kind)
	header.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", filename))
	s := &stream{q: q, control: http.NewResponseController(q.w)}
	err := fn(s)
	switch {
	case err == nil:
		return nil
	case s.begun:
		q.opts.Logger.Warn("kvadmin: a download failed", "store", q.name, "user", userOf(q.r), "error", err)
		panic(http.ErrAbortHandler)
	}
	header.Del("Content-Disposition")
	return err
}

func (q *request) export() error {
	if !q.opts.Values {
		return errValues
	}
	s, err := selects(q.r.URL.Query())
	if err != nil {
		return err
	}
	end, err := q.beginScan()
	if err != nil {
		return err
	}
	defer end()
	n := 0
	err = q.stream("application/jsonl", "export.jsonl", func(w *stream) error {
		out := bufio.NewWriterSize(w, 64<<10)
		var line []byte
		for e, err := range q.entries(q.ctx, &s, extlibs.NeedAll) {
			if err != nil {
				return err
			}
			if !e.selected {
				continue
			}
			if line, err = jsonl.Append(line[:0], jsonl.Entry{Key: e.Key, Value: e.Value.Raw(), TTL: e.TTL}); err != nil {
				return err
			}
			if _, err := out.Write(line); err != nil {
				return err
			}
			if n++; n == s.limit {
				break
			}
		}
		return out.Flush()
	})
	if err == nil {
		q.log("export", "keys", n)
	}
	return err
}

// backupErr returns why there are no backups.
func (q *request) backupErr() error {
	switch {
	case !q.opts.Backup:
		return errBackups
	case q.opts.Hide != nil:
		return errHides
	}
	return nil
}

func (q *request) backup() error {
	if err := q.backupErr(); err != nil {
		return err
	}
	end, err := q.beginScan()
	if err != nil {
		return err
	}
	defer end()
	err = q.stream("application/octet-stream", "backup.db", func(w *stream) error {
		return q.store.Backup(q.ctx, w)
	})
	if err == nil {
		q.log("backup")
	}
	return err
}
