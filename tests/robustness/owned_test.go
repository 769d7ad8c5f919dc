//go:build linux && amd64

package robustness

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/tests/robustness/powercut"
)

// mounted is a process that mounts the file by itself.
func mounted(program string, args ...string) process {
	return process{program: program, args: args, mounts: true}
}

func againMounted(program string, args ...string) *process {
	p := mounted(program, args...)
	return &p
}

// mayMount is whether a process of a test may mount a file for itself.
var mayMount = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "kv-robustness-*")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	if os.WriteFile(filepath.Join(dir, "kv.db"), nil, 0o600) != nil {
		return false
	}
	cmd := command("mount", dir)
	cmd.Stderr = nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return cmd.Run() == nil
})

// mount mounts a store's file by itself, as a container does that is given the file
// without its folder.
func mount(dir string) error {
	path := filepath.Join(dir, "kv.db")
	return syscall.Mount(path, path, "", syscall.MS_BIND, "")
}

// The owner and the mode that a store is given.
func ownAttrs() powercut.Attrs {
	a := powercut.Attrs{Mode: 0o640, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if a.UID == 0 {
		a.UID, a.GID = 65534, 65533
	}
	return a
}

// own gives a file of a state its owner and its mode.
func own(f *os.File, a powercut.Attrs) (err error) {
	if int(a.UID) != os.Geteuid() || int(a.GID) != os.Getegid() {
		err = f.Chown(int(a.UID), int(a.GID))
	}
	return errors.Join(err, f.Chmod(fs.FileMode(a.Mode)))
}

// leave takes from a state the files that a store may not need then, and looks at whose
// the others are.
func (m *moment) leave(dir string, files map[string]*powercut.Image) error {
	for name, image := range files {
		switch {
		case name == "kv.db":
			if m.kept && image.Attrs != ownAttrs() {
				return fmt.Errorf("the file has owner and mode %v, not %v", image.Attrs, ownAttrs())
			}
			continue
		case m.alone: // it was in the container
		case m.kept && image.Attrs != ownAttrs():
			if name == backupName {
				return fmt.Errorf("%s has owner and mode %v, not %v", name, image.Attrs, ownAttrs())
			}
			// It was just made, and its owner could not open it.
		default:
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

const backupName = "kv.db.backup"

// readOwned is readStore for a store that belongs to somebody else, whose backup is a
// store as well.
func readOwned(dir string, at time.Time) (map[string]string, error) {
	for _, name := range []string{"kv.db", "kv.db-log", backupName} {
		info, err := os.Stat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		if info.Mode().Perm()&^fs.FileMode(ownAttrs().Mode) != 0 {
			return nil, fmt.Errorf("%s has the mode %v, which gives more than the store's", name, info.Mode())
		}
	}
	if _, err := os.Stat(filepath.Join(dir, backupName)); err == nil {
		r := extlibs.NewRegistry(extlibs.ReadOnly())
		_, err := r.Open(ctx, filepath.Join(dir, backupName))
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, fmt.Errorf("the backup: %w", err)
		}
	}
	return readStore(dir, at)
}

func init() {
	programs["mount"] = func(dir string, args ...string) { exitOn(mount(dir)) }
	// A file that is mounted by itself, in one mode or the other: nothing beside it is
	// needed once it is open.
	programs["mounted"] = func(dir string, args ...string) {
		exitOn(mount(dir))
		options := []extlibs.Option{}
		if args[0] == "interval" {
			options = append(options, extlibs.Durability(extlibs.Interval(intervalOfTests)))
		}
		s := start(dir, options...)
		tell(note{Alone: true})
		s.look("w0")
		w := newWriter("w0")
		for i := range 16 {
			switch i {
			case 4:
				s.must("backup", s.store.Backup(ctx, io.Discard))
			case 8:
				if err := s.store.Compact(ctx); !errors.Is(err, errors.ErrUnsupported) {
					tell(note{Wrong: fmt.Sprintf("compact: %v", err)})
				}
			case 12:
				s.reopen()
				s.look("w0")
			}
			s.must("change", s.do(w.name, w.mixed()))
			if args[0] == "interval" {
				time.Sleep(time.Duration(w.random.IntN(20)) * time.Millisecond)
			}
		}
		s.close()
		tell(note{Writer: "w0", Synced: true})
	}
	// Somebody gives files to another user, who has other rights.
	programs["give away"] = func(dir string, args ...string) {
		powercut.Enter()
		for _, name := range args {
			f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
			exitOn(err)
			exitOn(own(f, ownAttrs()))
			exitOn(f.Sync())
			exitOn(f.Close())
		}
	}
	// All that makes files beside a store, by a process of another user than the store's.
	programs["owned"] = func(dir string, args ...string) {
		s := start(dir)
		tell(note{Kept: true})
		s.look("w0")
		w := newWriter("w0")
		for i := range 16 {
			switch i {
			case 4, 13:
				s.must("compact", s.store.Compact(ctx))
			case 7, 10:
				s.must("backup", s.store.BackupFile(ctx, filepath.Join(dir, backupName)))
			}
			s.do(w.name, w.mixed())
		}
		s.registry.Close()
		s.reopen()
		s.look("w0")
		for range 4 {
			s.do(w.name, w.mixed())
		}
		s.close()
		entries, err := os.ReadDir(dir)
		s.must("readdir", err)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".kv-") {
				tell(note{Wrong: "a temporary file is left: " + e.Name()})
			}
		}
	}
}
