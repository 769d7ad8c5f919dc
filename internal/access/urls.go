package access

import (
	"net/url"
	"slices"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// ParseURL parses and normalizes the URL of a store: URLs that mean the same have the
// same text, whatever the case of the host, the encoding of the path and the order of the
// query. It refuses parts that drivers ignore or interpret differently: fragments, dots
// and encoded slashes in the path. Its errors quote nothing of the URL, which can contain
// a password, and do not wrap errors of package url.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, kverr.Errorf(kverr.Invalid, "the URL is malformed; check its characters, and write special characters of a password as %%XX")
	}
	query, err := url.ParseQuery(u.RawQuery)
	path := strings.ToLower(u.EscapedPath())
	switch {
	case err != nil:
		return nil, kverr.Errorf(kverr.Invalid, "the query of the URL is malformed; separate its settings with &, and write special characters as %%XX")
	case strings.Contains(text, "#"):
		return nil, kverr.Errorf(kverr.Invalid, "the URL has a fragment; remove it, or write # as %%23")
	case strings.Contains(path, "%2f"), strings.Contains(path, "%00"):
		return nil, kverr.Errorf(kverr.Invalid, "the path of the URL has an encoded slash or NUL byte; remove it")
	case slices.ContainsFunc(strings.Split(u.Path, "/"), func(s string) bool { return s == "." || s == ".." }):
		return nil, kverr.Errorf(kverr.Invalid, `the path of the URL has a part "." or ".."; write the path without it`)
	}
	u.Host = strings.ToLower(u.Host)
	if u.Path == "/" {
		u.Path = ""
	}
	u.RawPath = "" // so that the path is encoded in one way
	u.RawQuery, u.ForceQuery = query.Encode(), false
	return u, nil
}

// AllowURL checks a URL from ParseURL against the list. A listed URL allows itself and
// the paths below it, with any query; if it has a query, it allows only itself. No listed
// URL allows a URL with user information.
func (a *List) AllowURL(u *url.URL) error {
	if a == nil {
		return nil
	}
	if u.User == nil && slices.ContainsFunc(a.urls, func(allowed *url.URL) bool { return allows(allowed, u) }) {
		return a.also.AllowURL(u)
	}
	return errURL()
}

// AllowMalformedURL is AllowURL for a URL that ParseURL refuses: a script is told why
// only if URLs of that scheme are allowed.
func (a *List) AllowMalformedURL(text string) error {
	if a == nil {
		return nil
	}
	scheme, _, _ := strings.Cut(text, "://")
	if slices.ContainsFunc(a.urls, func(allowed *url.URL) bool { return strings.EqualFold(allowed.Scheme, scheme) }) {
		return a.also.AllowMalformedURL(text)
	}
	return errURL()
}

func errURL() error {
	return kverr.Errorf(kverr.NotAllowed, "access denied: the host does not allow the URL; ask for it to be allowed")
}

func allows(allowed, u *url.URL) bool {
	if allowed.Scheme != u.Scheme || allowed.Host != u.Host || allowed.User != nil {
		return false
	}
	if allowed.RawQuery != "" {
		return u.Path == allowed.Path && u.RawQuery == allowed.RawQuery
	}
	rest, ok := strings.CutPrefix(u.Path, strings.TrimSuffix(allowed.Path, "/"))
	return ok && (rest == "" || rest[0] == '/')
}
