package crafted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

const largeKeys = 24_000 // more than a file has that is read before it is used

// keyOf is one that fillMutable leaves in the file.
func keyOf(i int) string { return fmt.Sprintf("key:%06d", i) }

// memoryDir is a folder that is not on disk, where the system has one: what a sync
// costs is not the question here.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "kv-crafted-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

var bases struct {
	sync.Mutex
	files map[int][]byte
}

// baseBytes returns a file of so many keys, which is made once.
func baseBytes(t *testing.T, keys int) []byte {
	t.Helper()
	bases.Lock()
	defer bases.Unlock()
	if b := bases.files[keys]; b != nil {
		return b
	}
	path := filepath.Join(memoryDir(t), "kv.db")
	r := extlibs.NewRegistry()
	h, err := r.Open(ctx, path)
	if err == nil {
		err = errors.Join(fillMutable(h, keys), r.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := newImage(b)
	b = b[:whole.n*whole.size] // without the blocks that are allocated for later growth
	if bases.files == nil {
		bases.files = map[int][]byte{}
	}
	bases.files[keys] = b
	return b
}

// baseFile makes a file to damage.
func baseFile(t *testing.T, keys int) (path string, m *image) {
	t.Helper()
	path = filepath.Join(memoryDir(t), "kv.db")
	b := bytes.Clone(baseBytes(t, keys))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, newImage(b)
}

func (m *image) save(t *testing.T, path string) {
	t.Helper()
	m.seal()
	if err := os.WriteFile(path, m.b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// leafOf finds the leaf with the record of a key, and the key's element.
func (m *image) leafOf(t *testing.T, key string) (id, element int) {
	t.Helper()
	root := m.page(int(order.Uint64(m.b[m.meta()*m.size+headerBytes+16:])))
	next := uint64(0)
	for i := range int(order.Uint16(root[10:])) {
		e := headerBytes + i*elementBytes
		name := root[e+int(order.Uint32(root[e+4:])):]
		if n := order.Uint32(root[e+8:]); string(name[:n]) == "data" {
			next = order.Uint64(name[n:])
		}
	}
	for {
		p := m.page(int(next))
		leaf := order.Uint16(p[8:]) == flagLeaf
		at := -1
		for i := range int(order.Uint16(p[10:])) {
			e := headerBytes + i*elementBytes
			position, size := order.Uint32(p[e:]), order.Uint32(p[e+4:])
			if leaf {
				position, size = order.Uint32(p[e+4:]), order.Uint32(p[e+8:])
			}
			if string(p[e+int(position):][:size]) <= key {
				at = i
			}
		}
		if at < 0 {
			t.Fatalf("%q is not in the file", key)
		}
		if leaf {
			return int(next), at
		}
		next = order.Uint64(p[headerBytes+at*elementBytes+8:])
	}
}

// kindOf says what became of a call.
func kindOf(err error) string {
	for kind, name := range map[error]string{
		extlibs.ErrCorrupt: "corrupt", extlibs.ErrFormat: "format", extlibs.ErrFull: "full",
		extlibs.ErrNotFound: "absent", extlibs.ErrCommitUnknown: "unknown", extlibs.ErrClosed: "closed",
		extlibs.ErrTooLarge: "too large",
	} {
		if errors.Is(err, kind) {
			return name
		}
	}
	if err != nil {
		return "unnamed: " + err.Error()
	}
	return "ok"
}

// calls are what the child can be asked for. key is one to be about.
var calls = map[string]func(h *extlibs.Handle, key string) error{
	"exists": func(h *extlibs.Handle, key string) error { _, err := h.Exists(ctx, key); return err },
	"incr":   func(h *extlibs.Handle, key string) error { _, err := h.Incr(ctx, key, 1, 0); return err },
	"get":    func(h *extlibs.Handle, key string) error { _, err := h.Get(ctx, key); return err },
	"keys":   func(h *extlibs.Handle, _ string) error { _, err := h.Keys(ctx, extlibs.ListOptions{}); return err },
	"count":  func(h *extlibs.Handle, _ string) error { _, err := h.Count(ctx, "*"); return err },
	"set":    func(h *extlibs.Handle, key string) error { return h.Set(ctx, key, "new", time.Hour) },
	"delete": func(h *extlibs.Handle, key string) error { _, err := h.Delete(ctx, key); return err },
	"clear":  func(h *extlibs.Handle, _ string) error { return h.Clear(ctx) },
	"backup": func(h *extlibs.Handle, _ string) error { return h.Backup(ctx, io.Discard) },
	"compact": func(h *extlibs.Handle, _ string) error {
		return h.Compact(ctx)
	},
	// whole leaves, for their neighbours to take over
	"deletes": func(h *extlibs.Handle, key string) error {
		n, _ := strconv.Atoi(strings.TrimPrefix(key, "key:"))
		var keys []string
		for i := n; i < n+150; i++ {
			keys = append(keys, keyOf(i))
		}
		_, err := h.DeleteMany(ctx, keys)
		return err
	},
}

// In the child: args are the file, a limit of its size, what to do to it while
// it is open, and calls with their keys. Each line printed is a call and what
// became of it.
func init() {
	children["calls"] = func(args []string) {
		limitMemory()
		path, while := args[0], args[2]
		fileLimit, _ := strconv.Atoi(args[1])
		r := extlibs.NewRegistry(extlibs.MaxFileBytes(int64(fileLimit)))
		began := cpuTime()
		h, err := r.Open(ctx, path)
		fmt.Println("open", kindOf(err))
		if err == nil {
			meanwhile(while, path)
			for _, call := range args[3:] {
				name, key, _ := strings.Cut(call, " ")
				fmt.Println(name, kindOf(calls[name](h, key)))
			}
			fmt.Println("close", kindOf(h.Close()))
		}
		limit := 2 * time.Second
		if raceDetector { // it makes bbolt's lists of pages four times slower
			limit *= 4
		}
		if took := cpuTime() - began; took > limit {
			fmt.Println("slow", took)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err == nil {
			err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		}
		if err != nil {
			fmt.Println("lock", err)
		}
	}
}

// meanwhile does something to a file behind the back of who has it open.
func meanwhile(what, path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	size := int64(os.Getpagesize())
	info, _ := f.Stat()
	switch what {
	case "truncate to nothing":
		err = f.Truncate(0)
	case "truncate to its headers":
		err = f.Truncate(2 * size)
	case "truncate to a half":
		err = f.Truncate(info.Size() / 2)
	case "zeros":
		_, err = f.WriteAt(make([]byte, info.Size()), 0)
	case "zeros behind the headers":
		_, err = f.WriteAt(make([]byte, info.Size()-2*size), 2*size)
	case "circles": // all pages become branches to themselves
		page := make([]byte, size)
		for id := int64(2); id < info.Size()/size && err == nil; id++ {
			if _, err = f.ReadAt(page, id*size); err == nil {
				order.PutUint16(page[8:], flagBranch)
				for i := range int(order.Uint16(page[10:])) {
					if at := headerBytes + i*elementBytes; at+elementBytes <= len(page) {
						e := page[at:]
						position, key := order.Uint32(e[4:]), order.Uint32(e[8:])
						order.PutUint32(e, position)
						order.PutUint32(e[4:], key)
						order.PutUint64(e[8:], uint64(id))
					}
				}
				_, err = f.WriteAt(page, id*size)
			}
		}
	case "another store":
		var other []byte
		if other, err = os.ReadFile(path + ".other"); err == nil {
			_, err = f.WriteAt(other, 0)
		}
	}
	if err != nil {
		panic(err)
	}
}

// runCalls runs calls in a child and returns what became of each.
func runCalls(t *testing.T, path string, limit int64, while string, calls ...string) map[string]string {
	t.Helper()
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := child("calls", append([]string{path, strconv.FormatInt(limit, 10), while}, calls...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := context.AfterFunc(limited, func() { cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		lines := linesOf(errs.String())
		t.Fatalf("the process died: %v\n%s%s", err, out.String(), strings.Join(lines[:min(12, len(lines))], "\n"))
	}
	became := map[string]string{}
	for _, line := range linesOf(out.String()) {
		name, kind, _ := strings.Cut(line, " ")
		if name == "lock" || name == "slow" || strings.HasPrefix(kind, "unnamed") {
			t.Error(line)
		}
		became[name] = kind
	}
	return became
}

func TestAHeaderWithoutAListOfFreePagesIsRefused(t *testing.T) {
	for _, keys := range []int{600, largeKeys} {
		path, m := baseFile(t, keys)
		for i := range 2 {
			order.PutUint64(m.b[i*m.size+headerBytes+32:], ^uint64(0))
		}
		leaf, _ := m.leafOf(t, keyOf(0))
		order.PutUint16(m.page(leaf)[8:], 0xABCD) // the engine panics about it, in a separate goroutine
		m.save(t, path)
		if got := runCalls(t, path, 0, "")["open"]; got != "format" && got != "corrupt" {
			t.Errorf("%d keys: open: %s", keys, got)
		}
	}
}

func TestALeafThatIsABranchToItselfIsAnErrorInEveryCall(t *testing.T) {
	kvtest.OnceIn(t, 3)
	for _, call := range []string{"get", "keys", "set", "delete", "deletes", "clear", "backup", "compact"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			path, m := baseFile(t, largeKeys)
			key := keyOf(largeKeys / 2)
			leaf, _ := m.leafOf(t, key)
			p := m.page(leaf)
			order.PutUint16(p[8:], flagBranch)
			for i := range int(order.Uint16(p[10:])) {
				e := p[headerBytes+i*elementBytes:]
				position, size := order.Uint32(e[4:]), order.Uint32(e[8:])
				order.PutUint32(e, position)
				order.PutUint32(e[4:], size)
				order.PutUint64(e[8:], uint64(leaf))
			}
			m.save(t, path)
			near := keyOf(largeKeys/2 - 100) // so that deletes empties the leaves on both sides
			got := runCalls(t, path, 0, "", call+" "+map[bool]string{true: near, false: key}[call == "deletes"])
			answer := got[call]
			if call == "clear" { // which looks at nothing until the file is written
				answer = got["close"]
			}
			if got["open"] == "ok" && answer != "corrupt" || got["open"] != "ok" && got["open"] != "corrupt" {
				t.Error(got)
			}
		})
	}
}

func TestAFileWhoseRootIsEmptyIsRefusedAndKeepsItsData(t *testing.T) {
	for _, keys := range []int{600, largeKeys} {
		path, m := baseFile(t, keys)
		root := m.page(int(order.Uint64(m.b[m.meta()*m.size+headerBytes+16:])))
		order.PutUint16(root[10:], 0)
		m.save(t, path)
		got := runCalls(t, path, 0, "")
		if b, err := os.ReadFile(path); got["open"] != "corrupt" || err != nil || !bytes.Equal(b, m.b) {
			t.Errorf("%d keys: open: %s, and the file is the same: %v", keys, got["open"], bytes.Equal(b, m.b))
		}
	}
}

func TestAFileThatIsEnormousAndEmptyTakesNeitherMemoryNorTime(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(m *image, pages uint64)
		limit  int64
		want   string
	}{
		"a list of free pages as long as the file": {func(m *image, pages uint64) {
			p := m.page(m.kind[flagFreelist][0])
			for id := range m.n {
				if order.Uint64(m.b[m.meta()*m.size+headerBytes+32:]) == uint64(id) {
					p = m.page(id)
				}
			}
			free := pages / 2
			order.PutUint16(p[10:], 0xFFFF)
			order.PutUint64(p[headerBytes:], free)
			order.PutUint32(p[12:], uint32((headerBytes+8*(free+1))/uint64(m.size)))
		}, 0, "corrupt"},
		"a value as long as the file": {func(m *image, pages uint64) {
			leaf, _ := m.leafOf(t, keyOf(0))                         // the first, whose kind is found out
			m.b = append(m.b[:m.n*m.size], m.page(leaf)[:m.size]...) // where nothing follows it
			p := m.page(m.n)
			order.PutUint64(p, uint64(m.n))
			for _, id := range m.kind[flagBranch] {
				b := m.page(id)
				for i := range int(order.Uint16(b[10:])) {
					if e := b[headerBytes+i*elementBytes:]; order.Uint64(e[8:]) == uint64(leaf) {
						order.PutUint64(e[8:], uint64(m.n))
					}
				}
			}
			order.PutUint16(p[10:], 1)
			order.PutUint32(p[headerBytes+4:], elementBytes)
			order.PutUint32(p[headerBytes+12:], 1<<31)
			order.PutUint32(p[12:], 1<<31/uint32(m.size))
		}, 0, "corrupt"},
		"nothing else wrong":       {func(*image, uint64) {}, 1 << 30, "full"},
		"more than the limit says": {func(*image, uint64) {}, 4096, "full"},
	} {
		t.Run(name, func(t *testing.T) {
			path, m := baseFile(t, 600)
			const size int64 = 4 << 30
			pages := uint64(size) / uint64(m.size)
			tt.change(m, pages)
			for i := range 2 {
				order.PutUint64(m.b[i*m.size+headerBytes+40:], pages)
			}
			m.save(t, path)
			if err := os.Truncate(path, size); err != nil {
				t.Skip(err)
			}
			got := runCalls(t, path, tt.limit, "", "get "+keyOf(0), "keys", "count", "set x", "delete "+keyOf(1))
			if got["open"] != tt.want && (got["open"] != "ok" || got["get"] != "corrupt" && got["keys"] != "corrupt") {
				t.Error(got)
			}
		})
	}
}

// What a damaged leaf, or a damaged branch above it, hides is never absent.
func TestNoKeyOfADamagedLeafIsAbsent(t *testing.T) {
	kvtest.OnceIn(t, 3)
	key := keyOf(largeKeys / 2)
	for name, change := range map[string]func(p []byte, at int){
		"flags of its element":     func(p []byte, at int) { p[headerBytes+at*elementBytes] ^= 1 },
		"flags of another element": func(p []byte, at int) { p[headerBytes] ^= 1 },
		"number of elements":       func(p []byte, at int) { order.PutUint16(p[10:], uint16(at)) },
		"the key": func(p []byte, at int) {
			e := headerBytes + at*elementBytes
			p[e+int(order.Uint32(p[e+4:]))+len(key)-1]++
		},
		"the key, to one that follows in order": func(p []byte, at int) {
			e := headerBytes + at*elementBytes
			p[e+int(order.Uint32(p[e+4:]))+len(key)-1] |= 0x40
		},
		"its order": func(p []byte, at int) {
			e := headerBytes + at*elementBytes
			p[e+int(order.Uint32(p[e+4:]))] = 0xFF
		},
		"no elements": func(p []byte, at int) { order.PutUint16(p[10:], 0) },
		"its kind":    func(p []byte, at int) { order.PutUint16(p[8:], flagFreelist) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, m := baseFile(t, largeKeys)
			leaf, at := m.leafOf(t, key)
			change(m.page(leaf), at)
			m.save(t, path)
			got := runCalls(t, path, 0, "", "get "+key, "keys")
			if got["open"] == "ok" && (got["get"] != "corrupt" || got["keys"] != "corrupt") {
				t.Error(got)
			}
		})
	}
	t.Run("the key that separates it from the leaf before", func(t *testing.T) {
		path, m := baseFile(t, largeKeys)
		leaf, _ := m.leafOf(t, key)
		p := m.page(leaf)
		n := int(order.Uint32(p[headerBytes+8:]))
		first := string(p[headerBytes+int(order.Uint32(p[headerBytes+4:])):][:n])
		for _, id := range m.kind[flagBranch] {
			b := m.page(id)
			for i := range int(order.Uint16(b[10:])) {
				e := headerBytes + i*elementBytes
				if order.Uint64(b[e+8:]) == uint64(leaf) {
					b[e+int(order.Uint32(b[e:]))+n-1]++ // the leaf's first key is before it now
				}
			}
		}
		m.save(t, path)
		if got := runCalls(t, path, 0, "", "get "+first); got["open"] == "ok" && got["get"] != "corrupt" {
			t.Error(first, got)
		}
	})
}

func TestAFileThatIsChangedWhileItIsOpenIsAnErrorThatHasAName(t *testing.T) {
	kvtest.OnceIn(t, 3)
	sizes := []int{600, largeKeys}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, keys := range sizes {
		for _, while := range []string{
			"truncate to nothing", "truncate to its headers", "truncate to a half", "zeros", "zeros behind the headers", "circles", "another store",
		} {
			t.Run(fmt.Sprint(while, " ", keys), func(t *testing.T) {
				t.Parallel()
				path, _ := baseFile(t, keys)
				other, _ := baseFile(t, keys/2)
				if err := os.Rename(other, path+".other"); err != nil {
					t.Fatal(err)
				}
				for _, calls := range [][]string{
					{"get " + keyOf(keys/2), "keys", "count", "set " + keyOf(keys/2), "delete " + keyOf(keys-1)},
					{"set " + keyOf(keys/2), "get " + keyOf(keys/2)},
					{"deletes " + keyOf(keys/2)}, {"clear"}, {"compact"}, {"backup"},
				} {
					whole, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					got := runCalls(t, path, 0, while, calls...)
					name, _, _ := strings.Cut(calls[0], " ")
					if got["open"] != "ok" {
						t.Fatal(got)
					}
					// A half may hold all that a call needs.
					if k := got[name]; k != "corrupt" && k != "unknown" && while != "truncate to a half" {
						t.Errorf("%v: %v", calls, got)
					}
					if err := os.WriteFile(path, whole, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}
