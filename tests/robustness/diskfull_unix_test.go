//go:build unix

package robustness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// fillUp writes until the store is full, and checks that nothing but the write
// that did not fit was lost, that deletes make room, and that writes work again.
// It prints what is wrong.
func fillUp(path string, opts ...extlibs.Option) {
	bad := func(format string, args ...any) { fmt.Printf("BAD "+format+"\n", args...) }
	r := extlibs.NewRegistry(opts...)
	h, err := r.Open(ctx, path)
	if err != nil {
		bad("open: %v", err)
		return
	}
	value, _ := extlibs.Encode(strings.Repeat("x", 10_000))
	key := func(i int) string { return fmt.Sprintf("key:%05d", i) }
	set := func(i int) error {
		_, err := h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpSet, Key: key(i), Value: value})
		return err
	}
	n := 0
	for ; n < 10_000; n++ {
		if err = set(n); err != nil {
			break
		}
	}
	if !errors.Is(err, extlibs.ErrFull) || n < 10 {
		bad("write %d to a full store: %v", n, err)
	}
	for i := range n {
		if e, err := h.Store().Load(ctx, key(i), extlibs.NeedAll); err != nil || e.Value != value {
			bad("get of key %d of a full store: %v", i, err)
			break
		}
	}
	if _, err := h.Store().Load(ctx, key(n), extlibs.NeedAll); !errors.Is(err, extlibs.ErrNotFound) {
		bad("get of the key that did not fit: %v", err)
	}
	if c, err := h.Store().Len(ctx); c != n || err != nil {
		bad("count of a full store: %d of %d, %v", c, n, err)
	}
	removed := 0
	for ; removed < n; removed++ {
		if _, err := h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpDelete, Key: key(removed)}); err != nil {
			bad("delete %d from a full store: %v", removed, err)
			break
		}
	}
	for i := range n / 2 {
		if err := set(i); err != nil {
			bad("write %d of %d after there was room again: %v", i, n/2, err)
			break
		}
	}
	if err := r.Close(); err != nil {
		bad("close: %v", err)
	}
	r = extlibs.NewRegistry(opts...)
	h, err = r.Open(ctx, path)
	if err != nil {
		bad("open again: %v", err)
		return
	}
	if c, err := h.Store().Len(ctx); err != nil || c != n/2 {
		bad("count after opening again: %d, %v", c, err)
	}
	r.Close()
	fmt.Println("full at", n)
}

func init() {
	programs["rlimit"] = func(dir string, args ...string) {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: 2 << 20, Max: 2 << 20}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			panic(err)
		}
		fillUp(filepath.Join(dir, "kv.db"), optionsOf(args[0])...)
	}
	programs["fill"] = func(dir string, args ...string) { fillUp(filepath.Join(dir, "kv.db"), optionsOf(args[0])...) }
	programs["unprivileged"] = func(dir string, _ ...string) { useReadOnly(dir) }
}

func optionsOf(mode string) []extlibs.Option {
	switch mode {
	case "interval":
		return []extlibs.Option{extlibs.Durability(extlibs.Interval(2 * time.Millisecond))}
	case "quota":
		return []extlibs.Option{extlibs.MaxFileBytes(2 << 20)}
	}
	return nil
}

func complainOf(t *testing.T, lines []string) {
	t.Helper()
	for _, line := range lines {
		if strings.HasPrefix(line, "BAD") {
			t.Error(line)
		}
	}
	t.Log(lines[len(lines)-1])
}

func TestAFileThatReachesTheProcessLimitIsFullAndWorksAgainAfterDeletes(t *testing.T) {
	t.Parallel()
	complainOf(t, linesFrom(t, time.Minute, command("rlimit", t.TempDir(), "always")))
}

func TestAFileThatReachesMaxFileBytesIsFullAndWorksAgainAfterDeletes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	complainOf(t, linesFrom(t, time.Minute, command("fill", dir, "quota")))
	if info, err := os.Stat(filepath.Join(dir, "kv.db")); err != nil || info.Size() > 2<<20 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
}

// useReadOnly expects that the store in dir can be read but not written, and that
// no store can be made beside it.
func useReadOnly(dir string) {
	bad := func(format string, args ...any) { fmt.Printf("BAD "+format+"\n", args...) }
	r := extlibs.NewRegistry()
	h, err := r.Open(context.Background(), filepath.Join(dir, "kv.db"))
	if err != nil {
		bad("open: %v", err)
		return
	}
	want, _ := extlibs.Encode("v")
	if e, err := h.Store().Load(ctx, "k", extlibs.NeedAll); err != nil || e.Value != want {
		bad("get: %q, %v", e.Value, err)
	}
	if _, err := h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: want}); !errors.Is(err, extlibs.ErrReadOnly) {
		bad("set: %v", err)
	}
	if err := h.Clear(ctx); !errors.Is(err, extlibs.ErrReadOnly) {
		bad("clear: %v", err)
	}
	if _, err := r.Open(ctx, filepath.Join(dir, "other.db")); !errors.Is(err, fs.ErrPermission) {
		bad("a new file in a read-only directory: %v", err)
	}
	if _, err := r.Open(ctx, filepath.Join(dir, "secret.db")); !errors.Is(err, fs.ErrPermission) {
		bad("a file without read permission: %v", err)
	}
	if err := r.Close(); err != nil {
		bad("close: %v", err)
	}
	fmt.Println("read-only")
}

func TestAReadOnlyFileCanBeReadAndSaysSoWhenItIsWritten(t *testing.T) {
	dir := t.TempDir()
	r := extlibs.NewRegistry()
	for _, name := range []string{"kv.db", "secret.db"} {
		h := mustOpen(t, r, filepath.Join(dir, name))
		v, _ := extlibs.Encode("v")
		if _, err := h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: v}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{
		filepath.Join(dir, "kv.db"): 0o444, filepath.Join(dir, "secret.db"): 0, dir: 0o555,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(path, 0o700)
	}
	cmd := command("unprivileged", dir)
	if os.Getuid() == 0 { // whom no permission stops
		bin := filepath.Join(t.TempDir(), "test")
		program, err := os.ReadFile(os.Args[0])
		if err == nil {
			err = os.WriteFile(bin, program, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []string{dir, filepath.Dir(bin)} {
			for ; strings.HasPrefix(d, os.TempDir()) && d != os.TempDir(); d = filepath.Dir(d) {
				if info, err := os.Stat(d); err == nil {
					os.Chmod(d, info.Mode().Perm()|0o055)
				}
			}
		}
		cmd.Path, cmd.Dir = bin, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	complainOf(t, linesFrom(t, time.Minute, cmd))
}
