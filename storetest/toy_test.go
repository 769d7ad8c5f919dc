package storetest_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// toy is a backend as a third party might begin it: a map, a mutex and Op.Next.
// Its faults are for the suite to find.
type toy struct {
	mu     sync.Mutex
	now    func() time.Time // nil: time.Now
	keys   map[string]toyEntry
	epoch  uint64
	closed bool
	fault  string
	watch  func(key string, live bool) // nil: no watch
	told   []func()                    // reports for when the lock is free
	at     time.Time                   // of the call that has the lock
}

type toyEntry struct {
	value extlibs.Value
	end   time.Time // zero: no expiry
}

func newToy(now func() time.Time, fault string) *toy {
	return &toy{now: now, keys: map[string]toyEntry{}, fault: fault}
}

func (s *toy) time() time.Time {
	if s.now == nil {
		return time.Now()
	}
	return s.now()
}

// lock returns the unlocking, and ErrClosed where there is nothing to lock.
func (s *toy) lock() (unlock func(), err error) {
	s.mu.Lock()
	if s.closed && s.fault != "closed store answers" {
		s.mu.Unlock()
		return nil, extlibs.ErrClosed
	}
	s.at = s.time() // one time for all that the call looks at
	return s.unlock, nil
}

// unlock also reports what the call changed: afterwards, when others can read it.
func (s *toy) unlock() {
	told := s.told
	s.told = nil
	if s.fault == "watch reports too early" {
		told = nil
	}
	s.mu.Unlock()
	for _, tell := range told {
		tell()
	}
}

// tell has the change of a key reported once the lock is free.
func (s *toy) tell(key string, live bool) {
	watch := s.watch
	switch {
	case watch == nil, s.fault == "watch misses removals" && !live && key != "", s.fault == "watch misses a clear" && key == "":
		return
	case s.fault == "watch reports too early":
		s.mu.Unlock()
		watch(key, live)
		time.Sleep(time.Microsecond)
		s.mu.Lock()
		return
	}
	s.told = append(s.told, func() { watch(key, live) })
}

// Watch implements extlibs.Watcher. It looks for expired keys now and then.
func (s *toy) Watch(_ context.Context, changed func(key string, live bool)) (stop func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = changed
	ended := make(chan struct{})
	if s.fault != "watch misses expiry" {
		go s.sweep(ended)
	}
	return sync.OnceFunc(func() {
		close(ended)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.fault != "watch continues after stop" {
			s.watch = nil
		}
	}), nil
}

func (s *toy) sweep(ended chan struct{}) {
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-ended:
			tick.Stop()
			return
		case <-tick.C:
		}
		unlock, err := s.lock()
		if err != nil {
			return
		}
		for key := range s.keys {
			if _, live := s.find(key); !live {
				delete(s.keys, key)
				s.tell(key, false)
			}
		}
		unlock()
	}
}

func (s *toy) find(key string) (extlibs.Entry, bool) {
	e, ok := s.keys[key]
	if !ok {
		return extlibs.Entry{}, false
	}
	left := time.Duration(0)
	if !e.end.IsZero() {
		if left = e.end.Sub(s.at); left < 0 || left == 0 && s.fault != "lives one moment too long" {
			return extlibs.Entry{}, false
		}
		if left == 0 {
			left = 1
		}
	}
	return extlibs.Entry{Key: key, Value: e.value, TTL: left}, true
}

func (s *toy) Load(_ context.Context, key string, _ extlibs.Need) (extlibs.Entry, error) {
	unlock, err := s.lock()
	if err != nil {
		return extlibs.Entry{}, err
	}
	defer unlock()
	e, ok := s.find(key)
	if !ok {
		return e, extlibs.ErrNotFound
	}
	if s.fault == "load loses the ttl" {
		e.TTL = 0
	}
	return e, nil
}

func (s *toy) LoadMany(_ context.Context, keys []string, _ extlibs.Need) ([]extlibs.Entry, error) {
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	var entries []extlibs.Entry
	for _, key := range keys {
		if e, ok := s.find(key); ok {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

func (s *toy) Apply(_ context.Context, op extlibs.Op) (extlibs.Result, error) {
	unlock, err := s.lock()
	if err != nil {
		return extlibs.Result{}, err
	}
	defer unlock()
	if s.fault == "apply lets others in" {
		e, _ := s.find(op.Key)
		s.mu.Unlock()
		time.Sleep(time.Microsecond)
		s.mu.Lock()
		return s.store(op, e.Value)
	}
	return s.do(op)
}

func (s *toy) do(op extlibs.Op) (extlibs.Result, error) {
	e, _ := s.find(op.Key)
	return s.store(op, e.Value)
}

func (s *toy) store(op extlibs.Op, old extlibs.Value) (extlibs.Result, error) {
	if s.fault == "check of an absent key holds" && op.Kind == extlibs.OpCheck && old.IsZero() {
		return extlibs.Result{Applied: true}, nil
	}
	r, outcome, err := op.Next(old)
	if err != nil {
		return r, err
	}
	if s.fault == "ignores conditions" && op.Kind == extlibs.OpSwap {
		r, outcome = extlibs.Result{Applied: true, Old: old, New: op.Value}, extlibs.OutcomePutKeepTTL
	}
	if s.fault == "delete-if ignores the value" && op.Kind == extlibs.OpDeleteIf && !old.IsZero() {
		r.Applied, outcome = true, extlibs.OutcomeRemove
	}
	if s.fault == "swap with a ttl keeps the old one" && op.Kind == extlibs.OpSwapTTL && outcome == extlibs.OutcomePut {
		outcome = extlibs.OutcomePutKeepTTL
	}
	if s.fault == "old value for nothing" {
		r.Old = old
	}
	if s.fault == "swap drops the ttl" && op.Kind == extlibs.OpSwap && outcome == extlibs.OutcomePutKeepTTL {
		outcome = extlibs.OutcomePut
	}
	if s.fault == "incr takes its ttl each time" && op.Kind == extlibs.OpIncr {
		outcome = extlibs.OutcomePut
	}
	if s.fault == "loses the old value" {
		r.Old = extlibs.Value{}
	}
	if outcome != extlibs.OutcomeKeep {
		s.tell(op.Key, outcome != extlibs.OutcomeRemove)
	}
	switch outcome {
	case extlibs.OutcomeRemove:
		delete(s.keys, op.Key)
	case extlibs.OutcomePutKeepTTL:
		if !old.IsZero() {
			s.keys[op.Key] = toyEntry{r.New, s.keys[op.Key].end}
			break
		}
		fallthrough
	case extlibs.OutcomePut, extlibs.OutcomeTouch:
		e := toyEntry{value: r.New}
		if outcome == extlibs.OutcomeTouch {
			e.value = old
		}
		if op.TTL != 0 {
			e.end = s.at.Add(op.TTL)
		} else if s.fault == "set keeps the ttl" {
			e.end = s.keys[op.Key].end
		}
		s.keys[op.Key] = e
	}
	return r, nil
}

func (s *toy) ApplyMany(_ context.Context, ops []extlibs.Op) ([]extlibs.Result, error) {
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	before := maps.Clone(s.keys)
	results := make([]extlibs.Result, len(ops))
	if s.fault == "watch misses batches" {
		defer func() { s.told = nil }()
	}
	for i, op := range ops {
		if s.fault == "batch lets others in" {
			s.mu.Unlock()
			time.Sleep(time.Microsecond)
			s.mu.Lock()
		}
		if s.fault == "batch does what it can" && op.Must {
			op.Must = false
		}
		if results[i], err = s.do(op); err != nil {
			if s.fault != "batch is not undone" {
				s.keys = before
			}
			s.told = nil
			return nil, err
		}
	}
	return results, nil
}

const toyPage = 1000

func (s *toy) Scan(_ context.Context, r extlibs.Range) (extlibs.Page, error) {
	unlock, err := s.lock()
	if err != nil {
		return extlibs.Page{}, err
	}
	defer unlock()
	page := extlibs.Page{Epoch: s.epoch}
	keys := slices.Sorted(maps.Keys(s.keys))
	if s.fault == "scan is in another order" {
		slices.SortFunc(keys, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	}
	if r.Reverse && s.fault != "reverse is ignored" {
		slices.Reverse(keys)
	}
	from, to := r.Bounds()
	if s.fault == "after is included" {
		from = max(r.Prefix, r.After)
	}
	looked := 0
	for _, key := range keys {
		if key < from || to != "" && key >= to && (s.fault != "before is ignored" || r.Before == "") {
			continue
		}
		if looked == toyPage || r.Limit > 0 && len(page.Entries) == r.Limit && s.fault != "goes beyond the limit" {
			page.More = s.fault != "pages end early"
			break
		}
		looked++
		page.Next = key
		e, ok := s.find(key)
		if s.fault == "scan shows expired keys" && !ok {
			e, ok = extlibs.Entry{Key: key, Value: s.keys[key].value, TTL: 1}, true
		}
		if ok && (r.Match == nil || r.Match(key) || s.fault == "match is ignored") {
			page.Entries = append(page.Entries, e)
		}
	}
	return page, nil
}

// PopFirst implements extlibs.FirstPopper.
func (s *toy) PopFirst(_ context.Context, r extlibs.Range, maxBytes int) (extlibs.Entry, bool, error) {
	unlock, err := s.lock()
	if err != nil {
		return extlibs.Entry{}, false, err
	}
	defer unlock()
	from, to := r.Bounds()
	keys := slices.Sorted(maps.Keys(s.keys))
	if r.Reverse && s.fault != "pops in ascending order" {
		slices.Reverse(keys)
	}
	for _, key := range keys {
		e, live := s.find(key)
		if key < from || to != "" && key >= to || !live && s.fault != "pops expired keys" {
			continue
		}
		if s.fault == "pop lets others in" {
			s.mu.Unlock()
			time.Sleep(time.Microsecond)
			s.mu.Lock()
		}
		if e.Value.Len() > maxBytes && s.fault != "pops large values" {
			return extlibs.Entry{}, false, nil
		}
		delete(s.keys, key)
		return e, true, nil
	}
	return extlibs.Entry{}, false, extlibs.ErrNotFound
}

func (s *toy) Len(context.Context) (int, error) {
	unlock, err := s.lock()
	if err != nil {
		return 0, err
	}
	defer unlock()
	n := 0
	for key := range s.keys {
		if _, ok := s.find(key); ok || s.fault == "len counts expired keys" {
			n++
		}
	}
	return n, nil
}

func (s *toy) Clear(context.Context) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if s.fault != "clear keeps the epoch" {
		s.epoch++
	}
	s.tell("", false)
	if s.fault == "clear lets others in" {
		for key := range maps.Clone(s.keys) {
			delete(s.keys, key)
			s.mu.Unlock()
			time.Sleep(time.Microsecond)
			s.mu.Lock()
		}
		return nil
	}
	clear(s.keys)
	return nil
}

func (s *toy) Close() error {
	unlock, err := s.lock()
	if err != nil {
		if s.fault == "closing twice is an error" {
			return err
		}
		return nil
	}
	defer unlock()
	s.closed = true
	return nil
}
