package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs"
)

// Rows of how long a waiting caller takes to return after the write that wakes it.

const (
	waitOf    = "wait"
	popWaitOf = "pop_first, waiting"
	channels  = "go channel each"
	channel   = "one go channel"
	cond      = "one sync.Cond"
	blpopEach = "BLPOP, a list each"
	blpop     = "BLPOP, one list"
	pubsub    = "SUBSCRIBE, a channel each"

	wakeGoal   = 1e6 // ns: 99th percentile in memory
	serverGoal = 5e6 // ns: 99th percentile on a server

	wakesOfRound = 200
	wakePause    = 200 * time.Microsecond // in which the woken caller waits again
	joinPause    = 300 * time.Millisecond // in which all callers begin to wait
)

var (
	wakeWaiters   = []int{1, 100, 1000}
	serverWaiters = []int{1, 100}
)

func wakeRows() []row {
	var rows []row
	for _, n := range wakeWaiters {
		rows = append(rows, row{
			fmt.Sprintf("memory/wake/%d", n), fmt.Sprintf("from a write to the return of the caller that it wakes, one of %d that wait, in memory", n),
			func(s *suite) { memoryWakes(s, n) },
		})
	}
	return rows
}

func redisWakeRows(server string) []row {
	var rows []row
	for _, n := range serverWaiters {
		rows = append(rows, row{
			fmt.Sprintf("redis/wake/%d", n), fmt.Sprintf("from a write of one host to the return of the caller of another that it wakes, one of %d that wait", n),
			func(s *suite) { redisWakes(s, server, n) },
		})
	}
	return rows
}

// wakes is a way to wait, with as many callers as a row has.
type wakes struct {
	name string
	wait func(caller int) error // returns an error after stop
	wake func(caller int)       // wakes this caller, or any if they wait for the same
	next func(caller int)       // prepares the next wait, outside the measured time; can be nil
	stop func()

	began atomic.Int64 // when wake was called, in ns since start
	took  chan float64
}

var start = time.Now()

func (w *wakes) begin(callers int) (end func()) {
	w.took = make(chan float64, 1)
	var running sync.WaitGroup
	for i := range callers {
		running.Go(func() {
			for {
				if w.wait(i) != nil {
					return
				}
				took := float64(int64(time.Since(start)) - w.began.Load())
				if w.next != nil {
					w.next(i)
				}
				w.took <- took
			}
		})
	}
	return func() {
		w.stop()
		running.Wait()
	}
}

func (w *wakes) once(caller int) float64 {
	w.began.Store(int64(time.Since(start)))
	w.wake(caller)
	return <-w.took
}

// wakesOf measures ways alternately. Its lines have the median, the 99th percentile and the
// longest time of all rounds; a ratio is that of the medians of a round.
func (s *suite) wakesOf(callers int, goal float64, baseline string, ways ...*wakes) {
	ways = slices.DeleteFunc(ways, func(w *wakes) bool { return !s.wants(w.name) })
	for _, w := range ways {
		defer w.begin(callers)()
	}
	time.Sleep(joinPause)
	for _, w := range ways {
		w.once(0) // connections and subscriptions are made
	}
	samples, medians := make([][]float64, len(ways)), make([][]float64, len(ways))
	base := slices.IndexFunc(ways, func(w *wakes) bool { return w.name == baseline })
	for round := range s.rounds {
		for turn := range ways {
			i := (turn + round) % len(ways)
			var took []float64
			for n := range min(s.points/32, wakesOfRound) {
				time.Sleep(wakePause)
				took = append(took, ways[i].once((n*7+round)%callers))
			}
			samples[i] = append(samples[i], took...)
			medians[i] = append(medians[i], summarize(took).median)
		}
	}
	percentile := func(i int) float64 {
		slices.Sort(samples[i])
		return samples[i][len(samples[i])*99/100]
	}
	for i, w := range ways {
		st := summarize(samples[i])
		l := line{store: w.name, unit: duration, stat: stat{st.median, percentile(i), st.max}, allocs: -1, note: "median, p99 and longest"}
		if base >= 0 {
			l.ratio = medianRatio(medians[i], medians[base])
			l.note += fmt.Sprintf("; ratio of p99: %s", ratio.format(percentile(i)/percentile(base)))
		}
		s.add(l)
		if w.name == waitOf || w.name == popWaitOf {
			s.atMost(fmt.Sprintf("99th percentile of %s, one of %d callers", w.name, callers), goal, percentile(i), duration)
		}
	}
}

// storeWakes waits with one handle and writes with another, which can be the same.
func storeWakes(reader, writer *extlibs.Handle) []*wakes {
	ctx, stop := context.WithCancel(background)
	var next atomic.Int64
	key := func(i int) string { return "wait:" + strconv.Itoa(i) }
	return []*wakes{{
		name: waitOf, stop: stop,
		wait: func(i int) error {
			_, err := reader.Wait(ctx, key(i))
			return err
		},
		wake: func(i int) { must(writer.Set(background, key(i), 1, 0)) },
		next: func(i int) { must1(reader.Delete(background, key(i))) },
	}, {
		name: popWaitOf, stop: stop,
		wait: func(int) error {
			_, err := reader.PopFirst(ctx, extlibs.PopOptions{Prefix: "job:", Wait: -1})
			return err
		},
		wake: func(int) { must(writer.Set(background, jobKey(next.Add(1)), 1, 0)) },
	}}
}

var errStopped = errors.New("stopped")

func channelEach(callers int) *wakes {
	each := make([]chan struct{}, callers)
	for i := range each {
		each[i] = make(chan struct{}, 1)
	}
	return &wakes{
		name: channels,
		wait: func(i int) error {
			if _, ok := <-each[i]; !ok {
				return errStopped
			}
			return nil
		},
		wake: func(i int) { each[i] <- struct{}{} },
		stop: func() {
			for _, c := range each {
				close(c)
			}
		},
	}
}

func oneChannel() *wakes {
	one := make(chan struct{}, 1)
	return &wakes{
		name: channel,
		wait: func(int) error {
			if _, ok := <-one; !ok {
				return errStopped
			}
			return nil
		},
		wake: func(int) { one <- struct{}{} },
		stop: func() { close(one) },
	}
}

// oneCond is a queue as programs write it: a mutex, a number of jobs and a sync.Cond.
func oneCond() *wakes {
	var mu sync.Mutex
	c := sync.NewCond(&mu)
	jobs, stopped := 0, false
	return &wakes{
		name: cond,
		wait: func(int) error {
			mu.Lock()
			defer mu.Unlock()
			for jobs == 0 && !stopped {
				c.Wait()
			}
			if stopped {
				return errStopped
			}
			jobs--
			return nil
		},
		wake: func(int) {
			mu.Lock()
			jobs++
			mu.Unlock()
			c.Signal()
		},
		stop: func() {
			mu.Lock()
			stopped = true
			mu.Unlock()
			c.Broadcast()
		},
	}
}

func memoryWakes(s *suite, callers int) {
	kv := newKVMemory()
	defer kv.close()
	ways := append(storeWakes(kv.h, kv.h), channelEach(callers), oneChannel(), oneCond())
	s.wakesOf(callers, wakeGoal, channels, ways...)
}

func redisWakes(s *suite, path string, callers int) {
	addr, stop := startRedis(s, path)
	defer stop()
	var hosts [2]*extlibs.Handle
	var plain [2]rueidis.Client
	for i := range hosts {
		r := extlibs.NewRegistry()
		defer r.Close()
		hosts[i] = must1(r.Open(background, "redis://"+addr+"/0/bench"))
		plain[i] = must1(rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true}))
		defer plain[i].Close()
	}
	ways := append(storeWakes(hosts[0], hosts[1]),
		listWakes(blpopEach, plain, func(i int) string { return "list:" + strconv.Itoa(i) }),
		listWakes(blpop, plain, func(int) string { return "list" }),
		channelWakes(plain))
	s.wakesOf(callers, serverGoal, blpopEach, ways...)
}

func listWakes(name string, plain [2]rueidis.Client, list func(caller int) string) *wakes {
	ctx, stop := context.WithCancel(background)
	return &wakes{
		name: name, stop: stop,
		wait: func(i int) error {
			return plain[0].Do(ctx, plain[0].B().Blpop().Key(list(i)).Timeout(0).Build()).Error()
		},
		wake: func(i int) {
			must(plain[1].Do(background, plain[1].B().Rpush().Key(list(i)).Element("job").Build()).Error())
		},
	}
}

// channelWakes stay subscribed, as programs do.
func channelWakes(plain [2]rueidis.Client) *wakes {
	ctx, stop := context.WithCancel(background)
	var subscribed sync.Map // caller: chan struct{}
	name := func(i int) string { return "channel:" + strconv.Itoa(i) }
	return &wakes{
		name: pubsub, stop: stop,
		wait: func(i int) error {
			heard, again := subscribed.LoadOrStore(i, make(chan struct{}, 1))
			if !again {
				go plain[0].Receive(ctx, plain[0].B().Subscribe().Channel(name(i)).Build(), func(rueidis.PubSubMessage) {
					heard.(chan struct{}) <- struct{}{}
				})
			}
			select {
			case <-heard.(chan struct{}):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		wake: func(i int) {
			must(plain[1].Do(background, plain[1].B().Publish().Channel(name(i)).Message("").Build()).Error())
		},
	}
}
