package wal

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Replay checks a log and reads the records that Check found.
func Replay(ctx context.Context, f io.ReaderAt, size int64, id ID, from LSN, fn func(Op) error) (end LSN, err error) {
	end, err = Check(ctx, f, size, id, from, func(Op) error { return nil })
	if err == nil {
		err = Read(ctx, f, size, id, from, end, func(_ LSN, op Op) error { return fn(op) })
	}
	return end, err
}

// Check reads the records of a log in a file of size bytes, in order from an LSN on, and
// returns the LSN at which the last valid one ends. After it has checked all records, it
// calls valid for each operation; an error of valid ends the check. Key and value of the
// operation are only good during the call. Check needs memory for the largest key and
// value only.
//
// The error is kverr.Corrupt if records that were durable are missing.
func Check(ctx context.Context, f io.ReaderAt, size int64, id ID, from LSN, valid func(Op) error) (end LSN, err error) {
	r, err := newRing(f, size, id)
	if err != nil {
		return 0, err
	}
	if from < 0 || from > maxFrom || from%recordAlign != 0 {
		return 0, kverr.Errorf(kverr.Corrupt, "the file's log position is not a record boundary; restore the store from a backup")
	}
	r.ctx = ctx
	left := int64(MaxSegmentBytes) // a crafted log could name one segment in each record
	for end = from; ; {
		h, whole, err := r.record(end, from)
		if err != nil {
			return 0, err
		}
		if !whole {
			break
		}
		s, err := r.segmentOf(h)
		if err == nil && s != nil {
			if left -= s.length; left < 0 {
				err = errOps
			} else {
				err = r.verify(s)
			}
		}
		if err != nil {
			return 0, err
		}
		end = h.end()
	}
	if err := r.checkHole(end); err != nil {
		return 0, err
	}
	return end, r.each(from, end, func(_ LSN, op Op) error { return valid(op) })
}

// Read calls fn for each operation of the records that Check found between from and
// end, with the LSN of its record.
func Read(ctx context.Context, f io.ReaderAt, size int64, id ID, from, end LSN, fn func(at LSN, op Op) error) error {
	r, err := newRing(f, size, id)
	if err != nil {
		return err
	}
	r.ctx = ctx
	return r.each(from, end, fn)
}

// checkContextEvery is the number of operations between two checks of the context.
const checkContextEvery = 1024

// each calls fn for the operations of the records between two LSNs.
func (r *ring) each(from, end LSN, fn func(at LSN, op Op) error) error {
	n := 0
	for at := from; at < end; {
		h, whole, err := r.record(at, from)
		if err == nil && !whole {
			err = kverr.Errorf(kverr.Corrupt, "another program changed the log while it was read; open the store again")
		}
		var ops payload
		if err == nil {
			ops, err = r.payload(h)
		}
		if err == nil {
			err = decodeOps(ops, func(op Op) error {
				if n++; n%checkContextEvery == 0 && r.ctx.Err() != nil {
					return r.ctx.Err()
				}
				return fn(at, op)
			})
		}
		if err != nil {
			return err
		}
		at = h.end()
	}
	return nil
}

// payload returns what has the operations of a record.
func (r *ring) payload(h head) (payload, error) {
	s, err := r.segmentOf(h)
	if err != nil || s == nil {
		return r.part(h.at+recordHead, h.length), err
	}
	return newSegmentPart(r, s), r.verify(s)
}

// checkHole looks for a record that says that the log was durable beyond end, the end of
// the sequence of valid records.
func (r *ring) checkHole(end LSN) error {
	return r.wholeRecords(func(h head) bool { return h.durable > end && h.at >= end }, func(h head) error {
		return kverr.Errorf(kverr.Corrupt, "the log is damaged: records between positions %d and %d, which were on the disk, are missing; restore the store from a backup", end, h.durable)
	})
}

// maxOverlap limits how often wholeRecords reads each byte of a log, on average. Records
// of our logs hardly overlap; in a crafted log each byte could belong to all of them.
const maxOverlap = 8

// wholeRecords visits the valid records anywhere in the ring that are interesting.
func (r *ring) wholeRecords(interesting func(head) bool, visit func(head) error) error {
	salt, buf := r.id[:saltBytes], make([]byte, len(r.window))
	left := maxOverlap * r.size
	for off := int64(0); off < r.size; {
		n, err := r.readAt(buf, LSN(off))
		if err != nil {
			return err
		}
		for i := 0; ; {
			next := bytes.Index(buf[i:n], salt)
			if next < 0 {
				break
			}
			i += next
			if i%recordAlign == 0 && i+recordHead <= n {
				h, ok := parseHead(r.id, buf[i:n])
				if ok && interesting(h) && int64(h.at)%r.size == off+int64(i) && h.length <= r.size {
					if left -= h.length; left < 0 {
						return kverr.Errorf(kverr.Corrupt, "the log has overlapping records, which no store writes; restore the store from a backup")
					}
					if _, whole, err := r.record(h.at, h.at); err != nil {
						return err
					} else if whole {
						if err := visit(h); err != nil {
							return err
						}
					}
				}
			}
			i++
		}
		off += int64(n)
	}
	return nil
}

// errUsed stops Unused at the first record.
var errUsed = errors.New("the log has a record")

// Unused reports whether a log has no valid record.
func Unused(f io.ReaderAt, size int64, id ID) (bool, error) {
	r, err := newRing(f, size, id)
	if err == nil {
		err = r.wholeRecords(func(head) bool { return true }, func(head) error { return errUsed })
	}
	if err == errUsed {
		return false, nil
	}
	return err == nil, err
}
