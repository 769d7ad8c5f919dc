package kvadmin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/kvadmin"
)

// TestPictures writes pictures of the pages into the folder KV_PICTURES, for people to look
// at, in both themes and at the width of a phone. KV_PICTURE names the only page to take.
func TestPictures(t *testing.T) {
	folder := os.Getenv("KV_PICTURES")
	if folder == "" {
		t.Skip("KV_PICTURES names no folder")
	}
	s := newSite(t, kvadmin.Options{Allow: everybody, Values: true, Write: true, Backup: true})
	exampleStores(s)
	busy(t, s.registry.Default())
	ctx := browser(t)
	if err := chromedp.Do(ctx, chromedp.Navigate(s.url)); err != nil {
		t.Fatal(err)
	}
	for range 60 { // of the charts
		time.Sleep(time.Second)
	}
	for _, page := range []struct{ name, path string }{
		{"stores", ""}, {"store", "default"}, {"folder", "default?prefix=user:"}, {"search", "default?pattern=*%5B13%5D:cart"}, {"dict", "default/key?key=user:1007:profile"},
		{"bytes", "default/key?key=blob:photo"}, {"odd", "default?prefix=odd:"}, {"top", "default/top"}, {"count", "default/count?prefix=session:"}, {"watch", "default/watch"}, {"missing", "default/key?key=nosuch"},
	} {
		if only := os.Getenv("KV_PICTURE"); only != "" && only != page.name {
			continue
		}
		for theme, width := range map[string]int64{"light": 1200, "dark": 1200, "phone": 390} {
			scheme := map[bool]string{true: "dark", false: "light"}[theme == "dark"]
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			if err == nil {
				err = chromedp.Do(ctx, chromedp.EmulateViewport(width, 800), chromedp.Navigate(s.url+page.path), chromedp.Sleep(300*time.Millisecond))
			}
			var png []byte
			if err == nil {
				png, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(folder, page.name+"-"+theme+".png"), png, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// exampleStores fills stores as an application would.
func exampleStores(s *site) {
	ctx := s.Context()
	h := s.registry.Default()
	set := func(h *extlibs.Handle, key string, v any, ttl time.Duration) {
		if err := h.Set(ctx, key, v, ttl); err != nil {
			s.Fatal(err)
		}
	}
	names := strings.Fields("Ann Bob Cleo Dan Eve Finn Gus Hana Ian June")
	for i := range 240 {
		name := names[i%len(names)]
		set(h, fmt.Sprintf("user:%d:profile", 1000+i), map[string]any{"name": name, "mail": strings.ToLower(name) + "@example.com", "visits": i * 7, "tags": extlibs.Tuple{"beta", 1.0}, "address": map[string]any{"street": "1 Long Road", "city": "Springfield", "zip": "12345"}}, 0)
		set(h, fmt.Sprintf("user:%d:cart", 1000+i), []any{"book", "pen", i}, time.Duration(i+1)*time.Hour)
		set(h, fmt.Sprintf("session:%x", i*7919+65536), map[string]any{"user": 1000 + i}, time.Duration(30*(i+1))*time.Second)
	}
	for i := range 2000 {
		set(h, fmt.Sprintf("job:%012d", i), map[string]any{"state": "done", "result": i}, 24*time.Hour)
		set(h, fmt.Sprintf("cache/pages/%d", i%300), strings.Repeat("<p>text</p>", i%90), time.Minute*time.Duration(1+i%60))
	}
	set(h, "jobs:last", 2000, 0)
	set(h, "config", map[string]any{"theme": "dark", "limit": 30, "ratio": 0.75, "features": extlibs.Set{"search", "export"}}, 0)
	set(h, "greeting", "Hello, world", 0)
	photo := make([]byte, 3000)
	for i := range photo {
		photo[i] = byte(i * i)
	}
	set(h, "blob:photo", append([]byte("\x89PNG\r\n\x1a\n"), photo...), 0)
	set(h, "odd:<script>alert(1)</script>", "<img src=x onerror=alert(1)>", 0)
	set(h, "odd:\u202etxt.exe", "a right-to-left override", 0)
	set(h, "odd:\x00nul \"quotes\" 'single'", nil, 0)
	set(h, "odd:"+strings.Repeat("long ", 100), true, 0)
	file := s.file("orders.db")
	for i := range 300 {
		set(file, fmt.Sprintf("order:2026-11-%02d:%04d", 1+i%30, i), map[string]any{"total": float64(i) * 1.5, "paid": i%3 != 0}, 0)
	}
	scratch, err := s.registry.Open(ctx, ":memory:scratch")
	if err != nil {
		s.Fatal(err)
	}
	set(scratch, "counter", 42, 0)
}

// busy reads and writes until the test ends.
func busy(t *testing.T, h *extlibs.Handle) {
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	ctx := t.Context()
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			h.Get(ctx, fmt.Sprintf("user:%d:profile", 1000+i%300))
			if i%9 == 0 {
				h.Set(ctx, "hits:total", i, 0)
			}
			time.Sleep(time.Duration(1+(i/500)%7) * time.Millisecond)
		}
	}()
}
