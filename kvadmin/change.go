package kvadmin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
)

// maxBody limits the body of a change.
const maxBody = 32 << 20

// body reads the JSON object of a change into v.
func (q *request) body(v any) error {
	if q.contentType() != "application/json" {
		return fail(http.StatusUnsupportedMediaType, "invalid", "send the change as application/json")
	}
	text, err := q.readBody()
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err = d.Decode(v)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = fmt.Errorf("more than one JSON value")
		}
	}
	if err != nil || !utf8.Valid(text) {
		return fail(http.StatusBadRequest, "invalid", "the body is malformed; send the JSON object that README.md of kvadmin describes")
	}
	return nil
}

func (q *request) contentType() string {
	kind, _, err := mime.ParseMediaType(q.r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// isForm reports whether a page sent the change.
func (q *request) isForm() bool { return q.contentType() == "application/x-www-form-urlencoded" }

func (q *request) readBody() ([]byte, error) {
	c := http.NewResponseController(q.w)
	if c.SetReadDeadline(time.Now().Add(idleTime)) == nil {
		defer c.SetReadDeadline(time.Time{}) // the server's background read continues
	}
	return io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, maxBody))
}

// ttlOf returns the ttl of a JSON field: nothing, null and 0 are no expiry.
func ttlOf(n *json.Number) (time.Duration, error) {
	if n == nil || *n == "" {
		return 0, nil
	}
	ttl, ok := jsonl.ParseSeconds(string(*n))
	if !ok {
		return 0, fail(http.StatusBadRequest, "invalid", "ttl is out of range; use a number of seconds from 0 (no expiry) to 100 years")
	}
	return ttl, nil
}

// key checks that the caller may do kind with a key. A hidden key cannot be changed: its
// error must not say whether it exists.
func (q *request) key(kind Kind, key string) error {
	if err := q.allow(Action{Kind: kind, Store: q.name, Key: key}); err != nil {
		return err
	}
	if q.hides(key) {
		return errHidden
	}
	return nil
}

// log reports a change.
func (q *request) log(action string, attrs ...any) {
	q.opts.Logger.Info("kvadmin: "+action, append([]any{"store", q.name, "user", userOf(q.r), "from", q.r.RemoteAddr}, attrs...)...)
}

// parseJSON returns the value of JSON as an export has it.
func parseJSON(text []byte) (any, error) {
	raw, err := jsonl.ParseValue(text)
	if err != nil {
		return nil, err
	}
	return extlibs.RawValue(raw).Decode()
}

// logged is a key for the log.
func logged(key string) string {
	const most = 128
	if len(key) > most {
		key = key[:most] + "..."
	}
	return strings.ToValidUTF8(key, "?")
}

func (q *request) set() error {
	if q.isForm() {
		return q.setForm()
	}
	var in struct {
		Key   string          `json:"key"`
		Value json.RawMessage `json:"value"`
		TTL   *json.Number    `json:"ttl"`
	}
	if err := q.body(&in); err != nil {
		return err
	}
	if in.Value == nil {
		return fail(http.StatusBadRequest, "invalid", "the body has no value; add the field value")
	}
	v, err := parseJSON(in.Value)
	if err != nil {
		return fail(http.StatusBadRequest, "invalid", "the value does not have the form of an export: %v", err)
	}
	ttl, err := ttlOf(in.TTL)
	if err == nil {
		err = q.key(Set, in.Key)
	}
	if err == nil {
		err = q.store.Set(q.ctx, in.Key, v, ttl)
	}
	if err != nil {
		return err
	}
	q.log("set", "key", logged(in.Key), "ttl", ttl)
	return q.answer(map[string]any{"version": version})
}

func (q *request) expire() error {
	if q.isForm() {
		return q.expireForm()
	}
	var in struct {
		Key string       `json:"key"`
		TTL *json.Number `json:"ttl"`
	}
	if err := q.body(&in); err != nil {
		return err
	}
	ttl, err := ttlOf(in.TTL)
	if err == nil {
		err = q.key(Expire, in.Key)
	}
	if err != nil {
		return err
	}
	existed, err := q.store.Expire(q.ctx, in.Key, ttl)
	if err != nil {
		return err
	}
	if existed {
		q.log("expire", "key", logged(in.Key), "ttl", ttl)
	}
	return q.answer(map[string]any{"version": version, "existed": existed})
}

func (q *request) delete() error {
	if q.isForm() {
		return q.deleteForm()
	}
	var in struct {
		Keys []string `json:"keys"`
	}
	if err := q.body(&in); err != nil {
		return err
	}
	for _, key := range in.Keys {
		if err := q.key(Delete, key); err != nil {
			return err
		}
	}
	n, err := q.remove(in.Keys)
	if err != nil {
		return err
	}
	return q.answer(map[string]any{"version": version, "deleted": n})
}

// remove removes keys atomically and returns how many existed.
func (q *request) remove(keys []string) (n int, err error) {
	ops := make([]extlibs.Op, len(keys))
	for i, key := range keys {
		ops[i] = extlibs.Op{Kind: extlibs.OpDelete, Key: key}
	}
	results, err := q.store.Store().ApplyMany(q.ctx, ops)
	for i, r := range results {
		if r.Applied {
			n++
			q.log("delete", "key", logged(keys[i]))
		}
	}
	return n, err
}

func (q *request) deleteMatching() error {
	var in struct {
		Prefix  string `json:"prefix"`
		Pattern string `json:"pattern"`
	}
	if q.isForm() {
		in.Prefix, in.Pattern = q.r.URL.Query().Get("prefix"), q.r.URL.Query().Get("pattern")
	} else if err := q.body(&in); err != nil {
		return err
	}
	s := selection{prefix: in.Prefix, pattern: in.Pattern}
	if s.prefix == "" && s.pattern == "" {
		return fail(http.StatusBadRequest, "invalid", `the body has neither a prefix nor a pattern; use the pattern "*" to remove every key`)
	}
	if err := s.compile(); err != nil {
		return err
	}
	n, err := q.removeMatching(s)
	if n > 0 {
		q.log("delete-matching", "prefix", logged(in.Prefix), "pattern", logged(in.Pattern), "deleted", n)
	}
	if err != nil {
		return err
	}
	if q.isForm() {
		return q.redirect(q.urlOf("", "done", "many"))
	}
	return q.answer(map[string]any{"version": version, "deleted": n})
}

// removeMatching removes the selected keys page by page.
func (q *request) removeMatching(s selection) (n int, err error) {
	end, err := q.beginScan()
	if err != nil {
		return 0, err
	}
	defer end()
	var ops []extlibs.Op
	flush := func() error {
		if len(ops) == 0 {
			return nil
		}
		results, err := q.store.Store().ApplyMany(q.ctx, ops)
		for _, r := range results {
			if r.Applied {
				n++
			}
		}
		ops = ops[:0]
		return err
	}
	for e, err := range q.entries(q.ctx, &s, 0) {
		if err != nil {
			return n, err
		}
		if e.selected {
			ops = append(ops, extlibs.Op{Kind: extlibs.OpDelete, Key: e.Key})
			continue
		}
		if err := flush(); err != nil { // between two pages
			return n, err
		}
	}
	return n, flush()
}
