package access

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// tryURL opens a URL as a registry does it for a script.
func tryURL(a *List, text string) (*url.URL, error) {
	u, err := ParseURL(text)
	if err != nil {
		if denied := a.AllowMalformedURL(text); denied != nil {
			return nil, denied
		}
		return nil, err
	}
	return u, a.AllowURL(u)
}

func TestAllowedURLsAreComparedByTheirParts(t *testing.T) {
	for _, c := range []struct {
		allowed, url string
		want         error
	}{
		{"redis://host", "redis://host", nil},
		{"redis://host", "redis://host/", nil},
		{"redis://host/", "redis://host/5/name", nil},
		{"redis://host/0", "redis://host/0?name=x", nil},
		{"redis://host/0/é", "redis://host/0/é", nil},
		{"redis://host/0/é", "redis://host/0/%C3%A9", nil},
		{"redis://host/0/a b", "redis://host/0/a%20b", nil},
		{"redis://LOCALHOST/0", "redis://localhost/0", nil},
		{"redis://localhost/0", "REDIS://LocalHost/0/%61", nil},
		{"redis://host/0", "redis://host/01", kverr.NotAllowed},
		{"redis://host/0", "redis://host/", kverr.NotAllowed},
		{"redis://host", "redis://host.evil", kverr.NotAllowed},
		{"redis://host", "redis://host:1234", kverr.NotAllowed},
		{"redis://host", "rediss://host", kverr.NotAllowed},
		{"redis://host", "redis://host@evil/", kverr.NotAllowed},
		{"redis://host", "redis://user@host/", kverr.NotAllowed},
		{"redis://host", "redis://evil/redis://host", kverr.NotAllowed},
		{"redis://host/0", "redis://host/0/../5", kverr.Invalid},
		{"redis://host/0", "redis://host/0/%2e%2E/5", kverr.Invalid},
		{"redis://host/0", "redis://host/0%2F..%2f5", kverr.Invalid},
		{"redis://host/0", "redis://host/0/%00", kverr.Invalid},
		{"redis://host/0", "redis://host/0/user#1", kverr.Invalid},
		{"redis://host/0", "redis://host/0#", kverr.Invalid},
		{"redis://host/0", "redis://host/0?a=1;b=2", kverr.Invalid},
		{"redis://host/0", "redis://host/%zz", kverr.Invalid},
		{"redis://host/0", "other://host/%zz", kverr.NotAllowed},
		{"redis+unix:///s?name=tenantA", "redis+unix:///s?name=tenantA", nil},
		{"redis+unix:///s?name=tenantA&db=1", "redis+unix:///s?db=1&name=tenant%41", nil},
		{"redis+unix:///s?name=tenantA", "redis+unix:///s?name=tenantA/&db=5", kverr.NotAllowed},
		{"redis+unix:///s?name=tenantA", "redis+unix:///s?name=tenantA/x", kverr.NotAllowed},
		{"redis+unix:///s?name=tenantA", "redis+unix:///s?name=tenantA?db=5", kverr.NotAllowed},
		{"redis+unix:///s?name=tenantA", "redis+unix:///s?name=tenantA&name=b", kverr.NotAllowed},
		{"redis+unix:///s?name=tenantA", "redis+unix:///s?name=b&name=tenantA", kverr.NotAllowed},
		{"redis+unix:///s?name=tenantA", "redis+unix:///s?db=5&name=tenantA", kverr.NotAllowed},
		{"redis+unix:///s?name=tenantA", "redis+unix:///s", kverr.NotAllowed},
		{"redis+unix:///s?name=tenantA", "redis+unix:///s/?name=tenantA", kverr.NotAllowed},
		{"redis+unix:///s?name=tenantA", "redis+unix:///s%3Fname=tenantA", kverr.NotAllowed},
		{"redis+unix:///s?name=tenantA", "redis+unix:///s/t?name=tenantA", kverr.NotAllowed},
		{"redis://u:p@host", "redis://host", kverr.NotAllowed},
		{"redis://[::1", "redis://[::1", kverr.NotAllowed},
	} {
		if _, err := tryURL(New([]string{c.allowed}), c.url); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("allowed %s, opened %s: %v, want %v", c.allowed, c.url, err, c.want)
		}
	}
}

// Whatever a script writes after an allowed URL, or into it, what gets through is the
// allowed place or one below it for every reader of URLs.
func TestNoTextGetsPastAnAllowedURL(t *testing.T) {
	rng := kvtest.Rand(t)
	pieces := []string{"/", "?", "&", "=", "#", "..", ".", "%2f", "%2F", "%2e", "%00", "%3f", "%26", "@", ":", ";", "db=5", "name=tenantA", "name=b", "5", "tenantA", "host", "é", " ", "+", "\\", "//"}
	allowed := []string{"x://host/0?name=tenantA", "x://host/0", "x://host", "x:///s?name=tenantA&db=1"}
	through := 0
	for range 200_000 {
		base := allowed[rng.IntN(len(allowed))]
		text := base
		for range 1 + rng.IntN(3) {
			at := len("x://") + rng.IntN(len(text)-len("x://")+1)
			text = text[:at] + pieces[rng.IntN(len(pieces))] + text[at:]
		}
		u, err := tryURL(New([]string{base}), text)
		if err != nil {
			continue
		}
		through++
		want, _ := url.Parse(base)
		raw, err := url.Parse(text)
		if err != nil || !strings.EqualFold(raw.Host, want.Host) || raw.User != nil || raw.Fragment != "" || strings.Contains(u.Path+"/", "/../") {
			t.Fatalf("allowed %s, opened %s: %v", base, text, u)
		}
		if want.RawQuery != "" && (u.Path != want.Path || u.Query().Encode() != want.Query().Encode() || raw.Query().Encode() != want.Query().Encode()) {
			t.Fatalf("allowed %s, opened %s: %v", base, text, u)
		}
		if p := strings.TrimSuffix(want.Path, "/"); raw.Path != p && !strings.HasPrefix(raw.Path, p+"/") || u.Path != raw.Path && u.Path+"/" != raw.Path {
			t.Fatalf("allowed %s, opened %s: %v", base, text, u)
		}
		if again, err := ParseURL(u.String()); err != nil || again.String() != u.String() {
			t.Fatalf("%s is normalized to %s, and that to %v, %v", text, u, again, err)
		}
	}
	if through < 500 {
		t.Errorf("only %d URLs got through", through)
	}
}

func TestBothAllowsWhatEachAllows(t *testing.T) {
	dir, allowed := allowedTree(t)
	sub := allowed + "/sub"
	lists := map[string]*List{"any": nil, "none": New([]string{}), "all": New([]string{dir, "x://host"}), "allowed": New([]string{allowed, "x://host/0"}), "sub": New([]string{sub, "x://host/1"})}
	for x, a := range lists {
		for y, b := range lists {
			both := Both(a, b)
			for _, name := range []string{dir + "/x.db", allowed + "/x.db", sub + "/x.db", "/etc/x.db"} {
				_, errA := a.Locate(name)
				_, errB := b.Locate(name)
				if _, err := both.Locate(name); (err == nil) != (errA == nil && errB == nil) {
					t.Errorf("%s and %s: %s: %v", x, y, name, err)
				}
			}
			for _, name := range []string{"x://host", "x://host/0", "x://host/1/a"} {
				_, errA := tryURL(a, name)
				_, errB := tryURL(b, name)
				if _, err := tryURL(both, name); (err == nil) != (errA == nil && errB == nil) {
					t.Errorf("%s and %s: %s: %v", x, y, name, err)
				}
			}
		}
	}
}
