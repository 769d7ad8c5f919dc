package wal

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Replay is Check, and Read of what it found.
func Replay(ctx context.Context, f io.ReaderAt, size int64, id ID, from Pos, fn func(Op) error) (end Pos, err error) {
	end, err = Check(ctx, f, size, id, from, func(Op) error { return nil })
	if err == nil {
		err = Read(ctx, f, size, id, from, end, func(_ Pos, op Op) error { return fn(op) })
	}
	return end, err
}

// Check reads the records of a log in a file of size bytes from a position on, in
// their order, and returns where the last whole one ends. Once all records have been
// checked, it calls valid for each operation, whose key and value are good until the
// next one; its error ends the check. The memory that Check takes is limited by the
// largest key and value.
//
// The error is kverr.Corrupt where something is lost that was durable once.
func Check(ctx context.Context, f io.ReaderAt, size int64, id ID, from Pos, valid func(Op) error) (end Pos, err error) {
	r, err := newRing(f, size, id)
	if err != nil {
		return 0, err
	}
	if from < 0 || from > maxFrom || from%recordAlign != 0 {
		return 0, kverr.Errorf(kverr.Corrupt, "the file names a place in the log where no record can be; restore the store from a backup")
	}
	r.ctx = ctx
	for end = from; ; {
		h, whole, err := r.record(end, from)
		if err != nil {
			return 0, err
		}
		if !whole {
			break
		}
		end = h.end()
	}
	if err := r.checkHole(end); err != nil {
		return 0, err
	}
	return end, r.each(from, end, func(_ Pos, op Op) error { return valid(op) })
}

// Read calls fn for each operation of the records that Check found between from and
// end, with the position of its record.
func Read(ctx context.Context, f io.ReaderAt, size int64, id ID, from, end Pos, fn func(at Pos, op Op) error) error {
	r, err := newRing(f, size, id)
	if err != nil {
		return err
	}
	r.ctx = ctx
	return r.each(from, end, fn)
}

// lookEvery is how many operations are read between two looks at the context.
const lookEvery = 1024

// each calls fn for the operations of the records between two positions.
func (r *ring) each(from, end Pos, fn func(at Pos, op Op) error) error {
	n := 0
	for at := from; at < end; {
		h, whole, err := r.record(at, from)
		if err == nil && !whole {
			err = kverr.Errorf(kverr.Corrupt, "the log was changed by someone else while it was read")
		}
		if err == nil {
			err = decodeOps(r.part(h.at+recordHead, h.length), func(op Op) error {
				if n++; n%lookEvery == 0 && r.ctx.Err() != nil {
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

// ring reads a log, through a window, because most records are small.
type ring struct {
	ctx    context.Context // nil: nothing ends the reading early
	f      io.ReaderAt
	id     ID
	size   int64
	window []byte
	at     int64 // of the window, in the ring
	n      int   // bytes in it
	text   []byte
}

// windowBytes are read at once.
const windowBytes = 256 << 10

func newRing(f io.ReaderAt, size int64, id ID) (*ring, error) {
	found, ringBytes, err := readHeader(f)
	if err != nil {
		return nil, err
	}
	if found != id {
		return nil, kverr.Errorf(kverr.Corrupt, "the log belongs to another store, or to another time of this one")
	}
	whole := headerBytes + ringBytes
	if hasEnd(f) {
		whole += endBytes
	}
	if size < whole {
		return nil, kverr.Errorf(kverr.Corrupt, "the log has been cut short: %d bytes of %d", size, whole)
	}
	return &ring{f: f, id: id, size: ringBytes, window: make([]byte, min(windowBytes, ringBytes))}, nil
}

// bytes returns up to n bytes at a position, and at least one: what is left of the
// ring or of the window. They are good until the next call.
func (r *ring) bytes(at Pos, n int64) ([]byte, error) {
	off := int64(at) % r.size
	if off < r.at || off >= r.at+int64(r.n) {
		if r.ctx != nil && r.ctx.Err() != nil {
			return nil, r.ctx.Err()
		}
		got, err := r.f.ReadAt(r.window[:min(int64(len(r.window)), r.size-off)], headerBytes+off)
		r.at, r.n = off, got
		if got == 0 {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	b := r.window[off-r.at : r.n]
	return b[:min(int64(len(b)), n)], nil
}

// readAt fills b from a position on, but for what is beyond the ring's end.
func (r *ring) readAt(b []byte, at Pos) (n int, err error) {
	b = b[:min(int64(len(b)), r.size-int64(at)%r.size)]
	for n < len(b) {
		part, err := r.bytes(at+Pos(n), int64(len(b)-n))
		if err != nil {
			return n, err
		}
		n += copy(b[n:], part)
	}
	return n, nil
}

// record reads the head of the record at a position and checks the whole of it.
// Nothing reaches over the ring's end to where the replay began.
func (r *ring) record(at, from Pos) (h head, whole bool, err error) {
	var b [recordHead]byte
	if int64(at-from)+recordHead > r.size {
		return h, false, nil
	}
	if _, err := r.readAt(b[:], at); err != nil { // no head reaches over the ring's end
		return h, false, err
	}
	h, ok := parseHead(r.id, b[:])
	if !ok || h.at != at || int64(h.end()-from) > r.size {
		return h, false, nil
	}
	sum := h.start
	for at, left := at+recordHead, h.length; left > 0; {
		b, err := r.bytes(at, left)
		if err != nil {
			return h, false, err
		}
		sum = crc32.Update(sum, castagnoli, b)
		at, left = at+Pos(len(b)), left-int64(len(b))
	}
	return h, sum == h.sum, nil
}

// checkHole looks for a record that was written when the log was durable beyond
// the end that was found.
func (r *ring) checkHole(end Pos) error {
	return r.wholeRecords(func(h head) bool { return h.durable > end && h.at >= end }, func(h head) error {
		return kverr.Errorf(kverr.Corrupt, "the log lacks records between positions %d and %d that were on the disk: it is damaged; restore the store from a backup", end, h.durable)
	})
}

// maxOverlap is how often each byte of a log is looked at in the search for whole
// records, in the mean. In a log that was written as one hardly any is looked at
// twice; in a crafted one each could be a part of all.
const maxOverlap = 8

// wholeRecords visits the records that are of interest and whole, wherever they are.
func (r *ring) wholeRecords(interesting func(head) bool, visit func(head) error) error {
	salt, buf := r.id[:saltBytes], make([]byte, len(r.window))
	left := maxOverlap * r.size
	for off := int64(0); off < r.size; {
		n, err := r.readAt(buf, Pos(off))
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
						return kverr.Errorf(kverr.Corrupt, "the log holds records that overlap, as none that was written here; restore the store from a backup")
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

// errUsed ends a walk.
var errUsed = errors.New("the log has a record")

// Unused reports whether a log has no whole record at all.
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

// part reads n bytes from a position on.
func (r *ring) part(at Pos, n int64) *ringPart { return &ringPart{r, at, n} }

type ringPart struct {
	r    *ring
	at   Pos
	left int64
}

func (p *ringPart) Len() int64 { return p.left }

func (p *ringPart) ReadByte() (byte, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	b, err := p.r.bytes(p.at, 1)
	if err != nil {
		return 0, err
	}
	p.at++
	p.left--
	return b[0], nil
}

// Text reads n bytes, which are there, as a string.
func (p *ringPart) Text(n int64) (string, error) {
	b := p.r.text[:0]
	for n > 0 {
		part, err := p.r.bytes(p.at, n)
		if err != nil {
			return "", err
		}
		p.at += Pos(len(part))
		p.left -= int64(len(part))
		if n -= int64(len(part)); n == 0 && len(b) == 0 {
			return string(part), nil
		}
		b = append(b, part...)
	}
	p.r.text = b
	return string(b), nil
}

// Resume goes on with a log after a crash, behind the records that Replay found.
// What was read need not be on the disk: the process may have died before its
// sync, or the sync failed. So it is written again. The rest of the ring becomes
// zeros, so that no record that was torn from its predecessors ever finds new
// ones. No writer may use the log before.
func Resume(f File, size int64, id ID, from, end Pos, opts Options) (*Log, error) {
	r, err := newRing(f, size, id)
	if err != nil {
		return nil, err
	}
	l := &Log{file: f, id: id, opts: opts, bytes: size, size: r.size, head: from, tail: end}
	buf := make([]byte, 1<<20)
	for at := from; at < end; {
		n, err := r.readAt(buf[:min(int64(len(buf)), int64(end-at))], at)
		if err == nil {
			err = l.write(buf[:n], at)
		}
		if err != nil {
			return nil, err
		}
		at += Pos(n)
	}
	first, last := int64(end)%r.size, int64(from)%r.size
	switch {
	case end-from == Pos(r.size): // full
	case first < last:
		err = fill(f, headerBytes+first, headerBytes+last)
	default:
		err = errors.Join(fill(f, headerBytes+first, headerBytes+r.size), fill(f, headerBytes, headerBytes+last))
	}
	if err == nil && size == headerBytes+r.size { // no end: a log from before there was one
		err = fill(f, size, size+endBytes)
		if err == nil {
			l.bytes += endBytes
		} else if errors.Is(err, kverr.Full) {
			err = nil // then it does without
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, err
	}
	l.durable = end
	return l, nil
}
