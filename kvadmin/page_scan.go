package kvadmin

import (
	"net/http"
	"time"

	"github.com/scriptling-kv/extlibs/internal/sizes"
)

// countBody is the body of the page that counts keys, before they are deleted.
type countBody struct {
	Prefix, Pattern      string
	Text                 string // which keys
	Count                string
	None                 bool
	DeleteURL, ExportURL string
	Back                 string
}

// countPage shows how many keys a selection has, and a button that deletes them.
func (q *request) countPage(s selection, n int) error {
	b := countBody{
		Count: plural(int64(n), "key"), None: n == 0, Text: "in the store",
		DeleteURL: q.urlOf("delete-matching", "prefix", s.prefix, "pattern", s.pattern),
		ExportURL: q.urlOf("export", "prefix", s.prefix, "pattern", s.pattern),
		Back:      q.urlOf("", "prefix", s.prefix, "pattern", s.pattern),
	}
	if s.prefix == "" && s.pattern == "" {
		b.DeleteURL = q.urlOf("delete-matching", "pattern", "*")
	}
	if s.prefix != "" {
		b.Prefix = brief(s.prefix, 200)
	}
	if s.pattern != "" {
		b.Pattern = brief(s.pattern, 200)
	}
	return q.show(http.StatusOK, "count", q.newPage("Count", "browse", b))
}

// topRow is a row of the biggest keys or prefixes. Bar is its part of the largest, in
// hundredths.
type topRow struct {
	Text, URL, Type, Keys, Size string
	Bar                         int
}

type topBody struct {
	Prefix         string
	Keys, Prefixes []topRow
	Scanned, Bytes string
	Seconds        string
	URL            string
}

// topPage shows the biggest keys and prefixes.
func (q *request) topPage(s selection, sum summary) error {
	b := topBody{Prefix: field(s.prefix), Scanned: plural(sum.Scanned, "key"), Bytes: size(sum.Bytes), URL: q.urlOf("top"),
		Seconds: time.Duration(sum.Seconds * float64(time.Second)).Round(time.Millisecond).String()}
	bar := func(n int64, list []sizes.Sized) int { return int(100 * n / max(list[0].Bytes, 1)) }
	for _, k := range sum.Keys {
		b.Keys = append(b.Keys, topRow{brief(k.Key, 120), q.urlOf("key", "key", k.Key), k.Type, "", size(k.Bytes), bar(k.Bytes, sum.Keys)})
	}
	for _, p := range sum.Prefixes {
		b.Prefixes = append(b.Prefixes, topRow{brief(p.Prefix, 120), q.urlOf("", "prefix", p.Prefix), "", plural(p.Keys, "key"), size(p.Bytes), bar(p.Bytes, sum.Prefixes)})
	}
	return q.show(http.StatusOK, "top", q.newPage("Biggest keys", "top", b))
}
