//go:build linux && amd64

package robustness

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

const (
	jobsWriter = "jobs"
	jobsAdded  = 24
)

func receiptOf(worker string) string { return worker + "/receipt" }

// readBank returns what workers have, and makes sure that the accounts agree with it.
func readBank(dir string, at time.Time) (map[string]string, error) {
	seen, err := readStore(dir, at)
	if err != nil {
		return nil, err
	}
	var receipts []string
	for key := range seen {
		if strings.HasSuffix(key, receiptOf("")) {
			receipts = append(receipts, key)
		}
	}
	if err := checkBank(seen, receipts...); err != nil {
		return nil, err
	}
	maps.DeleteFunc(seen, func(key, _ string) bool { return strings.HasPrefix(key, "bank/") })
	return seen, nil
}

func init() {
	// Number of workers, transfers of each, all between the same accounts.
	programs["transfers"] = func(dir string, args ...string) {
		s := start(dir, inParts(args[2:]))
		workers := names(number(args[0]))
		s.look(workers...)
		var wait sync.WaitGroup
		for _, worker := range workers {
			wait.Go(func() {
				key, random := receiptOf(worker), kvtest.ProcessRand(worker)
				old, err := readReceipt(s.store, key)
				s.must("receipt", err)
				for range number(args[1]) {
					next := old.next(random)
					c := change{Sets: map[string]string{key: fmt.Sprint(next)}}
					s.must("transfer", s.doBy(worker, c, func() error { return transfer(s.store, key, old, next) }))
					old = next
				}
			})
		}
		wait.Wait()
		s.close()
	}
	programs["add jobs"] = func(dir string, args ...string) {
		s := start(dir)
		w := newWriter(jobsWriter)
		for i := range jobsAdded {
			s.must("add", s.do(w.name, change{Sets: map[string]string{w.keyOf(i): w.value()}}))
		}
		s.close()
	}
	// Number of workers, jobs that each takes. There are always more, and one more caller adds some.
	programs["take jobs"] = func(dir string, args ...string) {
		s := start(dir)
		s.look(jobsWriter)
		var taken sync.Map
		var wait sync.WaitGroup
		for range number(args[0]) {
			wait.Go(func() {
				for range number(args[1]) {
					tell(note{Writer: jobsWriter, Pops: true})
					item, err := s.store.PopFirst(ctx, extlibs.PopOptions{Prefix: jobsWriter + "/"})
					s.must("pop", err)
					if _, twice := taken.LoadOrStore(item.Key, true); twice {
						tell(note{Wrong: item.Key + " was taken twice"})
					}
					tell(note{Writer: jobsWriter, Popped: item.Key})
				}
			})
		}
		last, err := s.store.Keys(ctx, extlibs.ListOptions{Prefix: jobsWriter + "/", Limit: 1, Reverse: true})
		s.must("keys", err)
		w := newWriter(jobsWriter)
		for range 4 {
			last[0] += "+"
			s.must("add", s.do(w.name, change{Sets: map[string]string{last[0]: w.value()}}))
		}
		wait.Wait()
		s.close()
	}
}
