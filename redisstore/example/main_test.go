package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// The hosts are processes of the program, which here is the test's.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "host" {
		main()
		return
	}
	os.Exit(m.Run())
}

func check(t *testing.T, wantServer string) {
	t.Helper()
	var out bytes.Buffer
	if err := show(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		wantServer,
		"host A  POST /users Ann  -> 200 {\"count\":1}\n",
		"host B  POST /users Bob  -> 200 {\"count\":2}\n",
		"host A  POST /users Cem  -> 200 {\"count\":3}\n",
		"host B  POST /users Dana -> 200 {\"count\":4}\n",
		"host A  background task  -> Total users: 4\n",
		"host B  background task  -> Total users: 4\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
}

func TestTwoHostsShareTheirState(t *testing.T) { check(t, "two processes run the same script") }

func TestWithoutAServerAnImitationShowsTheSame(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	check(t, "an imitation in this process")
}
