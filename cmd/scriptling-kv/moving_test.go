package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/stdlib"
	"github.com/scriptling-kv/extlibs"
)

func TestImportReadsWhatTheScriptOfTheMovingPagePrints(t *testing.T) {
	page, err := os.ReadFile("../../docs/moving.md")
	if err != nil {
		t.Fatal(err)
	}
	c := newCLI(t)
	_, script, _ := strings.Cut(string(page), "```python\n")
	script, _, found := strings.Cut(script, "```")
	if !found {
		t.Fatal("the page has no script")
	}
	r := extlibs.NewRegistry()
	defer r.Close()
	h := r.Default()
	for key, value := range map[string]any{"a<&>": map[string]any{"n": 1, "list": []any{nil, true, "é\n"}}, "pi": 3.5} {
		if err := h.Set(t.Context(), key, value, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Set(t.Context(), "mortal", "x", time.Hour); err != nil {
		t.Fatal(err)
	}
	p := scriptling.New()
	stdlib.RegisterAll(p)
	r.Register(p)
	p.EnableOutputCapture()
	if _, err := p.Eval(script); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := c.try(p.GetOutput(), "import", "new.db"); status != 0 || stderr != "3 entries imported\n" {
		t.Fatalf("exit status %d, %q", status, stderr)
	}
	c.prints(`{"list": [None, True, "é\n"], "n": 1}`+"\n", "get", "new.db", "a<&>")
	c.prints("3.5\n", "get", "new.db", "pi")
	c.prints("none\n", "ttl", "new.db", "pi")
	if got := c.ok("ttl", "new.db", "mortal"); !strings.HasPrefix(got, "59m") && got != "1h0m0s\n" {
		t.Errorf("ttl printed %q", got)
	}
}
