package boltfile

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/scriptling-kv/extlibs/internal/bbpage"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// salvage walks the trees of a commit, and continues after damage.
type salvage struct {
	walk   bbpage.Walk
	meta   bbpage.Meta
	ctx    context.Context
	report func(error)        // called for each fault; can be nil
	only   []byte             // the one bucket whose faults are reported; nil: all
	bucket []byte             // that is being walked
	visit  func(Record) error // can be nil
	stop   error              // of visit

	numbers map[string][]byte // of the bucket meta
	records int64             // whose checksums hold
	bad     int64             // others
}

func (d *Damaged) salvage(ctx context.Context, meta bbpage.Meta, report func(error)) *salvage {
	s := &salvage{meta: meta, ctx: ctx, report: report, numbers: map[string][]byte{}}
	s.walk = bbpage.Walk{
		Source:   d.pages,
		PageSize: uint64(d.metas.PageSize),
		Pages:    uint64(d.size / d.metas.PageSize),
		Set:      bbpage.NewSet(),
		Tick: func() error {
			if err := d.tick(ctx); err != nil {
				return err
			}
			return s.stop
		},
		Fault: s.fault,
	}
	return s
}

// end returns why the walk has to end, or nil.
func (s *salvage) end() error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	return s.stop
}

func (s *salvage) fault(err error) error {
	if end := s.end(); end != nil {
		return end
	}
	if s.report != nil && (s.only == nil || s.bucket == nil || bytes.Equal(s.bucket, s.only)) {
		s.report(err)
	}
	return nil
}

// keys returns how many keys the file says it holds, -1 if it does not.
func (s *salvage) keys() int64 {
	if n := s.numbers[string(metaCount)]; len(n) == 8 && binary.BigEndian.Uint64(n) < 1<<62 {
		return int64(binary.BigEndian.Uint64(n))
	}
	if s.walk.Lost == 0 && s.numbers[string(metaFormat)] != nil && s.numbers[string(metaCount)] == nil {
		return 0 // a store that has never been written to
	}
	return -1
}

// commit walks all that the meta page leads to.
func (s *salvage) commit() error {
	buckets := map[string][]byte{}
	err := s.walk.Buckets(s.meta.Root, func(_ uint64, name, value []byte) error {
		for _, known := range [][]byte{bucketMeta, bucketData, bucketExpiry} {
			if bytes.Equal(name, known) {
				buckets[string(name)] = bytes.Clone(value)
				return nil
			}
		}
		return bbpage.ErrSkip
	})
	for _, b := range []struct {
		name  []byte
		visit bbpage.Visit
	}{{bucketMeta, s.number}, {bucketData, s.record}, {bucketExpiry, s.deadline}} {
		s.bucket = b.name
		switch value := buckets[string(b.name)]; {
		case err != nil:
		case value == nil:
			s.walk.Lost++
			err = s.fault(kverr.Errorf(kverr.Corrupt, "the bucket %s is unreachable", b.name))
		default:
			err = s.walk.Bucket(s.meta.Root, value, b.visit)
		}
	}
	return err
}

func (s *salvage) number(_ uint64, key, value []byte) error {
	if len(s.numbers) < maxNumbers {
		s.numbers[string(key)] = bytes.Clone(value)
	}
	return nil
}

func (s *salvage) deadline(uint64, []byte, []byte) error { return nil }

func (s *salvage) record(page uint64, key, value []byte) error {
	err := s.take(key, value, false)
	if err == errBadRecord {
		s.bad++
		err = kverr.Errorf(kverr.Corrupt, "page %d holds a record whose checksum does not match", page)
	}
	return err
}

func (s *salvage) take(key, rec []byte, stray bool) error {
	deadline, value, err := ParseRecord(key, rec)
	if err != nil {
		return err
	}
	s.records++
	if s.visit != nil {
		s.stop = s.visit(Record{Key: key, Value: value, Deadline: deadline, Stray: stray})
	}
	return s.stop
}

// strays takes the records of the leaves that no tree leads to, and of buckets in them: a
// small store's bucket data is in the leaf that names it.
func (s *salvage) strays() error {
	end := s.walk.Pages
	if s.walk.Free != nil {
		end = s.meta.Pages
	}
	return s.walk.Unclaimed(end, func(_ uint64, key, value []byte) error {
		err := s.take(key, value, true)
		if err == errBadRecord && bytes.Equal(key, bucketData) {
			bbpage.InlineEntries(value, func(key, value []byte) {
				if s.end() == nil && s.take(key, value, true) == nil {
					err = nil
				}
			})
		}
		if s.stop != nil {
			return s.stop
		}
		if err == errBadRecord {
			return bbpage.ErrSkip
		}
		return err
	})
}
