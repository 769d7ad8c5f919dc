package kvadmin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
)

// watched is the data of a change.
type watched struct {
	keyValue
	Gone bool   `json:"gone,omitempty"`
	Text string `json:"text,omitempty"` // the beginning of the value, as a script literal
}

// watch streams the changes of a store, or shows a page of them.
func (q *request) watch() error {
	s, err := selects(q.r.URL.Query())
	if err != nil {
		return err
	}
	ctx, limited := q.ctx, false
	if text := q.r.URL.Query().Get("for"); text != "" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= 0 && n <= 1e6) {
			return fail(http.StatusBadRequest, "invalid", "for is %.20q; use a number of seconds", text)
		}
		limited = true
		if !q.wantJSON {
			n = min(n, watchedSeconds)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(n*float64(time.Second)))
		defer cancel()
	}
	if !q.wantJSON {
		return q.watchPage(ctx, s, limited)
	}
	events := &events{q: q, stream: &stream{q: q, control: http.NewResponseController(q.w)}}
	err = q.follow(ctx, s, watcher{
		ready: events.begin,
		change: func(e extlibs.Entry, gone bool) error {
			c, err := q.watched(e, gone)
			if err != nil {
				return err
			}
			return events.send("change", c)
		},
		lost:  func() error { return events.send("lost", map[string]int{"version": version}) },
		alive: events.alive,
	})
	if err == nil || !events.stream.begun {
		return err
	}
	events.send("error", errorBody(failureOf(err))) // fails if the client has gone
	return nil
}

// watched describes a change as JSON.
func (q *request) watched(e extlibs.Entry, gone bool) (watched, error) {
	c := watched{keyValue: keyValue{Version: version, keyInfo: keyInfo{Key: e.Key}}, Gone: gone}
	if gone {
		return c, nil
	}
	n := e.Value.Len()
	c.TTL, c.Type, c.Bytes = seconds(e.TTL), typeOf(e.Value), &n
	if c.Hidden = !q.opts.Values || !q.may(Get, e.Key); c.Hidden {
		return c, nil
	}
	v, err := e.Value.DecodeWithin(q.ctx, decodeBytes)
	if err == nil {
		c.Value, err = jsonl.AppendValue(nil, e.Value.Raw())
	}
	if err == nil && n <= previewBytes {
		c.Text = preview(v)
	}
	return c, err
}

// events writes server-sent events.
type events struct {
	q      *request
	stream *stream
}

func (e *events) begin() error {
	header := e.q.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // for nginx
	return e.send("ready", map[string]int{"version": version})
}

func (e *events) send(name string, data any) error {
	text, err := json.Marshal(data) // without line breaks
	if err != nil {
		return err
	}
	return e.write(fmt.Sprintf("event: %s\ndata: %s\n\n", name, text))
}

func (e *events) alive() error { return e.write(": alive\n\n") }

func (e *events) write(text string) error {
	if _, err := e.stream.Write([]byte(text)); err != nil {
		return err
	}
	return e.stream.control.Flush()
}

// watchedSeconds is how long a page without a script watches, and watchedRows how many
// changes it shows.
const (
	watchedSeconds = 10
	watchedRows    = 200
)

// watchBody is the body of the page of live changes.
type watchBody struct {
	Prefix, Pattern    string
	State              string
	WaitURL, StreamURL string
	KeyURL, URL        string
	Rows               []watchRow
}

type watchRow struct {
	row
	When string
	Gone bool
}

// watchPage shows the page, with the changes until the end of ctx if that has a limit.
func (q *request) watchPage(ctx context.Context, s selection, limited bool) error {
	b := watchBody{
		Prefix: field(s.prefix), Pattern: field(s.pattern), URL: q.urlOf("watch"), KeyURL: q.urlOf("key"),
		WaitURL: q.urlOf("watch", "prefix", s.prefix, "pattern", s.pattern, "for", strconv.Itoa(watchedSeconds)),
	}
	if !limited {
		b.StreamURL = q.urlOf("watch", "prefix", s.prefix, "pattern", s.pattern)
		return q.show(http.StatusOK, "watch", q.newPage("Live changes", "watch", b))
	}
	defer q.deadline(watchedSeconds*time.Second + idleTime)()
	none := func() error { return nil }
	err := q.follow(ctx, s, watcher{ready: none, alive: none, lost: none, change: func(e extlibs.Entry, gone bool) error {
		r := watchRow{row: q.keyRow(e, ""), When: time.Now().Format(time.TimeOnly), Gone: gone}
		if gone {
			r.Type = "deleted"
		}
		if len(b.Rows) < watchedRows {
			b.Rows = append(b.Rows, r)
		}
		return nil
	}})
	if err != nil {
		return err
	}
	b.State = plural(int64(len(b.Rows)), "change") + " while the page was loading."
	return q.show(http.StatusOK, "watch", q.newPage("Live changes", "watch", b))
}
