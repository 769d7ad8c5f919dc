package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs"
)

const (
	formatVersion = "1"

	pageKeys  = 1000    // most entries of a page
	pageBytes = 1 << 20 // bytes of payloads after which a page ends
	sweepKeys = 500     // expired keys removed in one script
)

// store is a store on a server.
type store struct {
	server  *server
	keys    []string // v, i, d, m
	maxKeys int
	logger  *slog.Logger

	maxOperationBytes int

	closed  atomic.Bool
	expired atomic.Int64

	sweepEvery time.Duration
	end        context.CancelFunc // of the sweeper
	running    sync.WaitGroup
}

func newStore(s *server, name string, c extlibs.OpenConfig) *store {
	slot := "{" + name + "}:"
	st := &store{
		server: s, keys: []string{slot + "v", slot + "i", slot + "d", slot + "m"},
		maxKeys: max(c.MaxKeys, 0), logger: c.Logger, sweepEvery: max(c.SweepInterval, time.Millisecond),
		maxOperationBytes: max(c.MaxOperationBytes, 1),
	}
	return st
}

// open checks the format and starts the sweeper.
func (s *store) open(ctx context.Context) error {
	reply, err := s.exec(ctx, writes, scriptOpen, formatVersion)
	if err != nil {
		return err
	}
	format, err := reply.ToString()
	if err != nil {
		return damaged()
	}
	if format != formatVersion {
		return fmt.Errorf("%w: the store has format %.20q, this version of the library reads %s; update the library", extlibs.ErrFormat, format, formatVersion)
	}
	sweeping, end := context.WithCancel(context.Background())
	s.end = end
	s.running.Go(func() { s.sweep(sweeping) })
	return nil
}

// access is what a script does, which decides what a failure leaves behind.
type access bool

const (
	reads  access = false
	writes access = true
)

// exec runs a script.
func (s *store) exec(ctx context.Context, a access, sc script, args ...string) (rueidis.RedisMessage, error) {
	return s.do(ctx, a, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return sc.lua.Exec(ctx, c, s.keys[:sc.keys], args)
	})
}

// do sends a request, and gives its failure a kind.
func (s *store) do(ctx context.Context, a access, request func(context.Context, rueidis.Client) rueidis.RedisResult) (rueidis.RedisMessage, error) {
	if s.closed.Load() {
		return rueidis.RedisMessage{}, extlibs.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return rueidis.RedisMessage{}, fmt.Errorf("not done: %w", err)
	}
	result, err := s.server.do(ctx, request)
	if err == nil {
		var m rueidis.RedisMessage
		if m, err = result.ToMessage(); err == nil {
			return m, nil
		}
	}
	if rueidis.IsRedisNil(err) {
		return rueidis.RedisMessage{}, err
	}
	return rueidis.RedisMessage{}, s.server.failure(a, err)
}

// micros is a ttl as the scripts take it, rounded up.
func micros(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Microsecond-1)/time.Microsecond), 10)
}

// Load implements extlibs.Store. A value without expiry takes one plain command.
func (s *store) Load(ctx context.Context, key string, need extlibs.Need) (extlibs.Entry, error) {
	m, err := s.do(ctx, reads, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hget().Key(s.keys[0]).Field(key).Build())
	})
	if rueidis.IsRedisNil(err) {
		return extlibs.Entry{}, extlibs.ErrNotFound
	}
	if err != nil {
		return extlibs.Entry{}, err
	}
	p, err := m.ToString()
	if err != nil {
		return extlibs.Entry{}, damaged()
	}
	if !isMortal(p) {
		v, err := value(p)
		return extlibs.Entry{Key: key, Value: v}, err
	}
	entries, err := s.LoadMany(ctx, []string{key}, need)
	if err == nil && len(entries) == 0 {
		err = extlibs.ErrNotFound
	}
	if err != nil {
		return extlibs.Entry{}, err
	}
	return entries[0], nil
}

// LoadMany implements extlibs.Store. The server ends what would be too large before
// it is sent.
func (s *store) LoadMany(ctx context.Context, keys []string, need extlibs.Need) ([]extlibs.Entry, error) {
	entries := make([]extlibs.Entry, 0, len(keys))
	if len(keys) == 0 {
		return entries, nil
	}
	most := 0
	if need&extlibs.NeedValue != 0 {
		most = s.maxOperationBytes
	}
	m, err := s.exec(ctx, reads, scriptLoad, append([]string{strconv.Itoa(most)}, keys...)...)
	if err != nil {
		return nil, err
	}
	list, err := m.ToArray()
	if err != nil || len(list) == 0 {
		return nil, damaged()
	}
	now, err := list[0].AsInt64()
	if err != nil {
		return nil, damaged()
	}
	for i, key := range keys {
		if i+1 >= len(list) || list[i+1].IsNil() {
			continue
		}
		p, err := list[i+1].ToString()
		if err != nil {
			return nil, damaged()
		}
		e, live, err := entry(key, p, now)
		if err != nil {
			return nil, err
		}
		if most == 0 {
			e.Value = extlibs.Value{} // what the server sent in its place
		}
		if live {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// entry makes an entry of a payload, as it was at a time of the server's clock.
func entry(key, p string, now int64) (e extlibs.Entry, live bool, err error) {
	e.Key = strings.Clone(key)
	if isMortal(p) {
		deadline, rest, found := strings.Cut(p[1:], string(markMortal))
		at, err := strconv.ParseInt(deadline, 10, 64)
		if !found || err != nil {
			return e, false, damaged()
		}
		if at <= now {
			return e, false, nil
		}
		e.TTL, p = time.Duration(at-now)*time.Microsecond, rest
	}
	e.Value, err = value(p)
	return e, true, err
}

// Apply implements extlibs.Store. The hot operations have scripts of their own.
func (s *store) Apply(ctx context.Context, op extlibs.Op) (extlibs.Result, error) {
	if s.maxKeys == 0 && !op.NeedOld {
		switch {
		case op.Kind == extlibs.OpSet && op.TTL == 0:
			_, err := s.exec(ctx, writes, scriptSet, op.Key, payload(op.Value))
			return extlibs.Result{Applied: true, New: op.Value}, err
		case op.Kind == extlibs.OpSet:
			_, err := s.exec(ctx, writes, scriptSetTTL, op.Key, payload(op.Value), micros(op.TTL))
			return extlibs.Result{Applied: true, New: op.Value}, err
		case (op.Kind == extlibs.OpIncr || op.Kind == extlibs.OpIncrInt) && op.TTL == 0 && isInt(payload(op.Value)):
			m, err := s.exec(ctx, writes, scriptIncr, op.Key, payload(op.Value))
			if err == nil {
				return sum(m)
			}
			if !rueidis.IsRedisNil(err) {
				return extlibs.Result{}, err
			}
		}
	}
	results, err := s.ApplyMany(ctx, []extlibs.Op{op})
	if err != nil {
		return extlibs.Result{}, err
	}
	return results[0], nil
}

// isNumber also knows a NaN of other bits, which is CBOR.
func isNumber(p string) bool {
	return isInt(p) || p != "" && (p[0] == markFloat || p[0] == cborFloat64)
}

func isInt(p string) bool { return p != "" && (p[0] == '-' || p[0] >= '0' && p[0] <= '9') }

// sum is the result of scriptIncr.
func sum(m rueidis.RedisMessage) (extlibs.Result, error) {
	n, err := m.AsInt64()
	if err != nil {
		return extlibs.Result{}, damaged()
	}
	v, err := extlibs.Encode(n)
	return extlibs.Result{Applied: true, New: v}, err
}

// setMany carries out a batch that only sets, all with one ttl. It reports false,
// and has done nothing, where the batch does anything else.
func (s *store) setMany(ctx context.Context, ops []extlibs.Op) (results []extlibs.Result, only bool, err error) {
	if s.maxKeys != 0 {
		return nil, false, nil
	}
	for i := range ops {
		if ops[i].Kind != extlibs.OpSet || ops[i].NeedOld || ops[i].TTL != ops[0].TTL {
			return nil, false, nil
		}
	}
	results = make([]extlibs.Result, len(ops))
	byKey := make([]*extlibs.Op, len(ops)) // in whose order the server finds its places faster
	for i := range ops {
		byKey[i] = &ops[i]
		results[i] = extlibs.Result{Applied: true, New: ops[i].Value}
	}
	slices.SortStableFunc(byKey, func(a, b *extlibs.Op) int { return strings.Compare(a.Key, b.Key) })
	args := make([]string, 1, 1+2*len(ops))
	args[0] = micros(ops[0].TTL)
	for _, op := range byKey {
		args = append(args, op.Key, payload(op.Value))
	}
	if _, err := s.exec(ctx, writes, scriptSetMany, args...); err != nil {
		return nil, true, err
	}
	return results, true, nil
}

// ApplyMany implements extlibs.Store.
func (s *store) ApplyMany(ctx context.Context, ops []extlibs.Op) ([]extlibs.Result, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	if results, only, err := s.setMany(ctx, ops); only {
		return results, err
	}
	results := make([]extlibs.Result, len(ops))
	args := make([]string, 1, 1+6*len(ops))
	args[0] = strconv.Itoa(s.maxKeys)
	for i := range ops {
		op := &ops[i]
		if op.Kind < extlibs.OpSet || op.Kind > extlibs.OpIncrInt {
			return nil, fmt.Errorf("%w: unknown operation %d", extlibs.ErrInvalid, op.Kind)
		}
		p := payload(op.Value)
		if (op.Kind == extlibs.OpIncr || op.Kind == extlibs.OpIncrInt) && !isNumber(p) {
			return nil, errNoNumber
		}
		old := "0"
		if op.NeedOld {
			old = "1"
		}
		args = append(args, strconv.Itoa(int(op.Kind)), op.Key, p, payload(op.Old), micros(op.TTL), old)
	}
	m, err := s.exec(ctx, writes, scriptApply, args...)
	if err != nil {
		return nil, err
	}
	list, err := m.ToArray()
	if err != nil || len(list) != 3*len(ops) {
		return nil, damaged()
	}
	for i := range ops {
		if results[i], err = result(list[3*i : 3*i+3]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func result(m []rueidis.RedisMessage) (r extlibs.Result, err error) {
	applied, err := m[0].ToInt64()
	if err != nil {
		return r, damaged()
	}
	r.Applied = applied == 1
	if r.Old, err = optional(m[1]); err == nil {
		r.New, err = optional(m[2])
	}
	return r, err
}

func optional(m rueidis.RedisMessage) (extlibs.Value, error) {
	p, err := m.ToString()
	if err != nil {
		return extlibs.Value{}, damaged()
	}
	if p == "" {
		return extlibs.Value{}, nil
	}
	return value(p)
}

// Scan implements extlibs.Store.
func (s *store) Scan(ctx context.Context, r extlibs.Range) (page extlibs.Page, err error) {
	lower := "[" + r.Prefix
	if r.After >= r.Prefix && r.After != "" {
		lower = "(" + r.After
	}
	n := pageKeys
	if r.Limit > 0 && r.Match == nil {
		n = min(n, r.Limit)
	}
	payloads := "1"
	if r.Need == 0 {
		payloads = "0"
	}
	m, err := s.exec(ctx, reads, scriptScan, lower, behind(r.Prefix), strconv.Itoa(n), strconv.Itoa(pageBytes), payloads)
	if err != nil {
		return page, err
	}
	list, err := m.ToArray()
	if err != nil || len(list) < 4 || len(list)%2 != 0 {
		return page, damaged()
	}
	epoch, err1 := list[0].AsInt64()
	more, err2 := list[1].ToInt64()
	next, err3 := list[2].ToString()
	now, err4 := list[3].AsInt64()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return page, damaged()
	}
	page.Epoch, page.More = uint64(epoch), more == 1
	if page.More {
		page.Next = next
		if next <= r.After {
			return page, damaged()
		}
	}
	before := r.After
	for i := 4; i < len(list); i += 2 {
		key, err1 := list[i].ToString()
		p, err2 := list[i+1].ToString()
		if errors.Join(err1, err2) != nil {
			return page, damaged()
		}
		if key <= before || !strings.HasPrefix(key, r.Prefix) || len(key) > extlibs.MaxKeyBytes || !utf8.ValidString(key) {
			return page, damaged()
		}
		before = key
		if r.Match != nil {
			if ctx.Err() != nil {
				return extlibs.Page{}, ctx.Err()
			}
			if r.Limit > 0 && len(page.Entries) == r.Limit {
				page.More, page.Next = true, page.Entries[r.Limit-1].Key
				break
			}
			if !r.Match(key) {
				continue
			}
		}
		e, live := extlibs.Entry{Key: key}, true
		if r.Need != 0 {
			if e, live, err = entry(key, p, now); err != nil {
				return page, err
			}
		}
		if live {
			page.Entries = append(page.Entries, e)
		}
	}
	return page, nil
}

// behind is the upper bound of the keys with a prefix.
func behind(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return "(" + string(b[:i+1])
		}
	}
	return "+"
}

// Len implements extlibs.Store.
func (s *store) Len(ctx context.Context) (int, error) {
	m, err := s.exec(ctx, reads, scriptLen)
	if err != nil {
		return 0, err
	}
	n, err := m.ToInt64()
	if err != nil {
		return 0, damaged()
	}
	return int(n), nil
}

// Clear implements extlibs.Store.
func (s *store) Clear(ctx context.Context) error {
	_, err := s.exec(ctx, writes, scriptClear, formatVersion)
	return err
}

// Close implements extlibs.Store.
func (s *store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if s.end != nil {
		s.end()
	}
	s.running.Wait()
	s.server.release()
	return nil
}

// Stats implements extlibs.StatsReporter. What other hosts removed is not in it; -1 is unknown.
func (s *store) Stats(context.Context) (extlibs.Stats, error) {
	return extlibs.Stats{Expired: s.expired.Load(), Bytes: -1, Commits: -1, Buffered: -1}, nil
}

// sweep removes expired keys until ctx ends. Several clients of a store do so; the
// jitter keeps them apart.
func (s *store) sweep(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("kv: a bug stopped the removal of expired keys; open the store again, and report the bug", "server", s.server.name, "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
		}
	}()
	wait := s.sweepEvery
	for {
		timer := time.NewTimer(wait + rand.N(wait/2+1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		removed, err := s.sweepStep(ctx)
		s.expired.Add(removed)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.logger.Warn("kv: expired keys were not removed", "server", s.server.name, "error", err)
			wait = max(s.sweepEvery, sweepAfterError)
		case removed == sweepKeys:
			wait = time.Millisecond
		default:
			wait = s.sweepEvery
		}
	}
}

const sweepAfterError = 5 * time.Second

func (s *store) sweepStep(ctx context.Context) (removed int64, err error) {
	m, err := s.exec(ctx, writes, scriptSweep, strconv.Itoa(sweepKeys))
	if err != nil {
		return 0, err
	}
	list, err := m.ToArray()
	if err != nil || len(list) != 2 {
		return 0, damaged()
	}
	return list[0].ToInt64()
}
