package kvadmin

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/sizes"
)

// storeCard is a store as pages show it.
type storeCard struct {
	Name, Path, Kind, URL string
	Keys, Bytes           string
	Error                 string
	Ops, Hits             chart
	Numbers               []number3
}

// number3 is a counter with its label and its unit or explanation.
type number3 struct{ Label, Value, Title string }

// card describes a store for pages.
func (q *request) card(s openStore) storeCard {
	i := q.info(s)
	list := q.history.of(s.handle)
	c := storeCard{
		Name: printable(shortName(s.id)), Path: printable(i.Name), Kind: i.Kind, URL: q.base + url.PathEscape(s.id),
		Keys: numberOr(i.Keys), Bytes: "–", Error: i.Error, Ops: opsChart(list), Hits: hitsChart(list),
	}
	if i.Bytes != nil {
		c.Bytes = size(*i.Bytes)
	}
	if c.Path == c.Name {
		c.Path = ""
	}
	for _, n := range []struct {
		label string
		value *int64
		title string
	}{
		{"hits", i.Hits, "reads of a live key"}, {"misses", i.Misses, "reads of an absent or expired key"},
		{"sets", i.Sets, "keys written"}, {"deletes", i.Deletes, "keys removed by a call"},
		{"expired", i.Expired, "expired keys that were removed"}, {"commits", i.Commits, "syncs and commits that made writes durable"},
	} {
		if n.value != nil {
			c.Numbers = append(c.Numbers, number3{n.label, number(*n.value), n.title})
		}
	}
	if i.Buffered != nil && i.Kind == "file" {
		c.Numbers = append(c.Numbers, number3{"buffered", size(*i.Buffered), "memory for changes that are in the log and not in the file yet"})
	}
	return c
}

// listPage shows the stores that the caller may see.
func (q *request) listPage(stores []openStore) error {
	var cards []storeCard
	for _, s := range stores {
		cards = append(cards, q.card(s))
	}
	p := q.newPage("Stores", "", struct{ Stores []storeCard }{cards})
	p.Write = q.opts.Write // Allow decides for each store
	return q.show(http.StatusOK, "stores", p)
}

// row is a row of the list of keys.
type row struct {
	Text, URL  string
	Folder     bool
	Count      string
	Type, Size string
	Left       string
	Seconds    float64 // left; 0: no expiry
	Preview    string
}

// browsePage is the body of the page of a store.
type browsePage struct {
	storeCard
	Prefix, Pattern string
	Trail           []link // the parts of the prefix
	Rows            []row
	Next, First     string
	Searched        bool // a search has ended early
	CountURL        string
	ExportURL       string
	KeysURL         string // of the form
	SetURL          string
	Hidden          bool
}

const pageRows = 100

// browse shows a page of keys, as a tree or as the matches of a search.
func (q *request) browse() error {
	if err := q.allow(Action{Kind: Keys, Store: q.name}); err != nil {
		return err
	}
	form := q.r.URL.Query()
	s, err := selects(form)
	if err != nil {
		return err
	}
	b := browsePage{
		storeCard: q.card(openStore{q.id, q.shown, q.store}), Prefix: field(s.prefix), Pattern: field(s.pattern),
		CountURL:  q.urlOf("count", "prefix", s.prefix, "pattern", s.pattern),
		ExportURL: q.urlOf("export", "prefix", s.prefix, "pattern", s.pattern),
		KeysURL:   q.urlOf(""), SetURL: q.urlOf("set"), Hidden: q.opts.Hide != nil,
	}
	b.Trail = q.trail(s.prefix)
	if s.after != "" {
		b.First = q.urlOf("", "prefix", s.prefix, "pattern", s.pattern)
	}
	if s.match != nil {
		err = b.search(q, s)
	} else {
		err = b.list(q, s)
	}
	if err != nil {
		return err
	}
	return q.show(http.StatusOK, "store", q.newPage(b.Name, "browse", b))
}

// trail returns the first parts of a prefix, each with the URL of its folder, and the rest.
func (q *request) trail(prefix string) (parts []link) {
	for at := 0; at < len(prefix); {
		end := len(prefix)
		if len(parts) == sizes.MaxParts {
			return append(parts, link{Text: brief(prefix[at:], 60)})
		}
		if i := strings.IndexAny(prefix[at:], sizes.Separators); i >= 0 {
			end = at + i + 1
		}
		parts = append(parts, link{brief(prefix[at:end], 60), q.urlOf("", "prefix", prefix[:end])})
		at = end
	}
	return parts
}

// search fills the page with the keys that match a pattern.
func (b *browsePage) search(q *request, s selection) error {
	s.limit = pageRows
	end, err := q.beginScan()
	if err != nil {
		return err
	}
	defer end()
	entries, next, err := q.collect(s, extlibs.NeedAll)
	if err != nil {
		return err
	}
	for _, e := range entries {
		b.Rows = append(b.Rows, q.keyRow(e, ""))
	}
	if next != "" {
		b.Next = q.urlOf("", "prefix", s.prefix, "pattern", s.pattern, "after", next)
		b.Searched = len(entries) < s.limit
	}
	return nil
}

// list fills the page with the keys and folders below a prefix.
func (b *browsePage) list(q *request, s selection) error {
	rows, next, err := q.tree(s.from, s.after, pageRows)
	if err == nil {
		err = q.countFolders(rows)
	}
	if err != nil {
		return err
	}
	for _, n := range rows {
		if n.folder == "" {
			b.Rows = append(b.Rows, q.keyRow(n.Entry, s.from))
			continue
		}
		r := row{Text: brief(strings.TrimPrefix(n.folder, s.from), 120), URL: q.urlOf("", "prefix", n.folder), Folder: true}
		switch {
		case n.more:
			r.Count = "more than " + number(int64(n.count)) + " keys"
		case n.count >= 0:
			r.Count = plural(int64(n.count), "key")
		default:
			r.Count = "many keys"
		}
		b.Rows = append(b.Rows, r)
	}
	if next != "" {
		b.Next = q.urlOf("", "prefix", s.prefix, "after", next)
	}
	return nil
}

// previewBytes limits the values that lists show.
const previewBytes = 4096

func (q *request) keyRow(e extlibs.Entry, prefix string) row {
	r := row{Text: brief(strings.TrimPrefix(e.Key, prefix), 120), URL: q.urlOf("key", "key", e.Key), Type: typeOf(e.Value)}
	if e.Key == prefix {
		r.Text = brief(e.Key, 120)
	}
	if !e.Value.IsZero() {
		r.Size = size(int64(e.Value.Len()))
	}
	if e.TTL > 0 {
		r.Left, r.Seconds = left(e.TTL), e.TTL.Seconds()
	}
	if q.opts.Values && !e.Value.IsZero() && e.Value.Len() <= previewBytes && q.may(Get, e.Key) {
		if v, err := e.Value.DecodeWithin(q.ctx, 1<<20); err == nil {
			r.Preview = preview(v)
		}
	}
	return r
}
