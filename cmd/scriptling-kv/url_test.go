package main

import (
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

const password = "s3cretWord"

func TestAStoreMovesToAServerAndBack(t *testing.T) {
	c := newCLI(t)
	server := miniredis.RunT(t)
	server.RequireAuth(password)
	url := "redis://:" + password + "@" + server.Addr() + "/0/app"
	c.fill("a.db", 1500)
	c.ok("set", "a.db", "typed", `{"a": (1, 2.0), "b": {1}, "c": bytes("x")}`)
	c.ok("set", "a.db", "mortal", "1", "--ttl", "1h")
	c.prints("1503 keys are the same in both stores, 1503 of them copied now\n", "move", "a.db", url)
	c.prints("1503\n", "count", url)
	c.prints(c.ok("get", "a.db", "typed"), "get", url, "typed")
	c.prints("1503 keys are the same in both stores, 0 of them copied now\n", "move", "a.db", url)
	c.prints("1503 keys are the same in both stores, 1503 of them copied now\n", "move", url, "b.db")
	c.prints(c.ok("keys", "a.db"), "keys", "b.db")
	c.prints(c.ok("get", "a.db", "typed"), "get", "b.db", "typed")
	if got := c.ok("stat", url); !strings.Contains(got, "bytes  unknown\n") {
		t.Errorf("stat printed %q", got)
	}
	if got := c.ok("stat", url, "--json"); !strings.HasSuffix(got, `"bytes":null}`+"\n") {
		t.Errorf("stat printed %q", got)
	}
	if got := c.ok("ttl", "b.db", "mortal"); !strings.HasPrefix(got, "59m") && got != "1h0m0s\n" {
		t.Errorf("ttl printed %q", got)
	}
}

func TestAPasswordIsNeverPrinted(t *testing.T) {
	c := newCLI(t)
	server := miniredis.RunT(t)
	server.RequireAuth(password)
	good := "redis://user:" + password + "@" + server.Addr() + "/0/app"
	server.RequireUserAuth("user", password)
	c.ok("set", "a.db", "k", "1")
	c.change("a.db", "damaged.db", func(b []byte) []byte { b[20]++; return b })
	wrong := "redis://user:" + password + "wrong@" + server.Addr() + "/0/app"
	dead := "redis://user:" + password + "@127.0.0.1:1/0/app"
	for _, url := range []string{good, wrong, dead, good + "?nosuch=1", "nosuch://u:" + password + "@host/x", "redis://u:" + password + "@host:bad/%zz", "redis://u:" + password + "@/x"} {
		for _, args := range [][]string{
			{"keys", url}, {"get", url, "nosuch"}, {"set", url, "k", "1"}, {"set", url, "", "1"}, {"del", url, "k"}, {"ttl", url, "nosuch"},
			{"expire", url, "nosuch", "1"}, {"count", url}, {"stat", url}, {"stat", url, "--json"}, {"check", url}, {"export", url}, {"export", url, "--salvage"},
			{"export", url, "-o", "nosuch/x"}, {"import", url}, {"import", url, "nosuch"}, {"backup", url, "b.db"}, {"restore", url, "b.db"}, {"restore", "a.db", url},
			{"compact", url}, {"move", "a.db", url}, {"move", url, "m.db"}, {"repair", url, "r.db"}, {"repair", "a.db", url}, {"import", "a.db", url},
			{"export", "a.db", "-o", url}, {"backup", "a.db", url}, {"repair", "damaged.db", url}, {url}, {"get", url}, {"keys", url, "--pattern", "["},
		} {
			stdout, stderr, _ := c.try("", args...)
			if strings.Contains(stdout+stderr, password) {
				t.Errorf("%q printed the password: %q %q", args, stdout, stderr)
			}
		}
	}
}
