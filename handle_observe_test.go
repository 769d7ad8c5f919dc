package extlibs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// callLog keeps the calls that it is told of.
type callLog struct {
	sync.Mutex
	list []extlibs.Call
}

func (c *callLog) add(call extlibs.Call) {
	c.Lock()
	defer c.Unlock()
	c.list = append(c.list, call)
}

// take returns the calls since the last take, as "name keys/bytes error".
func (c *callLog) take() (texts []string) {
	c.Lock()
	defer c.Unlock()
	for _, call := range c.list {
		text := fmt.Sprintf("%s %d/%d", call.Name, call.Keys, call.Bytes)
		if call.Err != nil {
			text += " " + call.Err.Error()
		}
		texts = append(texts, text)
	}
	c.list = nil
	return texts
}

func TestAnObserverIsToldOfEachCallOnce(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		var seen callLog
		r := b.registry(t, extlibs.Observe(seen.add))
		h := mustOpen(t, r, b.storeName(t))
		h = h.Sub("v:")
		for _, tt := range []struct {
			call func() error
			want string
		}{
			{func() error { return h.Set(ctx, "k", "abc", 0) }, "set 1/4"},
			{func() error { _, err := h.Get(ctx, "k"); return err }, "get 1/4"},
			{func() error { _, err := h.Get(ctx, "absent"); return err }, "get 1/0"},
			{func() error { _, err := extlibs.Get[string](ctx, h, "k"); return err }, "get 1/4"},
			{func() error { return h.Set(ctx, "", 1, 0) }, "set 0/0 kv.set: key is empty; use 1 to 32768 bytes"},
			{func() error { return h.SetMany(ctx, map[string]any{"a": 1, "b": 2}, 0) }, "set_many 2/2"},
			{func() error { _, err := h.GetMany(ctx, []string{"a", "b", "c"}); return err }, "get_many 3/2"},
			{func() error { _, err := h.Items(ctx, extlibs.ListOptions{}); return err }, "items 3/6"},
			{func() error {
				_, err := h.Update(ctx, "a", func(any, bool) (any, error) { return 3, nil })
				return err
			}, "update 2/2"},
			{func() error {
				for _, err := range h.All(ctx, extlibs.ListOptions{}) {
					must(t, err)
				}
				return nil
			}, "all 3/6"},
			{func() error { _, err := h.Export(ctx, io.Discard); return err }, "export 3/6"},
			{func() error {
				_, err := h.Store().Load(ctx, "k", extlibs.NeedValue)
				return err
			}, "load 1/4"},
			{func() error { _, err := h.Pop(ctx, "k"); return err }, "pop"},
		} {
			err := tt.call()
			if got := seen.take(); len(got) != 1 || !strings.HasPrefix(got[0], tt.want) && !strings.HasPrefix(got[0], strings.Replace(tt.want, "32768", "32766", 1)) {
				t.Errorf("the observer is told of %q (%v), want %q", got, err, tt.want)
			}
		}
		// Of a call in a function that another call runs it is told as well.
		_, err := h.GetOrSet(ctx, "made", func() (any, error) { return 1, h.Set(ctx, "other", 1, 0) }, 0)
		if got := fmt.Sprint(seen.take()); err != nil || !strings.HasPrefix(got, "[set 1/1 get_or_set ") {
			t.Errorf("the observer is told of %s, %v", got, err)
		}
		p := interpreter(r, new(bytes.Buffer))
		eval(t, p, "import scriptling.runtime.kv as kv\nkv.default.set('k', 1)\nkv.default.sub('x').incr('n', 2)\nkv.default.get('nosuch')")
		if got := fmt.Sprint(seen.take()); got != "[set 1/1 incr 1/1 get 1/0]" {
			t.Errorf("of a script's calls the observer is told of %s", got)
		}
		caught(t, p, "kv.default.incr('k', 'x')")
		caught(t, p, "kv.default.update('k', lambda v: nosuch)")
		if got := fmt.Sprint(seen.take()); !strings.Contains(got, "incr 0/0 delta must be") || !strings.Contains(got, "update 1/1 ") {
			t.Errorf("of failed calls the observer is told of %s", got)
		}
	})
}

// Every exported method of a Handle that takes a context is observed.
func TestNoCallEvadesTheObserver(t *testing.T) {
	var seen callLog
	r := newRegistry(extlibs.Observe(seen.add))
	t.Cleanup(func() { r.Close() })
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	h := reflect.ValueOf(r.Default())
	n := 0
	for i := range h.NumMethod() {
		m, typ := h.Type().Method(i), h.Method(i).Type()
		if typ.NumIn() == 0 || typ.In(0) != reflect.TypeFor[context.Context]() || m.Name == "Stats" {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(cancelled)}
		for j := 1; j < typ.NumIn() && !(typ.IsVariadic() && j == typ.NumIn()-1); j++ {
			arg := reflect.Zero(typ.In(j))
			switch typ.In(j) {
			case reflect.TypeFor[io.Writer]():
				arg = reflect.ValueOf(io.Discard)
			case reflect.TypeFor[io.Reader]():
				arg = reflect.ValueOf(strings.NewReader(""))
			}
			if arg.Kind() == reflect.Func {
				arg = reflect.MakeFunc(typ.In(j), func([]reflect.Value) []reflect.Value {
					var out []reflect.Value
					for k := range typ.In(j).NumOut() {
						out = append(out, reflect.Zero(typ.In(j).Out(k)))
					}
					return out
				})
			}
			args = append(args, arg)
		}
		result := h.Method(i).Call(args)
		if result[0].Kind() == reflect.Func { // an iterator
			for range result[0].Seq2() {
			}
		}
		if got := seen.take(); len(got) != 1 {
			t.Errorf("of %s the observer is told %q", m.Name, got)
		}
		n++
	}
	if n < 30 {
		t.Errorf("only %d methods were called", n)
	}
}

func TestAnObserverThatPanicsBlocksOrCallsTheStoreBreaksNothing(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		var log bytes.Buffer
		var h *extlibs.Handle
		var others callLog
		release, told := make(chan struct{}), make(chan struct{}, 100)
		r := b.registry(t, extlibs.Logger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))),
			extlibs.Observe(func(c extlibs.Call) {
				if _, err := h.Incr(ctx, "calls of "+c.Name, 1, 0); err != nil { // is not observed
					t.Errorf("a call of the observer: %v", err)
				}
				for range h.All(ctx, extlibs.ListOptions{}) {
				}
			}),
			extlibs.Observe(func(c extlibs.Call) { panic("the observer's secret") }),
			extlibs.Observe(func(c extlibs.Call) {
				if c.Name == "ttl" {
					told <- struct{}{}
					<-release
				}
			}),
			extlibs.Observe(others.add))
		h = mustOpen(t, r, b.storeName(t))
		for range 3 {
			must(t, h.Set(ctx, "k", 1, 0))
		}
		blocked := make(chan error)
		go func() { _, err := h.TTL(ctx, "k"); blocked <- err }()
		<-told
		for range 3 { // while the observer of one call blocks, others continue
			must(t, h.Set(ctx, "k", 2, 0))
		}
		eval(t, interpreter(r, new(bytes.Buffer)), "import scriptling.runtime.kv as kv\nkv.default.set('k', 1)")
		close(release)
		must(t, <-blocked)
		if got := len(others.take()); got != 8 {
			t.Errorf("the last observer is told of %d calls, want 8", got)
		}
		if v, err := h.Get(ctx, "calls of set"); v != int64(7) || err != nil {
			t.Errorf("the observer counts %v calls, %v", v, err)
		}
		if n := strings.Count(log.String(), "a function given to Observe panicked"); n != 2 || strings.Contains(log.String(), "secret") {
			t.Errorf("the log says %s", log.String())
		}
	})
}

// While a script's call is observed, other threads of its interpreter run.
func TestAnObserverRunsWithoutTheInterpretersLock(t *testing.T) {
	release := make(chan struct{})
	r := newRegistry(extlibs.Observe(func(c extlibs.Call) {
		switch c.Name {
		case "exists":
			<-release
		case "delete":
			close(release)
		}
	}))
	t.Cleanup(func() { r.Close() })
	p := interpreter(r, new(bytes.Buffer))
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_, err := p.EvalWithContext(ctx, `
import scriptling.runtime as runtime
def other():
    import scriptling.runtime.kv as kv
    kv.default.delete("k")
def waits():
    import scriptling.runtime.kv as kv
    return kv.default.exists("k")
a = runtime.background("waits", "waits")
b = runtime.background("other", "other")
a.get()
b.get()
`)
	if err != nil {
		t.Errorf("the observer that blocks one thread blocks another: %v", err)
	}
}

// slowCounting is slow in one call.
type slowCounting struct{ extlibs.Store }

func (s slowCounting) Len(ctx context.Context) (int, error) {
	time.Sleep(slow)
	return s.Store.Len(ctx)
}

const slow = 20 * time.Millisecond

func init() {
	extlibs.RegisterDriver("slowcount", func(ctx context.Context, _ extlibs.OpenConfig) (extlibs.Store, error) {
		s, err := openMemory(ctx)
		return slowCounting{s}, err
	})
}

func TestSlowCallsAreLogged(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	r := newRegistry(extlibs.Logger(slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	t.Cleanup(func() { r.Close() })
	h, err := r.OpenWith(ctx, "slowcount://host/x", extlibs.SlowCalls(slow/2))
	must(t, err)
	_, err = h.Count(ctx, "*")
	must(t, err)
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "a call was slow") || !strings.Contains(text, "store=slowcount://host/x call=count keys=0 bytes=0 duration=") {
		t.Errorf("the log says %s", text)
	}
	log.Reset()
	waiting, cancel := context.WithTimeout(ctx, slow)
	defer cancel()
	if _, err := h.Wait(waiting, "nosuch"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait: %v", err)
	}
	if log.Len() > 0 {
		t.Errorf("of a call that waits for a key the log says %s", log.String())
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
