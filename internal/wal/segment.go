package wal

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// A segment holds the operations of a record that is too large for the ring. It follows the ring
// in the file of the log, so it has the name, the lock and the owner of the log, and no copy of the
// log lacks it. It is written and synced first. Then a small record names it: its place, its
// length and its checksum. Other records are appended and synced meanwhile, and each of their
// syncs finds at most segmentChunk bytes of the segment that are not on the disk yet.
//
// The space of segments is used from its beginning again, and removed from the file, once the
// records of all segments were released.

// MaxSegmentBytes limits the space that all segments of a log take together, and so the time
// of a replay.
const MaxSegmentBytes = 128 << 20

const (
	segmentFormat = 2 // the first format of logs with segments
	segmentChunk  = 1 << 20
	segmentAlign  = headerBytes
	segmentFields = 8 + 8 + crcBytes // place in the file, length, checksum
)

// ErrNoSegment is the error of NewSegment for a log that cannot have it: it is too large, or the
// log has an earlier format.
var ErrNoSegment = errors.New("the log cannot have the segment")

// area is the space of segments. Log.mu guards it.
type area struct {
	refused bool       // the log has an earlier format, which knows no segments
	next    int64      // place in the file of the next segment
	live    []*segment // that records name which were not released, or that are being written
}

// segment is a part of the file.
type segment struct {
	from, length int64
	sum          uint32
	end          LSN // of the record that names it; 0: none does yet
}

func (s *segment) to() int64 { return s.from + s.length }

// areaAt is where the segments of a log begin whose ring has some size.
func areaAt(ringBytes int64) int64 { return alignSegment(headerBytes + ringBytes + endBytes) }

func alignSegment(n int64) int64 { return (n + segmentAlign - 1) / segmentAlign * segmentAlign }

// SegmentWriter writes a segment. One goroutine uses it.
type SegmentWriter struct {
	l     *Log
	seg   *segment // its length grows as it is written
	most  int64
	batch Batch // operations that were not written yet
}

// NewSegment begins a segment of at most some bytes, and allocates them. The error is ErrNoSegment
// if the log cannot have it at all or its blocks cannot be allocated, ErrNoRoom until segments were released, and kverr.Full if the
// disk is full. The caller ends the segment with Drop, unless a record that names it was appended.
func (l *Log) NewSegment(most int64) (*SegmentWriter, error) {
	w, err := l.reserveSegment(alignSegment(most))
	if err == nil && l.opts.Extend != nil {
		if err = l.extend(w.seg.from, w.most); err != nil {
			w.Drop()
			if !errors.Is(err, fs.ErrClosed) && !errors.Is(err, kverr.Full) {
				err = fmt.Errorf("%w: its blocks: %w", ErrNoSegment, err)
			}
		}
	}
	return w, err
}

// extend allocates blocks for a segment, one call at a time.
func (l *Log) extend(from, bytes int64) error {
	l.extending.Lock()
	defer l.extending.Unlock()
	return l.opts.Extend(from, from+bytes)
}

// reserveSegment is NewSegment without its blocks.
func (l *Log) reserveSegment(most int64) (*SegmentWriter, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := areaAt(l.size)
	switch {
	case l.latched.err != nil:
		return nil, l.latched.err
	case l.area.refused || most > MaxSegmentBytes:
		return nil, ErrNoSegment
	}
	if l.area.next == 0 {
		l.area.next = start
	}
	if l.area.next+most > start+MaxSegmentBytes {
		return nil, ErrNoRoom
	}
	w := &SegmentWriter{l: l, seg: &segment{from: l.area.next}, most: most}
	l.area.next += most
	l.area.live = append(l.area.live, w.seg)
	return w, nil
}

// Put is Batch.Put.
func (w *SegmentWriter) Put(ctx context.Context, key, value string, deadline int64) error {
	w.batch.Put(key, value, deadline)
	return w.flushFull(ctx)
}

// Delete is Batch.Delete.
func (w *SegmentWriter) Delete(ctx context.Context, key string) error {
	w.batch.Delete(key)
	return w.flushFull(ctx)
}

func (w *SegmentWriter) flushFull(ctx context.Context) error {
	if len(w.batch.b) < segmentChunk {
		return nil
	}
	return w.flush(ctx)
}

// flush writes the operations and makes them durable.
func (w *SegmentWriter) flush(ctx context.Context) error {
	if w.batch.err != nil {
		return w.batch.err
	}
	w.batch.start()
	for b := w.batch.b[recordHead:]; len(b) > 0; {
		part := b[:min(len(b), segmentChunk)]
		if w.seg.length+int64(len(part)) > w.most {
			return kverr.Errorf(kverr.Invalid, "a segment is longer than was announced")
		}
		if _, err := w.l.file.WriteAt(part, w.seg.to()); err != nil {
			return err
		}
		w.seg.sum = crc32.Update(w.seg.sum, castagnoli, part)
		w.seg.length += int64(len(part))
		b = b[len(part):]
		if err := w.l.syncNow(ctx); err != nil {
			return err
		}
	}
	w.batch.b = w.batch.b[:recordHead]
	return nil
}

// Record makes the rest durable, and returns the record that names the segment.
func (w *SegmentWriter) Record(ctx context.Context) (*Batch, error) {
	if err := w.flush(ctx); err != nil {
		return nil, err
	}
	b := &Batch{segment: w.seg}
	b.start()
	b.b = append(b.b, byte(segmentKind))
	b.b = binary.BigEndian.AppendUint64(b.b, uint64(w.seg.from))
	b.b = binary.BigEndian.AppendUint64(b.b, uint64(w.seg.length))
	b.b = binary.BigEndian.AppendUint32(b.b, w.seg.sum)
	return b, nil
}

// Drop removes the segment unless a record names it.
func (w *SegmentWriter) Drop() {
	l := w.l
	l.mu.Lock()
	defer l.mu.Unlock()
	l.freeSegments(func(s *segment) bool { return s == w.seg && s.end == 0 })
}

// freeSegments removes segments. l.mu is locked.
func (l *Log) freeSegments(free func(*segment) bool) {
	if len(l.area.live) == 0 {
		return
	}
	if l.area.live = slices.DeleteFunc(l.area.live, free); len(l.area.live) > 0 {
		return
	}
	l.area.next = areaAt(l.size)
	if l.opts.Truncate != nil && l.latched.err == nil {
		l.opts.Truncate(l.bytes) // otherwise the file is longer than it has to be
	}
}

// HasSegments reports whether a record before an LSN, which was not released, has a segment.
func (l *Log) HasSegments(before LSN) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.area.live, func(s *segment) bool { return s.end != 0 && s.end <= before })
}

// SegmentBytes returns how many bytes of the file the segments take.
func (l *Log) SegmentBytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.area.next-areaAt(l.size))
}

// syncNow makes everything durable that was written before the call. It shares the sync with
// callers of Sync.
func (l *Log) syncNow(ctx context.Context) error {
	l.mu.Lock()
	before := l.group.running // which does not cover what was written after it began
	l.mu.Unlock()
	if before != nil {
		select {
		case <-before.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.mu.Lock()
	if l.latched.err != nil {
		defer l.mu.Unlock()
		return l.latched.err
	}
	round := l.group.running
	if round == nil {
		round = newRound()
		l.group.running = round
		go l.sync(round)
	}
	l.mu.Unlock()
	select {
	case <-round.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.latched.err != nil {
		return l.latched.err
	}
	return round.err
}

// segmentOf returns the segment that the record with some head names, nil if it names none.
func (r *ring) segmentOf(h head) (*segment, error) {
	if h.length == 0 {
		return nil, nil
	}
	var b [1 + segmentFields]byte
	n, err := r.readUpTo(b[:min(h.length, int64(len(b)))], h.at+recordHead)
	if err != nil || Kind(b[0]) != segmentKind {
		return nil, err
	}
	if n < len(b) || h.length != int64(len(b)) || !r.segments {
		return nil, errOps
	}
	s := &segment{
		from:   int64(binary.BigEndian.Uint64(b[1:])),
		length: int64(binary.BigEndian.Uint64(b[9:])),
		sum:    binary.BigEndian.Uint32(b[17:]),
		end:    h.end(),
	}
	start := areaAt(r.size)
	if s.from < start || s.from%segmentAlign != 0 || s.length < 0 || s.length > MaxSegmentBytes || s.to() > start+MaxSegmentBytes {
		return nil, errOps
	}
	if s.to() > r.fileBytes {
		return nil, errSegment
	}
	return s, nil
}

// errSegment is about a segment that is damaged. It was durable before the record that names it.
var errSegment = kverr.Errorf(kverr.Corrupt, "a segment of the log, which holds a large write, is damaged or was truncated; restore the store from a backup")

// readUpTo fills b from an LSN on, across the end of the ring.
func (r *ring) readUpTo(b []byte, at LSN) (n int, err error) {
	for n < len(b) {
		part, err := r.bytes(at+LSN(n), int64(len(b)-n))
		if err != nil {
			return n, err
		}
		n += copy(b[n:], part)
	}
	return n, nil
}

// reader returns a reader of a segment.
func (r *ring) reader(s *segment) *io.SectionReader {
	return io.NewSectionReader(r.f, s.from, s.length)
}

// verify checks the checksum of a segment.
func (r *ring) verify(s *segment) error {
	sum, b := uint32(0), make([]byte, windowBytes)
	for in := r.reader(s); ; {
		n, err := in.Read(b)
		sum = crc32.Update(sum, castagnoli, b[:n])
		switch {
		case err == io.EOF && in.Size() == s.length && sum == s.sum:
			return nil
		case err == io.EOF:
			return errSegment
		case err != nil:
			return err
		case r.ctx != nil && r.ctx.Err() != nil:
			return r.ctx.Err()
		}
	}
}

// segmentPart reads the operations of a segment.
type segmentPart struct {
	*bufio.Reader
	left int64
	text []byte
}

func newSegmentPart(r *ring, s *segment) *segmentPart {
	return &segmentPart{Reader: bufio.NewReaderSize(r.reader(s), windowBytes), left: s.length}
}

func (p *segmentPart) Len() int64 { return p.left }

func (p *segmentPart) ReadByte() (byte, error) {
	b, err := p.Reader.ReadByte()
	if err == nil {
		p.left--
	}
	return b, err
}

// Text reads the next n bytes, at most Len, as a string.
func (p *segmentPart) Text(n int64) (string, error) {
	p.text = slices.Grow(p.text[:0], int(n))[:n]
	if _, err := io.ReadFull(p.Reader, p.text); err != nil {
		return "", err
	}
	p.left -= n
	return string(p.text), nil
}

// RingFileBytes returns the size of the file of a log without its segments.
func RingFileBytes(f io.ReaderAt) (int64, error) {
	_, ringBytes, err := readHeader(f)
	return headerBytes + ringBytes + endBytes, err
}
