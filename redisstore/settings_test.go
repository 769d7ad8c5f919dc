package redisstore_test

import (
	"strings"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore"
)

// fromScript opens a URL in a script and says what became of that.
func fromScript(t *testing.T, r *extlibs.Registry, url string) string {
	t.Helper()
	p := scriptling.New()
	r.Register(p)
	if err := p.SetVar("url", url); err != nil {
		t.Fatal(err)
	}
	result, err := p.Eval(`
import scriptling.runtime.kv as kv
def attempt():
    try:
        kv.open(url).set("k", 1)
        return "opened"
    except PermissionError as e:
        return "refused: " + str(e)
    except Exception as e:
        return "failed: " + str(e)
attempt()`)
	if err != nil {
		t.Fatal(err)
	}
	text, errObj := result.AsString()
	if errObj != nil {
		t.Fatal(errObj)
	}
	return text
}

// lockedServer is a server that wants a password.
func lockedServer(t *testing.T, password string) *testServer {
	t.Helper()
	if serverBinary() != "" {
		return startServer(t, "--requirepass", password)
	}
	s := startServer(t)
	s.mini.RequireAuth(password)
	return s
}

func TestAScriptGivesNoSettingsButUsesThoseOfItsHost(t *testing.T) {
	const password = "geheim"
	s := lockedServer(t, password)
	r := extlibs.NewRegistry()
	defer r.Close()
	check := func(url, want string) {
		t.Helper()
		got := fromScript(t, r, url)
		if !strings.HasPrefix(got, want) || strings.Contains(got, password) {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
	check(s.url("a"), "failed") // the host knows no password yet
	check("redis://:"+password+"@"+s.addr+"/0/a", "refused")
	h, err := r.Open(t.Context(), "redis://:"+password+"@"+s.addr+"/0/host")
	if err != nil {
		t.Fatal(err)
	}
	check(s.url("a"), "opened")
	check("valkey://"+s.addr+"/1/a", "opened")
	// A guess must not be told from the password, also where that store is open.
	check("redis://:"+password+"@"+s.addr+"/0/host", "refused")
	check("redis://:guess@"+s.addr+"/0/host", "refused")
	check("redis://@"+s.addr+"/0/host", "refused")
	for _, query := range []string{"timeout=9s", "ca=/etc/passwd", "sentinel=x", "nosuch=1", "db=1"} {
		check(s.url("b")+"?"+query, "failed: kv.open: store \""+s.url("b")+"\": invalid argument")
	}
	check("redis+unix:///nosuch/socket?db=0&name=x", "failed")
	check("redis+unix:///nosuch/socket?db=0&name=x&timeout=1s", "failed: kv.open: store \"redis+unix:///nosuch/socket\": invalid argument")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAScriptGetsWhatIsConfiguredAndNoChoiceAmongItsHostsUsers(t *testing.T) {
	const password = "geheim"
	s := lockedServer(t, password)
	r := extlibs.NewRegistry()
	defer r.Close()
	for _, query := range []string{"timeout=4s", "timeout=5s"} {
		if _, err := r.Open(t.Context(), "redis://:"+password+"@"+s.addr+"/0/host?"+query); err != nil {
			t.Fatal(err)
		}
	}
	if got := fromScript(t, r, s.url("a")); !strings.HasPrefix(got, "refused") || !strings.Contains(got, "redisstore.Configure") {
		t.Errorf("with two settings: %s", got)
	}
	addr := s.addr
	redisstore.Configure(addr, redisstore.Options{Password: password})
	if got := fromScript(t, r, s.url("a")); got != "opened" {
		t.Errorf("configured: %s", got)
	}
	if _, err := r.Open(t.Context(), s.url("c")); err != nil { // the host's own URL needs no password either
		t.Error(err)
	}
	redisstore.Configure(s.addr, redisstore.Options{Password: password, CA: "/nosuch"})
	if got := fromScript(t, r, s.url("d")); !strings.HasPrefix(got, "refused") || !strings.Contains(got, "TLS") {
		t.Errorf("a password that is meant for TLS goes over a plain connection: %s", got)
	}
}
