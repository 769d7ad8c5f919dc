package kvadmin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"
)

//go:embed pages
var files embed.FS

// templates are the pages, each with the layout.
var templates = func() map[string]*template.Template {
	rows := func(head string, prefixes bool, rows []topRow) any {
		return struct {
			Head     string
			Prefixes bool
			Rows     []topRow
		}{head, prefixes, rows}
	}
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{"rows": rows}).ParseFS(files, "pages/layout.html"))
	all := map[string]*template.Template{}
	for _, name := range []string{"stores", "store", "key", "count", "top", "watch", "error"} {
		all[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "pages/"+name+".html"))
	}
	return all
}()

// assets are the files that pages load, by their names.
var assets = map[string]string{
	"style.css": "text/css; charset=utf-8",
	"pages.js":  "text/javascript; charset=utf-8",
	"icon.svg":  "image/svg+xml",
}

// assetsHash changes with the assets, so that no proxy mixes two versions.
var assetsHash = func() string {
	hash := sha256.New()
	for _, name := range []string{"style.css", "pages.js", "icon.svg"} {
		text, err := files.ReadFile("pages/" + name)
		if err != nil {
			panic(err) // it is embedded
		}
		hash.Write(text)
	}
	return hex.EncodeToString(hash.Sum(nil)[:6])
}()

// asset answers with a file of the pages. They are the same for everybody.
func (q *request) asset(name string) error {
	kind, known := assets[name]
	if !known {
		return errNoPath
	}
	text, err := files.ReadFile("pages/" + name)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", kind)
	q.w.Write(text)
	return nil
}

// page is what every page shows.
type page struct {
	Title  string
	Base   string // relative URL of the handler's root
	Hash   string
	Crumbs []link
	User   string
	Write  bool
	Values bool
	Backup bool
	Notice string
	Store  *storeLinks // nil on the page of all stores
	Body   any
}

// link is a text with a relative URL.
type link struct{ Text, URL string }

// storeLinks are the pages of a store.
type storeLinks struct {
	Browse, Top, Watch, Export, Copy string
	Tab                              string // the current one
}

// urlOf returns the relative URL of a path of the request's store.
func (q *request) urlOf(action string, fields ...string) string {
	u := q.base + url.PathEscape(q.id)
	if action != "" {
		u += "/" + action
	}
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i+1] != "" {
			form.Set(fields[i], fields[i+1])
		}
	}
	if len(form) > 0 {
		u += "?" + form.Encode()
	}
	return u
}

// newPage returns a page of the request's store, or of all stores if it has none.
func (q *request) newPage(title, tab string, body any) page {
	p := page{
		Title: title, Base: q.base, Hash: assetsHash, User: userOf(q.r), Notice: notices[q.r.URL.Query().Get("done")],
		Write: q.opts.Write && q.may(Set, ""), Values: q.opts.Values, Backup: q.backupErr() == nil, Body: body,
	}
	if q.store != nil {
		p.Crumbs = []link{{"Stores", q.base}, {brief(shortName(q.id), 60), q.urlOf("")}}
		p.Store = &storeLinks{q.urlOf(""), q.urlOf("top"), q.urlOf("watch"), q.urlOf("export"), q.urlOf("backup"), tab}
	}
	return p
}

// shortName returns the last part of a path.
func shortName(id string) string {
	if strings.HasPrefix(id, "/") {
		return path.Base(id)
	}
	return id
}

// notices are what a page says after a change, by the field done of its URL.
var notices = map[string]string{
	"set":     "The value is stored.",
	"expire":  "The remaining time is changed.",
	"deleted": "The key is deleted.",
	"many":    "The keys are deleted.",
}

// show answers with a page.
func (q *request) show(status int, name string, p page) error {
	var text bytes.Buffer
	if err := templates[name].ExecuteTemplate(&text, "layout", p); err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.WriteHeader(status)
	q.w.Write(text.Bytes()) // fails if the client has gone
	return nil
}

// refusePage answers with an error as a page.
func (q *request) refusePage(f *failure) {
	p := q.newPage(http.StatusText(f.status), "", struct {
		Text, Back string
		Form       bool
	}{f.text, q.base, q.r.Method == http.MethodPost && f.status == http.StatusBadRequest})
	if f.status == http.StatusUnauthorized || f.code == "refused" { // not even a name
		p.Store, p.Crumbs, p.Notice = nil, nil, ""
	}
	if err := q.show(f.status, "error", p); err != nil {
		http.Error(q.w, f.text, f.status)
	}
}
