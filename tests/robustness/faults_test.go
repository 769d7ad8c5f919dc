//go:build linux && amd64

package robustness

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/tests/robustness/powercut"
)

// faultOf is the error of a call that is made to fail.
const faultOf = syscall.EIO

func init() {
	// Every kind of change, each followed by a read; where one fails, its error
	// has to say why, and reads have to continue.
	programs["all calls"] = func(dir string, args ...string) {
		s := newSession(dir)
		wrong := func(format string, args ...any) {
			tell(note{Writer: "w0", Wrong: fmt.Sprintf(format, args...)})
		}
		named := func(call string, err error) {
			// The engine keeps only the text where it makes the file larger.
			if err != nil && !errors.Is(err, faultOf) && !strings.Contains(err.Error(), faultOf.Error()) {
				wrong("%s does not say that the disk failed: %v", call, err)
			}
		}
		open := func() {
			for range 3 {
				err := s.open()
				if err == nil {
					s.look("w0")
					return
				}
				named("open", err)
				named("close", s.registry.Close())
			}
			wrong("the store can no longer be opened")
		}
		open()
		w := newWriter("w0")
		for step := range 12 {
			var err error
			call := "a change"
			switch step {
			case 4:
				call, err = "compact", s.store.Compact(ctx)
			case 6:
				call, err = "backup", s.store.Backup(ctx, io.Discard)
			case 9:
				named("close", s.registry.Close())
				open()
				continue
			default:
				c := [...]change{
					w.set(), w.setMany(), w.delete(), w.set(), {}, w.setMany(), {},
					w.withTTL(w.setMany(), time.Hour), {Clear: true}, {}, w.setMany(), w.delete(),
				}[step]
				err = s.do("w0", c)
			}
			named(call, err)
			if _, err := s.store.Items(ctx, extlibs.ListOptions{}); err != nil {
				wrong("a read after %s (%v): %v", call, err, err)
			}
			if errors.Is(err, extlibs.ErrCommitUnknown) {
				named("close", s.registry.Close())
				open()
			}
		}
		named("close", s.registry.Close())
	}
}

func TestOneFailedCallLosesNothingAndIsNamed(t *testing.T) {
	for _, op := range faultyCalls {
		t.Run(op, func(t *testing.T) {
			x := newExamination(t, "store")
			step := kvtest.Sized(15, 3, 1) // of so many calls one fails, from a random one on
			n := 1 + kvtest.Rand(t).IntN(step)
			for fails := true; fails; n += step {
				fails = false
				p, calls := run("all calls"), 0
				p.fail = func(c powercut.Call) syscall.Errno {
					if c.Op != op {
						return 0
					}
					if calls++; calls != n {
						return 0
					}
					fails = true
					return faultOf
				}
				dir := memoryDir(t)
				r, err := powercut.NewRecorder(dir)
				if err != nil {
					t.Fatal(err)
				}
				if err := created.run(r, dir, x.random); err != nil {
					t.Fatal(err)
				}
				from := len(r.Events)
				if err := p.run(r, dir, x.random); err != nil {
					t.Fatalf("call %d: %v", n, err)
				}
				x.events(t, newHistory(0), r.Events, from, 40)
				for i, wrong := range x.wrong {
					if i < 2 {
						t.Errorf("call %d fails: %s", n, wrong)
					}
				}
				x.wrong = nil
				if n == 1 && !fails {
					t.Errorf("no call of %s was made", op)
				}
			}
			t.Logf("up to call %d, %d states", n-step, x.states)
		})
	}
}

var faultyCalls = []string{"open", "opendir", "write", "truncate", "syncdir", "rename", "unlink"}
