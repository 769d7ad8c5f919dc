package remote

import (
	"net/url"
	"strings"
	"sync"
)

// A registry refuses URLs with encoded slashes, which the id of a store can have. So it gets
// another text, and the driver finds the URL by it.
var originals sync.Map // of text: URL

// Text returns what a registry opens instead of a URL of this driver.
func Text(name string) string {
	text := strings.NewReplacer("%2F", "~", "%2f", "~").Replace(name)
	if u, err := url.Parse(text); err == nil && text != name {
		originals.Store(u.String(), name)
	}
	return text
}

// original returns the URL that a user gave.
func original(u *url.URL) string {
	if name, ok := originals.Load(u.String()); ok {
		return name.(string)
	}
	return u.String()
}
