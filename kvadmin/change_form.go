package kvadmin

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
	"github.com/scriptling-kv/extlibs/internal/literal"
	"github.com/scriptling-kv/extlibs/internal/sizes"
)

// A form has the key in the query of its URL, because browsers change line breaks and NUL in
// fields.

func (q *request) form() (url.Values, error) {
	text, err := q.readBody()
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, fail(http.StatusBadRequest, "invalid", "the form is malformed; reload the page and send it again")
	}
	return form, nil
}

// redirect sends a browser to a page after a change.
func (q *request) redirect(to string) error {
	q.w.Header().Set("Location", to)
	q.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// units are those of the fields of a ttl.
var units = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}

// formTTL reads a ttl with its unit; an empty field is no expiry.
func formTTL(form url.Values) (time.Duration, error) {
	text := strings.TrimSpace(form.Get("ttl"))
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	unit := units[form.Get("unit")]
	if err != nil || unit == 0 {
		return 0, fail(http.StatusBadRequest, "invalid", "the time is not a number; leave it empty for no expiry")
	}
	ttl, ok := jsonl.ParseSeconds(strconv.FormatFloat(n*unit.Seconds(), 'f', -1, 64))
	if !ok {
		return 0, fail(http.StatusBadRequest, "invalid", "the time is out of range; use 0 (no expiry) to 100 years")
	}
	return ttl, nil
}

// formValue reads a value as a script literal, as JSON or as text.
func formValue(form url.Values) (any, error) {
	text := form.Get("value")
	if form.Get("as") == "json" {
		v, err := parseJSON([]byte(text))
		if err != nil {
			return nil, fail(http.StatusBadRequest, "invalid", "the value does not have the JSON form of an export: %v", err)
		}
		return v, nil
	}
	if form.Get("as") == "text" {
		return strings.ReplaceAll(text, "\r\n", "\n"), nil
	}
	v, err := literal.Parse(text)
	if err != nil {
		return nil, fail(http.StatusBadRequest, "invalid", "the value cannot be read: %v", err)
	}
	return v, nil
}

func (q *request) setForm() error {
	form, err := q.form()
	if err != nil {
		return err
	}
	key, isEdit := q.r.URL.Query().Get("key"), form.Has("was")
	if !isEdit {
		key = form.Get("key")
	}
	v, err := formValue(form)
	if err != nil {
		return err
	}
	if err := q.key(Set, key); err != nil {
		return err
	}
	if isEdit {
		err = q.replace(key, v, form.Get("was"))
	} else {
		err = q.create(key, v, form)
	}
	if err != nil {
		return err
	}
	q.log("set", "key", logged(key))
	return q.redirect(q.urlOf("key", "key", key, "done", "set"))
}

// replace stores a value if the old one has the hash was. It keeps the remaining ttl.
func (q *request) replace(key string, v any, was string) error {
	value, err := extlibs.Encode(v)
	if err != nil {
		return err
	}
	store := q.store.Store()
	e, err := store.Load(q.ctx, key, extlibs.NeedValue)
	if err != nil {
		return err
	}
	r := extlibs.Result{}
	if hashOf(e.Value) == was {
		r, err = store.Apply(q.ctx, extlibs.Op{Kind: extlibs.OpSwap, Key: key, Old: e.Value, Value: value})
	}
	if err == nil && !r.Applied {
		err = fail(http.StatusConflict, "conflict", "the value has changed since the page was loaded; your change is not stored. Go back to copy it, reload the page, and edit the new value")
	}
	return err
}

// create stores a value under a key that must be absent.
func (q *request) create(key string, v any, form url.Values) error {
	ttl, err := formTTL(form)
	if err != nil {
		return err
	}
	added, err := q.store.Add(q.ctx, key, v, ttl)
	if err == nil && !added {
		err = fail(http.StatusConflict, "conflict", "the key exists; edit its value on its page")
	}
	return err
}

func (q *request) expireForm() error {
	form, err := q.form()
	if err != nil {
		return err
	}
	key := q.r.URL.Query().Get("key")
	ttl, err := formTTL(form)
	if err == nil {
		err = q.key(Expire, key)
	}
	if err != nil {
		return err
	}
	existed, err := q.store.Expire(q.ctx, key, ttl)
	if err == nil && !existed {
		err = errNoKey
	}
	if err != nil {
		return err
	}
	q.log("expire", "key", logged(key), "ttl", fmt.Sprint(ttl))
	return q.redirect(q.urlOf("key", "key", key, "done", "expire"))
}

func (q *request) deleteForm() error {
	key := q.r.URL.Query().Get("key")
	if err := q.key(Delete, key); err != nil {
		return err
	}
	n, err := q.remove([]string{key})
	if err == nil && n == 0 {
		err = errNoKey
	}
	if err != nil {
		return err
	}
	back := ""
	if trail := strings.LastIndexAny(key[:len(key)-1], sizes.Separators); trail >= 0 {
		back = key[:trail+1]
	}
	return q.redirect(q.urlOf("", "prefix", back, "done", "deleted"))
}
