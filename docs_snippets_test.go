package extlibs_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/scripthost"
)

// The Go code of the documentation, which TestGoCodeInTheDocsIsTested looks for
// here.

func TestGoCodeSharesTheScriptsData(t *testing.T) {
	ctx := context.Background()
	if err := extlibs.InitKVStore(""); err != nil {
		t.Fatal(err)
	}
	defer extlibs.CloseKVStore()
	script := func() error {
		p := first(scriptling.New())
		extlibs.RegisterRuntimeKVLibrary(p)
		_, err := p.Eval("import scriptling.runtime.kv as kv\nkv.default.set('users', ['ann'])\nkv.default.incr('hits')")
		return err
	}
	if err := script(); err != nil {
		t.Fatal(err)
	}
	err := func() error {
		store := extlibs.DefaultRegistry().Default()
		if _, err := store.Incr(ctx, "hits", 1, 0); err != nil {
			return err
		}
		users, err := store.Get(ctx, "users") // errors.Is(err, extlibs.ErrNotFound) if absent
		if err == nil && len(users.([]any)) != 1 {
			t.Error(users)
		}
		return err
	}()
	if err != nil {
		t.Error(err)
	}
	store := extlibs.DefaultRegistry().Default()
	if n, err := store.Get(ctx, "hits"); n != int64(2) {
		t.Error(n, err)
	}
	if _, err := store.Get(ctx, "nobody"); !errors.Is(err, extlibs.ErrNotFound) {
		t.Error(err)
	}
}

func TestDurabilityPageFastModeKeepsItsDataAcrossAnOrderlyEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	ctx := context.Background()
	err := extlibs.InitKVStore(path, extlibs.Durability(extlibs.Interval(time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	defer extlibs.InitKVStore("", extlibs.Durability(extlibs.Always()))
	if err := extlibs.DefaultRegistry().Default().Set(ctx, "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	if err := extlibs.CloseKVStore(); err != nil {
		t.Fatal(err)
	}
	if err := extlibs.InitKVStore(path); err != nil {
		t.Fatal(err)
	}
	if v, err := extlibs.DefaultRegistry().Default().Get(ctx, "k"); v != int64(1) {
		t.Error(v, err)
	}
}

func TestDurabilityPageBackupIsAStore(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	registry := extlibs.NewRegistry()
	defer registry.Close()
	store, err := registry.Open(ctx, filepath.Join(dir, "kv.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Set(ctx, "k", "v", 0); err != nil {
		t.Fatal(err)
	}
	err = func() error {
		return store.BackupFile(ctx, filepath.Join(dir, "backup.db"))
	}()
	if err != nil {
		t.Fatal(err)
	}
	copied, err := registry.Open(ctx, filepath.Join(dir, "backup.db"))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := copied.Get(ctx, "k"); v != "v" {
		t.Error(v, err)
	}
}

func TestOptionsPageGivesStoresOptions(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx := context.Background()
	registry := extlibs.NewRegistry(
		extlibs.MaxFileBytes(1<<30), // each file
		extlibs.StoreOptions("sessions.db", extlibs.Durability(extlibs.Interval(time.Second))),
		extlibs.StoreOptions(":memory:*", extlibs.MaxMemoryBytes(16<<20)),
	)
	defer registry.Close()
	audit, err := registry.OpenWith(ctx, "audit.db", extlibs.MaxKeys(1_000_000))
	if err != nil {
		t.Fatal(err)
	}
	if err := audit.Set(ctx, "k", 1, 0); err != nil {
		t.Error(err)
	}
	if _, err := registry.OpenWith(ctx, "audit.db", extlibs.MaxKeys(1)); !errors.Is(err, extlibs.ErrInUse) {
		t.Errorf("with other options: %v", err)
	}
	_, err = registry.OpenWith(ctx, ":memory:x", extlibs.Durability(extlibs.Always()))
	if want := "Durability is an option of stores in files, and the store is one in memory; omit it"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want %s", err, want)
	}
	for _, name := range []string{":memory:x", "sessions.db"} {
		if _, err := registry.Open(ctx, name); err != nil {
			t.Error(err)
		}
	}
}

func TestUntrustedScriptsPageConfinesAScript(t *testing.T) {
	dir := t.TempDir()
	run := func(script string) error {
		ctx := context.Background()
		registry := extlibs.NewRegistry(
			extlibs.MaxStores(16),
			extlibs.MaxTasks(16),
			extlibs.MaxKeys(100_000),
			extlibs.MaxValueBytes(1<<20),
			extlibs.MaxMemoryBytes(64<<20),
			extlibs.MaxFileBytes(1<<30),
		)
		defer registry.Close()

		p, err := scripthost.New()
		if err != nil {
			return err
		}
		registry.RegisterRuntimeLibraryAll(p, []string{dir})

		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err = scripthost.Eval(ctx, p, script)
		return err
	}
	const open = "import scriptling.runtime.kv as kv\nkv.open('%').set('k', 1)"
	if err := run(strings.ReplaceAll(open, "%", filepath.Join(dir, "mine.db"))); err != nil {
		t.Error(err)
	}
	outside := filepath.Join(t.TempDir(), "other.db")
	if err := run(strings.ReplaceAll(open, "%", outside)); err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Error(err)
	}
	if _, err := os.Stat(outside); !errors.Is(err, os.ErrNotExist) {
		t.Error("the refused file was created:", err)
	}
}

func TestUntrustedScriptsPageDropsAnInterpreterThatPanicked(t *testing.T) {
	ctx := context.Background()
	p, err := scripthost.New()
	if err != nil {
		t.Fatal(err)
	}
	p.RegisterFunc("handle", func(context.Context, object.Kwargs, ...object.Object) object.Object { panic("a bug") })
	request := "request"
	err = func() error {
		_, err := scripthost.Call(ctx, p, "handle", request)
		if errors.As(err, new(*scripthost.Panic)) {
			p = nil // it may still hold its lock: never use it again
		}
		return err
	}()
	if p != nil || err == nil {
		t.Errorf("the interpreter is kept after %v", err)
	}
	if p, err = scripthost.New(); err != nil {
		t.Fatal(err)
	}
	if _, err := scripthost.Eval(ctx, p, "def deep():\n    return deep()\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := scripthost.Call(ctx, p, "deep"); err == nil {
		t.Error("endless recursion returns")
	}
}

func TestReadmeProgramRuns(t *testing.T) {
	t.Parallel()
	var program string
	for _, b := range blocks(t, "README.md") {
		if b.language == "go" && strings.HasPrefix(b.text, "package main") {
			program = b.text
		}
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "program.exe")
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"run number 1\n", "run number 2\n"} {
		cmd := exec.Command(binary)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("printed %q (%v), want %q", out, err, want)
		}
	}
}
