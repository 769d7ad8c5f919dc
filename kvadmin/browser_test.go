package kvadmin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/kvadmin"
)

// browser returns the context of a tab in a headless Chromium. Without a Chromium the test is
// skipped, but fails where KV_BROWSER is set, as it is in CI.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("KV_BROWSER") != "" {
			t.Fatal("no Chromium is installed, and KV_BROWSER says that there is one")
		}
		t.Skip("no Chromium is installed: apt-get install chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU)
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancelTab := chromedp.NewContext(allocator)
	t.Cleanup(cancelTab)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil { // the browser lives as long as this context
		t.Fatal(err)
	}
	ctx, cancelTime := context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancelTime)
	return ctx
}

// tab is a browser's tab that a test looks at.
type tab struct {
	*testing.T
	ctx context.Context
}

func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// open loads a page.
func (b tab) open(url string) {
	b.Helper()
	b.do(chromedp.Navigate(url))
}

// follow clicks a link or button, and waits for the next page.
func (b tab) follow(selector string) {
	b.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](`window.kvTest = true`), chromedp.Click(selector))
	b.until(`!window.kvTest && document.readyState === "complete"`)
}

// until waits until an expression is true, on this page or the next.
func (b tab) until(expression string) {
	b.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		if ok && err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s is not true (%v); the page is\n%.2000s", expression, err, b.text())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (b tab) text() string {
	b.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// shows fails the test unless the page has a text.
func (b tab) shows(texts ...string) {
	b.Helper()
	page := b.text()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			b.Errorf("the page does not show %q:\n%.2000s", text, page)
		}
	}
}

// list returns the strings of an expression.
func (b tab) list(expression string) []string {
	b.Helper()
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](expression))
	if err != nil {
		b.Fatal(err)
	}
	return found
}

func (b tab) scripts(on bool) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		b.Fatal(err)
	}
}

func (b tab) theme(name string) {
	b.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
	if err != nil {
		b.Fatal(err)
	}
}

func TestInABrowser(t *testing.T) {
	ctx := browser(t)
	for _, test := range []struct {
		name string
		run  func(tab, *site)
	}{
		{"browse", browse}, {"search", search}, {"change", change}, {"delete a prefix", deletePrefix}, {"without JavaScript", withoutScripts},
		{"hostile texts", hostileTexts}, {"another site", anotherSite}, {"what people need", whatPeopleNeed}, {"live changes", liveChanges}, {"counters and times move", moving},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, kvadmin.Options{Allow: everybody, Values: true, Write: true, Backup: true})
			b := tab{t, ctx}
			defer b.open("about:blank")
			test.run(b, s)
		})
	}
}

func browse(b tab, s *site) {
	exampleStores(s)
	b.open(s.url)
	b.shows("default", "orders.db", ":memory:scratch")
	b.follow(`.cards a[href$="default"]`)
	for range 20 { // folders are counted for a limited time, which can be too short on a busy machine
		if strings.Contains(b.text(), "480 keys") {
			break
		}
		b.open(b.list(`[location.href]`)[0])
	}
	b.shows("greeting", `"Hello, world"`, "user:", "480 keys")
	b.follow(`tr.folder a[href$="prefix=user%3A"]`)
	b.follow(`tr.folder a[href$="prefix=user%3A1007%3A"]`)
	b.follow(`.keys a[href$="profile"]`)
	b.shows("user:1007:profile", "dict", `"mail": "hana@example.com"`, "no expiry")
	b.follow(`.trail a[href$="prefix=user%3A"]`)
	b.follow(`.pager a[rel=next]`)
	b.shows("1100:", "First page")
	b.open(s.url + "default/key?key=blob:photo")
	b.shows("89 50 4e 47 0d 0a 1a 0a", "|.PNG....")
	b.open(s.url + "default")
	b.follow(`.tabs a[href$="top"]`)
	b.shows("cache/pages/", "blob:photo")
}

func search(b tab, s *site) {
	exampleStores(s)
	b.open(s.url + "default")
	b.do(chromedp.KeyEvent("/"))
	b.until(`document.activeElement.name === "pattern"`)
	b.do(chromedp.SetValue(`[name=pattern]`, "user:101?:cart"))
	b.follow(`.search button`)
	b.shows("user:1010:cart", "user:1019:cart")
	if rows := b.list(`[...document.querySelectorAll(".keys tbody th")].map(e => e.innerText)`); len(rows) != 10 {
		b.Errorf("%d rows: %q", len(rows), rows)
	}
	b.open(s.url + "default?pattern=%5B")
	b.shows("pattern")
}

func change(b tab, s *site) {
	h := s.registry.Default()
	s.fill(h, map[string]any{"a": 1})
	b.open(s.url + "default")
	b.do(chromedp.Click("details.form summary"), chromedp.SendKeys(`[name=key]`, "user:1"), chromedp.SendKeys(`[name=value]`, `{"name": ("Ann", 1.0)}`), chromedp.SendKeys(`[name=ttl]`, "2"), chromedp.SetValue(`[name=unit]`, "h"))
	b.follow("details.form button")
	b.shows("The value is stored", "user:1", `{"name": ("Ann", 1.0)}`)
	if v, err := h.Get(b.Context(), "user:1"); err != nil || fmt.Sprint(v) != "map[name:[Ann 1]]" {
		b.Errorf("%v, %v", v, err)
	}
	b.do(chromedp.Click("details.form summary"), chromedp.SetValue(`[name=value]`, `[1, 2`))
	b.follow("details.form button")
	b.shows("the value cannot be read", "The Back button of the browser", "All keys")
	b.open(s.url + "default/key?key=user:1")
	b.do(chromedp.Click("details.form summary"), chromedp.SetValue(`[name=value]`, `[1, 2]`))
	b.follow("details.form button")
	b.shows("[1, 2]", "Time left")
	if left, err := h.TTL(b.Context(), "user:1"); err != nil || left < time.Hour {
		b.Errorf("%v, %v", left, err)
	}
	b.do(chromedp.Click("details.form summary"), chromedp.SetValue(`[name=value]`, `[3]`))
	s.fill(h, map[string]any{"user:1": "changed meanwhile"})
	b.follow("details.form button")
	b.shows("has changed since the page was loaded")
	b.open(s.url + "default/key?key=user:1")
	b.do(chromedp.Click("details.danger summary"))
	b.follow("button.danger")
	b.shows("The key is deleted")
	if _, err := h.Get(b.Context(), "user:1"); !errors.Is(err, extlibs.ErrNotFound) {
		b.Error(err)
	}
}

func deletePrefix(b tab, s *site) {
	exampleStores(s)
	b.open(s.url + "default?prefix=session:")
	b.follow(`.trail a[href*="count"]`)
	b.shows("240 keys", "session:")
	b.follow("button.danger")
	b.shows("The keys are deleted")
	h := s.registry.Default()
	if n, err := h.Count(b.Context(), "session:*"); n != 0 || err != nil {
		b.Errorf("%d, %v", n, err)
	}
	if n, err := h.Count(b.Context(), "user:*"); n != 480 || err != nil {
		b.Errorf("%d, %v", n, err)
	}
}

func withoutScripts(b tab, s *site) {
	exampleStores(s)
	b.scripts(false)
	defer b.scripts(true)
	click := func(selector, then string) {
		b.Helper()
		b.do(chromedp.Click(selector), chromedp.WaitReady(then))
	}
	b.open(s.url)
	click(`.cards a[href$="default"]`, `tr.folder a[href$="prefix=user%3A"]`)
	click(`tr.folder a[href$="prefix=user%3A"]`, `tr.folder a[href$="prefix=user%3A1007%3A"]`)
	click(`tr.folder a[href$="prefix=user%3A1007%3A"]`, `.keys a[href$="profile"]`)
	click(`.keys a[href$="profile"]`, `details.danger`)
	b.do(chromedp.Click("details.danger summary"))
	click("button.danger", ".notice")
	if ok, err := s.registry.Default().Exists(b.Context(), "user:1007:profile"); ok || err != nil {
		b.Errorf("%v, %v", ok, err)
	}
}

func hostileTexts(b tab, s *site) {
	h := s.registry.Default()
	for i, text := range hostile {
		s.fill(h, map[string]any{text: text, fmt.Sprint("v", i): map[string]any{text: []any{text}}})
	}
	for _, path := range append([]string{"default", "default/top"}, keyPaths(hostile)...) {
		b.open(s.url + path)
		if found := b.list(`[...document.querySelectorAll("script, img, svg[onload], [onerror], [style], iframe, object")].map(e => e.outerHTML)`); len(found) != 1 || !strings.Contains(found[0], "pages.js") {
			b.Errorf("%s: the page has %q", path, found)
		}
	}
	b.open(s.url + "default")
	if n := len(b.list(`[...document.querySelectorAll(".keys tbody th")].map(e => e.innerText)`)); n < 30 {
		b.Errorf("%d rows", n)
	}
}

func keyPaths(keys []string) (paths []string) {
	for _, key := range keys {
		paths = append(paths, "default/key?"+query("key", key))
	}
	return paths
}

// anotherSite is a page whose form would delete keys, if the browser's request were accepted.
func anotherSite(b tab, s *site) {
	s.fill(s.registry.Default(), map[string]any{"a": 1})
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form method="post" action="%sdefault/delete-matching?pattern=*"><button>Win a prize</button></form><iframe src="%sdefault"></iframe>`, s.url, s.url)
	}))
	defer evil.Close()
	b.open(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1))
	b.follow("button")
	b.shows("another site")
	if n, err := s.registry.Default().Count(b.Context(), "*"); n != 1 || err != nil {
		b.Errorf("%d keys are left, %v", n, err)
	}
}

// whatPeopleNeed checks each page in both themes and at a phone's width: the contrast of
// texts, labels of fields, names of links, one heading, no scrolling sideways.
func whatPeopleNeed(b tab, s *site) {
	exampleStores(s)
	defer b.theme("")
	for _, path := range []string{"", "default", "default?prefix=odd:", "default?pattern=nosuch", "default/key?key=config", "default/key?key=blob:photo", "default/key?key=nosuch", "default/top", "default/count?prefix=session:", "default/watch"} {
		b.open(s.url + path)
		for _, theme := range []string{"light", "dark"} {
			for _, width := range []int64{1200, 360} {
				b.theme(theme)
				b.do(chromedp.EmulateViewport(width, 800))
				for _, fault := range b.list(faults) {
					b.Errorf("%q, %s, %d wide: %s", path, theme, width, fault)
				}
			}
		}
	}
	b.open(s.url + "default")
	b.do(chromedp.KeyEvent("\t"))
	b.until(`document.activeElement.className === "skip"`)
}

// faults is an expression with the faults of a page.
const faults = `(() => {
	const found = [];
	for (const d of document.querySelectorAll("details")) d.open = true;
	if (document.documentElement.scrollWidth > innerWidth) found.push("it is " + document.documentElement.scrollWidth + " wide");
	if (document.querySelectorAll("h1").length !== 1) found.push("it has " + document.querySelectorAll("h1").length + " h1");
	for (const e of document.querySelectorAll("figcaption b")) e.textContent = "123,456 k";
	for (const e of document.querySelectorAll("b, h1, h2, dd, button"))
		if (e.checkVisibility() && e.getBoundingClientRect().right > (e.closest("figure, div, li, main") || e).getBoundingClientRect().right + 1) found.push("cut off: " + e.outerHTML.slice(0, 100));
	if (!document.title || !document.documentElement.lang) found.push("no title or language");
	for (const e of document.querySelectorAll("input:not([type=hidden]), textarea, select"))
		if (!e.labels.length) found.push("no label: " + e.outerHTML);
	for (const e of document.querySelectorAll("a, button, summary"))
		if (!e.innerText.trim()) found.push("no name: " + e.outerHTML);
	for (const e of document.querySelectorAll("table"))
		if (!e.querySelector("th[scope=col]")) found.push("no column heads");
	const parse = c => c.match(/[\d.]+/g).map(Number);
	const luminance = c => { const f = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
	for (const e of document.querySelectorAll("body *")) {
		const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
		if (!own || !e.checkVisibility() || e.closest(".skip, noscript, svg")) continue;
		let back = e, color;
		do { color = parse(getComputedStyle(back).backgroundColor); back = back.parentElement; } while (back && color[3] === 0);
		const a = luminance(parse(getComputedStyle(e).color)), z = luminance(color);
		const contrast = (Math.max(a, z) + .05) / (Math.min(a, z) + .05);
		if (contrast < 4.5) found.push("contrast " + contrast.toFixed(2) + ": " + e.outerHTML.slice(0, 100));
	}
	return [...new Set(found)];
})()`

func liveChanges(b tab, s *site) {
	h := s.registry.Default()
	b.open(s.url + "default/watch")
	b.until(`document.getElementById("state").innerText === "Waiting for changes."`)
	for i, text := range hostile {
		s.fill(h, map[string]any{text: text})
		b.until(fmt.Sprintf(`document.querySelectorAll(".live tbody tr").length === %d`, i+1))
	}
	if found := b.list(`[...document.querySelectorAll("main script, main img, main svg, main a[href^=javascript]")].map(e => e.outerHTML)`); len(found) > 0 {
		b.Errorf("the page has %q", found)
	}
	b.shows("<script>alert(1)</script>")
	if _, err := h.Delete(b.Context(), "{{.}}"); err != nil {
		b.Fatal(err)
	}
	b.until(`document.querySelector(".live tbody tr.gone")?.innerText.includes("{{.}}")`)
	s.fill(h, map[string]any{"user:1": []any{int64(1)}})
	b.until(`document.querySelector(".live tbody tr").innerText.includes("user:1")`)
	b.shows("[1]", "list")
	b.follow(`.live tbody tr a`)
	b.shows("user:1", "[1]")
}

func moving(b tab, s *site) {
	h := s.registry.Default()
	if err := h.Set(b.Context(), "a", 1, time.Minute); err != nil {
		b.Fatal(err)
	}
	b.open(s.url + "default/key?key=a")
	b.until(`parseInt(document.querySelector("time").innerText) < 59`)
	b.open(s.url + "default")
	busy(b.T, h)
	b.until(`document.querySelector(".ops polyline").getAttribute("points").includes(" ") && parseFloat(document.querySelector(".ops b").innerText) > 1`)
	b.until(`document.querySelector(".hits b").innerText.endsWith("%")`)
	s.fill(h, map[string]any{"b": 1, "c": 2, "hits:total": 0})
	b.until(`document.querySelector("[data-count=keys]").innerText === "4"`)
}
