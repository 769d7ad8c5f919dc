package diskstore

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// The log never contains more than the file can hold, also if the leaves of the file are full,
// as Compact leaves them: then each leaf that gets a few small entries is split, which takes
// several times the space of the entries. The file has a second name, so it cannot be rewritten;
// the same goes for a disk without space for a second file.
//
// Fewer entries in a leaf are not tried: they can take a page each, and claiming that for every
// put would make a checkpoint of every few puts. There a checkpoint that does not fit rewrites
// the file, and fails where it cannot, until keys are deleted.
func TestAFileWithFullLeavesHoldsWhatItsStoreAccepts(t *testing.T) {
	for _, each := range []int{4, 5, 8} { // puts in a leaf before a checkpoint
		t.Run(fmt.Sprint(each), func(t *testing.T) {
			path := storeName(t)
			d := mustOpen(t, path, maxBytes(4<<20), logBytes(1<<20))
			const n, leaf = 19_000, 33 // about as many entries are in a leaf
			value := strings.Repeat("v", 60)
			for i := 0; i < n; i += 500 {
				some := map[string]any{}
				for j := i; j < i+500; j++ {
					some[fmt.Sprintf("%08d", j)] = value
				}
				if err := d.setMany(some); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(path, path+".second"); err != nil {
				t.Skip(err)
			}
			stored := 0
			for round := range 40 {
				some := map[string]any{}
				for i := leaf / 2; i < n; i += leaf {
					some[fmt.Sprintf("%08dx%d", i, round)] = value
				}
				err := d.setMany(some)
				if errors.Is(err, kverr.Full) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				stored++
				if stored%each > 0 {
					continue
				}
				w, err := d.lockFile(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				err = w.checkpoint(false)
				w.unlock()
				if err != nil {
					t.Errorf("after %d rounds a checkpoint fails: %v", stored, err)
					deleted := 0
					for i := 0; i < n; i += 2 {
						if _, err := d.remove(fmt.Sprintf("%08d", i)); err != nil {
							t.Errorf("and a delete after %d others: %v", deleted, err)
							break
						}
						deleted++
					}
					break
				}
			}
			t.Logf("%d rounds", stored)
			if err := d.Close(); err != nil {
				t.Errorf("after %d rounds: %v", stored, err)
			}
		})
	}
}
