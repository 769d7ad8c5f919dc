package main

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"time"
)

// subject is one store in a row; the stores of a row alternate.
type subject struct {
	name string
	run  func(n int) // does n operations
	note func() string
}

// stat summarizes the turns of one subject. Medians stand a noisy machine
// better than means.
type stat struct{ min, median, max float64 }

func summarize(samples []float64) stat {
	if len(samples) == 0 {
		return stat{}
	}
	sorted := slices.Sorted(slices.Values(samples))
	return stat{sorted[0], median(sorted), sorted[len(sorted)-1]}
}

func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// turns measures subjects A B C A B C ... in rounds, so that what else the
// machine does meets all of them alike, and adds one line for each. Ratios are
// taken within a round, against the subject called baseline, before their
// median is. It returns the lines by name; a subject that was left out has the
// zero line.
func (s *suite) turns(baseline string, slice time.Duration, subjects ...subject) map[string]line {
	subjects = slices.DeleteFunc(subjects, func(c subject) bool { return !s.wants(c.name) })
	ops := make([]int, len(subjects))
	samples := make([][]float64, len(subjects))
	for i, c := range subjects {
		ops[i] = calibrate(c.run, slice)
	}
	for round := range s.rounds {
		runtime.GC() // no subject pays for the garbage of another one
		for turn := range subjects {
			i := (turn + round) % len(subjects)
			samples[i] = append(samples[i], timed(subjects[i].run, ops[i]))
		}
	}
	base := slices.IndexFunc(subjects, func(c subject) bool { return c.name == baseline })
	lines := make(map[string]line, len(subjects))
	for i, c := range subjects {
		l := line{store: c.name, unit: duration, stat: summarize(samples[i])}
		l.allocs = allocations(c.run, min(ops[i], 10_000))
		if base >= 0 {
			l.ratio = medianRatio(samples[i], samples[base])
		}
		if c.note != nil {
			l.note = c.note()
		}
		s.add(l)
		lines[c.name] = l
	}
	return lines
}

// timed returns the nanoseconds of one of n operations.
func timed(run func(n int), n int) float64 {
	began := time.Now()
	run(n)
	return float64(time.Since(began)) / float64(n)
}

// calibrate finds how many operations fill one turn.
func calibrate(run func(n int), slice time.Duration) int {
	for n := 1; ; n *= 2 {
		began := time.Now()
		run(n)
		took := time.Since(began)
		if took >= slice/2 || n >= 1<<30 {
			return max(1, int(float64(n)*float64(slice)/float64(max(took, 1))))
		}
	}
}

// allocations counts the allocations of one operation, background work of the
// store included.
func allocations(run func(n int), n int) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run(n)
	runtime.ReadMemStats(&after)
	return math.Round(100*float64(after.Mallocs-before.Mallocs)/float64(n)) / 100
}

func medianRatio(a, b []float64) float64 {
	ratios := make([]float64, min(len(a), len(b)))
	for i := range ratios {
		ratios[i] = a[i] / b[i]
	}
	return summarize(ratios).median
}

// parallel does n operations on some goroutines. Operation i of worker w is
// body(w, i).
func parallel(workers, n int, body func(worker, i int)) {
	if workers == 1 {
		for i := range n {
			body(0, i)
		}
		return
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				body(w, i)
			}
		})
	}
	wg.Wait()
}

// heap returns the bytes of live objects. Two collections, because the first one
// may only run finalizers that set more free.
func heap() float64 {
	// What earlier rows left to finalizers and timers takes a few rounds to go.
	last := uint64(0)
	for range heapRounds {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapAlloc/heapGrain == last/heapGrain && last != 0 {
			break
		}
		last = m.HeapAlloc
		time.Sleep(heapPause)
	}
	return float64(last)
}

const (
	heapRounds = 20
	heapPause  = 20 * time.Millisecond
	heapGrain  = 64 << 10 // bytes that may come and go
)
