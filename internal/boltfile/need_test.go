package boltfile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// puts are random entries that are stored in a file, in transactions of some of them.
type puts struct {
	keys, values [2]int // least and most bytes
	share        int    // one of this many entries has the most bytes of both; 0: they are evenly distributed
	deadlines    bool
	atOnce       int // in a transaction
}

func randomPuts(r *rand.Rand) puts {
	sizes := func(most ...int) [2]int {
		n := most[r.IntN(len(most))]
		return [2]int{1 + r.IntN(2)*r.IntN(n), n}
	}
	p := puts{keys: sizes(8, 12, 40, 300, 2000), values: sizes(1, 20, 200, 500, 660, 1000, 2000, 2100, 5000), deadlines: r.IntN(3) == 0, atOnce: 8 + r.IntN(1<<r.IntN(11))}
	if r.IntN(3) == 0 {
		p.share = 2 + r.IntN(4)
	}
	return p
}

func (p puts) entry(r *rand.Rand, i int) (key string, s State) {
	size := func(n [2]int) int {
		switch {
		case p.share == 0:
			return n[0] + r.IntN(n[1]-n[0]+1)
		case i%p.share == 0:
			return n[1]
		}
		return n[0]
	}
	key = fmt.Sprintf("%08x", r.Uint32())
	key += strings.Repeat("k", max(0, size(p.keys)-len(key)))
	s = State{Exists: true, Value: strings.Repeat("v", size(p.values))}
	if p.deadlines {
		s.Deadline = time.Now().Add(time.Duration(r.IntN(1e9))).UnixNano()
	}
	return key, s
}

// A store accepts puts if the file has what they need, so they must not grow it by more, whatever
// their sizes are and however they are divided into transactions.
func TestPutsGrowAFileByNoMoreThanTheyNeed(t *testing.T) {
	random, worst := kvtest.Rand(t), 0.0
	defer func() { t.Logf("the file grew by at most %.2f of the need", worst) }()
	for range kvtest.Sized(8, 40, 1000) {
		seed := random.Uint64()
		r := rand.New(rand.NewPCG(seed, 1))
		p := randomPuts(r)
		f, err := openTest(t, t.Context(), t.TempDir()+"/app.db", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		space := f.space.Load()
		used := space.used.Load()
		var need Need
		for bytes, i := 0, 0; bytes < 1<<19 && i < 3000; {
			put := map[string]State{}
			for range p.atOnce {
				key, s := p.entry(r, i)
				put[key] = s
				bytes += len(key) + len(s.Value)
				i++
			}
			keys := make([]string, 0, len(put))
			for key, s := range put {
				keys = append(keys, key)
				need.Add(s.Need(key))
			}
			slices.Sort(keys)
			err := f.Update(func(tx *Tx) error {
				for _, key := range keys {
					if err := tx.SetState(key, put[key]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		grown := space.used.Load() - used
		worst = max(worst, float64(grown)/float64(need.Net))
		if most := need.Net + 3*space.pageSize; grown > most { // pages of buckets that were inline
			t.Errorf("seed %d, %+v: the file has grown by %d bytes, and not by %d at most", seed, p, grown, most)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
