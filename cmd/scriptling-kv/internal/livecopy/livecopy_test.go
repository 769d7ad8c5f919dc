package livecopy

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestACopyIsTriedUntilNoCommitDisturbsIt commits during the first tries of a copy of a small
// file: there can be hundreds of commits in the time that an operator waits for a copy.
func TestACopyIsTriedUntilNoCommitDisturbsIt(t *testing.T) {
	for _, test := range []struct {
		name    string
		commits int // one during each try
		want    error
	}{
		{"none", 0, nil},
		{"one", 1, nil},
		{"more than the least number of tries", 5 * leastTries, nil},
		{"without end", 1 << 30, ErrChanging},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			path := filepath.Join(t.TempDir(), "app.db")
			file := make([]byte, 16<<10)
			binary.NativeEndian.PutUint32(file[pageSizeAt:], 4096)
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			live, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer live.Close()
			synctest.Test(t, func(t *testing.T) {
				commits := 0
				commit := func(int) {
					if commits < test.commits {
						commits++
						if _, err := live.WriteAt([]byte{byte(commits), byte(commits >> 8)}, 100); err != nil {
							t.Error(err)
						}
					}
				}
				start := time.Now()
				c, err := Make(t.Context(), path, commit, func(string) error { return nil }, func(error) bool { return false })
				if !errors.Is(err, test.want) {
					t.Fatalf("after %d commits: %v, want %v", commits, err, test.want)
				}
				if err != nil {
					if took := time.Since(start); took < leastTime || took > leastTime+time.Second {
						t.Errorf("gave up after %v", took)
					}
					return
				}
				if c.Tries != test.commits+1 {
					t.Errorf("%d tries for %d commits", c.Tries, test.commits)
				}
				if err := c.Remove(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
