package redisstore_test

import (
	"bufio"
	"compress/bzip2"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs/internal/kvtest/golden"
)

const formats = "../testdata/formats"

// Formats are forever: what earlier commits wrote to servers.
func TestStoresOfEarlierVersionsHoldWhatWasWritten(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob(filepath.Join(formats, "redis-*.jsonl.bz2"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("%d files, %v", len(archives), err)
	}
	known := map[string]bool{}
	for _, archive := range archives {
		format, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(archive), "redis-"), "-")
		known[format] = true
		t.Run(filepath.Base(archive), func(t *testing.T) {
			s := startServer(t)
			c := s.client(t)
			restore(t, c, archive)
			for _, store := range []string{"clean", "cleared"} {
				if got := formatOf(t, c, store); got != format {
					t.Errorf("store %q has format %q", store, got)
				}
				golden.Want(t, openHandle(t, s.url(store)), time.Now(), formats, store)
			}
		})
	}
	s := startServer(t)
	if err := openHandle(t, s.url("new")).Set(t.Context(), "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	if now := formatOf(t, s.client(t), "new"); !known[now] {
		t.Errorf("no store of format %q, which is written now, is in %s", now, formats)
	}
}

func formatOf(t *testing.T, c rueidis.Client, store string) string {
	t.Helper()
	format, err := c.Do(t.Context(), c.B().Hget().Key("{"+store+"}:m").Field("format").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	return format
}

// restore gives a server the keys of an archive. Its strings hold bytes as characters up
// to 255.
func restore(t *testing.T, c rueidis.Client, archive string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(bzip2.NewReader(f))
	lines.Buffer(nil, 1<<20)
	var commands rueidis.Commands
	for lines.Scan() {
		var args []string
		if err := json.Unmarshal(lines.Bytes(), &args); err != nil {
			t.Fatal(err)
		}
		for i, arg := range args {
			var b []byte
			for _, r := range arg {
				b = append(b, byte(r))
			}
			args[i] = string(b)
		}
		commands = append(commands, c.B().Arbitrary(args[0]).Keys(args[1]).Args(args[2:]...).Build())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, reply := range c.DoMulti(context.Background(), commands...) {
		if err := reply.Error(); err != nil {
			t.Fatal(err)
		}
	}
}
