package main

import (
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// Rows that show the effect of the log.

const (
	besideGoal  = 5e6  // ns: the 99th percentile of a set beside other work
	longestGoal = 20e6 // ns: the longest set while a file is compacted, or a large batch is written
	manyKeys    = 100_000
	manyGoal    = 5e8 // ns
	killedGoal  = 150e6
	besideLeast = 200 // sets, where the other work ends at once
)

func besideRows() []row {
	return []row{
		{"durable/set_many/large", "one set_many of 100,000 keys on disk", setManyLarge},
		{"durable/beside", "durable sets of one writer while the store does something large", besideLarge},
		{"open/killed", "open of a file of a million keys with a full log, as a kill leaves them", openKilled},
	}
}

func manyOf(n int, prefix string) map[string]any {
	many := make(map[string]any, n)
	for i := range n {
		many[prefix+pointKey(i)] = text16(i)
	}
	return many
}

func setManyLarge(s *suite) {
	many := manyOf(s.scaled(manyKeys), "")
	var took []float64
	for range s.fewRounds {
		kv := openKV(s.path("kv"))
		began := time.Now()
		must(kv.h.SetMany(background, many, 0))
		took = append(took, float64(time.Since(began)))
		kv.close()
	}
	s.add(line{store: oursBolt, unit: duration, stat: summarize(took), allocs: -1})
	s.atMost("set_many of 100,000 keys on bolt", manyGoal, summarize(took).median, duration)
}

// besideLarge measures each set, because the few that wait are what matters. A raw fdatasync
// now and then shows how long the disk alone lets a caller wait meanwhile.
func besideLarge(s *suite) {
	files := newMillionFiles(s)
	for _, c := range []struct {
		name    string
		prepare func(kv kvDisk)
		run     func(kv kvDisk)
	}{
		{"nothing", nil, func(kvDisk) { time.Sleep(s.diskSlice) }},
		{"a sweep", func(kv kvDisk) {
			for i := range 10 {
				must(kv.h.SetMany(background, manyOf(s.scaled(manyKeys)/10, fmt.Sprint("old:", i)), time.Second))
			}
		}, func(kv kvDisk) {
			awaitExpired(kv.kvStore, s.scaled(manyKeys)/10*10)
		}},
		{"clear", nil, func(kv kvDisk) { must(kv.h.Clear(background)) }},
		{"a batch that fits the log", nil, func(kv kvDisk) { must(kv.h.SetMany(background, manyOf(s.scaled(manyKeys)/2, "new:"), 0)) }},
		{"a batch that does not", nil, func(kv kvDisk) { must(kv.h.SetMany(background, manyOf(s.scaled(3*manyKeys), "new:"), 0)) }},
		{"Compact", nil, func(kv kvDisk) { must(kv.h.Compact(background)) }},
	} {
		kv := openKV(files.copyOf(s, oursBolt))
		if c.prepare != nil {
			c.prepare(kv)
		}
		kv.set("beside", 0) // makes the log
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.run(kv)
		}()
		stop, longestRaw := make(chan struct{}), make(chan float64)
		go func() { longestRaw <- longestSync(s.path("raw"), stop) }()
		var took []float64
		for going := true; going || len(took) < besideLeast; {
			began := time.Now()
			kv.set(pointKey(len(took)%1000), "beside")
			took = append(took, float64(time.Since(began)))
			select {
			case <-ended:
				going = false
			default:
			}
		}
		close(stop)
		raw := <-longestRaw
		kv.close()
		slices.Sort(took)
		p99, longest := took[len(took)*99/100], took[len(took)-1]
		s.add(line{
			store: "beside " + c.name, unit: duration, stat: stat{took[0], p99, longest}, allocs: -1,
			note: fmt.Sprintf("%d sets; the middle figure is the 99th percentile; longest raw fdatasync meanwhile %s", len(took), duration.format(raw)),
		})
		s.atMost("99th percentile of a set beside "+c.name, besideGoal, p99, duration)
		if c.name == "Compact" || c.name == "a batch that does not" {
			s.atMost("longest set beside "+c.name, longestGoal, longest, duration)
		}
	}
}

// longestSync syncs another file every few milliseconds until stop is closed, and returns
// the longest time of one sync, in nanoseconds.
func longestSync(path string, stop chan struct{}) (longest float64) {
	raw := openRawSync(path)
	defer raw.close()
	for {
		select {
		case <-stop:
			return longest
		case <-time.After(5 * time.Millisecond):
			began := time.Now()
			raw.run(1)
			longest = max(longest, float64(time.Since(began)))
		}
	}
}

// openKilled copies both files of a store that is open, as the end of its process
// would leave them, when its log is as full as a checkpoint lets it become.
func openKilled(s *suite) {
	files := newMillionFiles(s)
	live := files.copyOf(s, oursBolt)
	kv := openKV(live, extlibs.LogBytes(2*extlibs.DefaultLogBytes)) // no checkpoint begins before it is half full
	defer kv.close()
	value := string(make([]byte, 85))                          // whose record takes 160 bytes
	sets := s.scaled(extlibs.DefaultLogBytes / 160 * 95 / 100) // all but those with which one does begin
	parallel(64, sets, func(_, i int) { kv.set(pointKey(i), value) })
	killed := s.path("kv")
	for _, name := range []string{"", "-log"} {
		must(os.WriteFile(killed+name, must1(os.ReadFile(live+name)), 0o600))
	}
	var took []float64
	for range s.fewRounds {
		path := s.path("kv")
		for _, name := range []string{"", "-log"} {
			must(os.WriteFile(path+name, must1(os.ReadFile(killed+name)), 0o600))
			syncFile(path + name) // so that a kill finds it written
		}
		began := time.Now()
		kv := openKV(path)
		took = append(took, float64(time.Since(began)))
		if must1(kv.h.Stats(background)).Buffered < int64(sets*len(value)) {
			panic("the log of the killed store has not all that was set")
		}
		kv.close()
	}
	s.add(line{store: oursBolt, unit: duration, stat: summarize(took), allocs: -1})
	s.atMost("open of a million keys after a kill", killedGoal, summarize(took).median, duration)
}
