package boltfile

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
)

func openTestDisk(t *testing.T, path string) *Disk {
	t.Helper()
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenDisk(loc, DiskOptions{Options: Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func put(t *testing.T, d *Disk, key, value string) {
	t.Helper()
	err := d.Do(context.Background(), func(p *Plan) error {
		was, err := p.State(key, false)
		p.Change(key, was, State{Exists: true, Value: value})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A sync of somebody else's record may end in the middle of an append.
func TestARecordThatIsDurableBeforeItIsStagedIsVisibleAndKept(t *testing.T) {
	for _, end := range []string{"read", "close", "write of another", "a large call"} {
		t.Run(end, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kv.db")
			d := openTestDisk(t, path)
			put(t, d, "first", "1")

			d.plan.Lock()
			p, err := d.newPlan(func(p *Plan) error {
				p.Change("k", State{}, State{Exists: true, Value: "v"})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if p.call.end, err = d.log.Append(p.batch(), 0); err != nil {
				t.Fatal(err)
			}
			if err := d.log.Sync(context.Background(), p.call.end); err != nil {
				t.Fatal(err)
			}
			p.seen = p.call.end
			d.stage(&p.call)
			d.plan.Unlock()

			switch end {
			case "read":
				if err := d.acknowledge(context.Background(), p, nil); err != nil {
					t.Fatal(err)
				}
				if s, err := d.Load(time.Now(), "k", true); s.Value != "v" || err != nil {
					t.Errorf("it is %+v, %v", s, err)
				}
			case "write of another":
				put(t, d, "other", "2")
			case "a large call":
				put(t, d, "large", string(make([]byte, minLogBytes)))
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d = openTestDisk(t, path)
			if s, err := d.Load(time.Now(), "k", true); s.Value != "v" || err != nil {
				t.Errorf("opened again it is %+v, %v", s, err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
