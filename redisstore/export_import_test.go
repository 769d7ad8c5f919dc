package redisstore_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/examples/backups/rotation"
)

// TestAStoreIsExportedFromAServerAndImportedByAny moves all types, and more keys than a
// page and a batch have, from a server to memory and back to another store there.
func TestAStoreIsExportedFromAServerAndImportedByAny(t *testing.T) {
	s := startServer(t)
	ctx := t.Context()
	from := openHandle(t, s.url(newName()))
	values := map[string]any{
		"int": int64(1) << 60, "float": 2.0, "text": "ü\x00\u2028", "none": nil, "bool": true, "bytes": []byte{0, 255},
		"list": []any{int64(1), "a", []byte("b")}, "dict": map[string]any{"user": "bob", "": 1.5},
	}
	for i := range 2500 {
		values[fmt.Sprintf("many:%04d", i)] = int64(i)
	}
	if err := from.SetMany(ctx, values, 0); err != nil {
		t.Fatal(err)
	}
	if err := from.Set(ctx, "expires", "soon", time.Hour); err != nil {
		t.Fatal(err)
	}
	keys := len(values) + 1
	memory, back := openHandle(t, ":memory:copy"), openHandle(t, s.url(newName()))
	exports := make([]bytes.Buffer, 3)
	for i, step := range []struct{ from, to *extlibs.Handle }{{from, memory}, {memory, back}} {
		if n, err := step.from.Export(ctx, &exports[i]); err != nil || n != keys {
			t.Fatalf("export %d: %d entries (%v), want %d", i, n, err, keys)
		}
		if n, err := step.to.Import(ctx, bytes.NewReader(exports[i].Bytes())); err != nil || n != keys {
			t.Fatalf("import %d: %d entries (%v), want %d", i, n, err, keys)
		}
	}
	for key, want := range values {
		if got, err := back.Get(ctx, key); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s is %v (%v), want %v", key, got, err, want)
		}
	}
	if ttl, err := back.TTL(ctx, "expires"); err != nil || ttl <= time.Hour-10*time.Minute || ttl > time.Hour {
		t.Errorf("the key has %v left (%v)", ttl, err)
	}
	if n, err := from.Export(ctx, &exports[2], extlibs.ExportOnly(extlibs.ListOptions{Prefix: "many:1"})); err != nil || n != 1000 {
		t.Errorf("%d entries (%v), want 1000", n, err)
	}
}

// TestBackupsOfAStoreOnAServerRotate runs the example on a server.
func TestBackupsOfAStoreOnAServerRotate(t *testing.T) {
	s := startServer(t)
	ctx := t.Context()
	store := openHandle(t, s.url(newName()))
	folder, err := rotation.New(t.TempDir(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if err := store.Set(ctx, "round", i, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := folder.Backup(ctx, store); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := folder.List()
	if err != nil || len(kept) != 2 {
		t.Fatalf("%v (%v)", kept, err)
	}
	for i, path := range kept {
		restored := openHandle(t, s.url(newName()))
		if n, err := rotation.Restore(ctx, restored, path); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		if round, err := restored.Get(ctx, "round"); err != nil || round != int64(i+2) {
			t.Errorf("round is %v (%v), want %d", round, err, i+2)
		}
	}
}
