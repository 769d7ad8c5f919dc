package wal

import (
	"context"
	"hash/crc32"
	"io"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// ring reads a log through a window, because most records are small.
type ring struct {
	ctx    context.Context // nil: none
	f      io.ReaderAt
	id     ID
	size   int64
	window []byte
	at     int64 // of the window, in the ring
	n      int   // bytes in it
	text   []byte

	fileBytes int64
	segments  bool // records can have segments
}

// windowBytes is how much is read from the file at once.
const windowBytes = 256 << 10

func newRing(f io.ReaderAt, size int64, id ID) (*ring, error) {
	found, ringBytes, format, err := readFormat(f)
	if err != nil {
		return nil, err
	}
	if found != id {
		return nil, kverr.Errorf(kverr.Corrupt, "the log belongs to another store, or to an earlier state of this one; move the right log back, or restore the store from a backup")
	}
	whole := headerBytes + ringBytes
	if hasEnd(f) {
		whole += endBytes
	}
	if size < whole {
		return nil, kverr.Errorf(kverr.Corrupt, "the log was truncated: it has %d bytes of %d; restore the store from a backup", size, whole)
	}
	return &ring{f: f, id: id, size: ringBytes, window: make([]byte, min(windowBytes, ringBytes)), fileBytes: size, segments: format >= segmentFormat}, nil
}

// bytes returns between 1 and n bytes at an LSN: as many as the ring and the window have
// in sequence. They are valid until the next call.
func (r *ring) bytes(at LSN, n int64) ([]byte, error) {
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

// readAt fills b from an LSN on, up to the end of the ring.
func (r *ring) readAt(b []byte, at LSN) (n int, err error) {
	b = b[:min(int64(len(b)), r.size-int64(at)%r.size)]
	for n < len(b) {
		part, err := r.bytes(at+LSN(n), int64(len(b)-n))
		if err != nil {
			return n, err
		}
		n += copy(b[n:], part)
	}
	return n, nil
}

// record reads the head of the record at an LSN and verifies the record. No record
// reaches as far as a whole lap after from, where the replay began.
func (r *ring) record(at, from LSN) (h head, whole bool, err error) {
	var b [recordHead]byte
	if int64(at-from)+recordHead > r.size {
		return h, false, nil
	}
	if _, err := r.readAt(b[:], at); err != nil { // a head never wraps around
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
		at, left = at+LSN(len(b)), left-int64(len(b))
	}
	return h, sum == h.sum, nil
}

// part returns a reader of n bytes from an LSN on.
func (r *ring) part(at LSN, n int64) *ringPart { return &ringPart{r, at, n} }

type ringPart struct {
	r    *ring
	at   LSN
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

// Text reads the next n bytes, at most Len, as a string.
func (p *ringPart) Text(n int64) (string, error) {
	b := p.r.text[:0]
	for n > 0 {
		part, err := p.r.bytes(p.at, n)
		if err != nil {
			return "", err
		}
		p.at += LSN(len(part))
		p.left -= int64(len(part))
		if n -= int64(len(part)); n == 0 && len(b) == 0 {
			return string(part), nil
		}
		b = append(b, part...)
	}
	p.r.text = b
	return string(b), nil
}
