package wal

import (
	"errors"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Resume continues a log after a crash, after the records between from and end that Replay
// found. These records need not be durable: the process can have died before the sync, or the
// sync failed. So Resume writes them again. It fills the rest of the ring with zeros, so that
// no left-over record can follow a new one. No other process may write to the log.
func Resume(f File, size int64, id ID, from, end LSN, opts Options) (*Log, error) {
	r, err := newRing(f, size, id)
	if err != nil {
		return nil, err
	}
	l := &Log{file: f, id: id, opts: opts, bytes: min(size, headerBytes+r.size+endBytes), size: r.size, extent: extent{filled: r.size, head: from, tail: end}, area: area{refused: !r.segments}}
	if err := l.resumeSegments(r, from, end); err != nil {
		return nil, err
	}
	buf := make([]byte, 1<<20)
	for at := from; at < end; {
		n, err := r.readAt(buf[:min(int64(len(buf)), int64(end-at))], at)
		if err == nil {
			err = l.write(buf[:n], at)
		}
		if err != nil {
			return nil, err
		}
		at += LSN(n)
	}
	first, last := int64(end)%r.size, int64(from)%r.size
	switch {
	case end-from == LSN(r.size): // the ring is full
	case first < last:
		err = fill(f, headerBytes+first, headerBytes+last)
	default:
		err = errors.Join(fill(f, headerBytes+first, headerBytes+r.size), fill(f, headerBytes, headerBytes+last))
	}
	if err == nil && size == headerBytes+r.size { // a log of an old version, without an end mark
		err = fill(f, size, size+endBytes)
		if err == nil {
			l.bytes += endBytes
		} else if errors.Is(err, kverr.Full) {
			err = nil // the log works without the mark
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

// resumeSegments finds the segments of the records between two LSNs. They were durable before the
// records were written. If there is none, what a segment has left is removed from the file.
func (l *Log) resumeSegments(r *ring, from, end LSN) error {
	l.area.next = areaAt(r.size)
	for at := from; at < end; {
		h, whole, err := r.record(at, from)
		if err == nil && !whole {
			err = kverr.Errorf(kverr.Corrupt, "another program changed the log while it was read; open the store again")
		}
		var s *segment
		if err == nil {
			s, err = r.segmentOf(h)
		}
		if err != nil {
			return err
		}
		if s != nil {
			l.area.live = append(l.area.live, s)
			l.area.next = max(l.area.next, alignSegment(s.to()))
		}
		at = h.end()
	}
	if len(l.area.live) == 0 && r.fileBytes > l.bytes && l.opts.Truncate != nil {
		l.opts.Truncate(l.bytes) // otherwise the file is longer than it has to be
	}
	return nil
}
