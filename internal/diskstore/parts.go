package diskstore

import "github.com/scriptling-kv/extlibs/internal/boltfile"

// A checkpoint changes leaves all over a large file, each of which takes several times
// its size in the engine's memory. So it takes several transactions where one would
// hold too much. The log position does not advance before the last one: after a crash
// replay repeats all of them. A file in this state must not be copied without its log
// or the layer.

// CheckpointBytes limits the memory that one transaction of a checkpoint or a replay
// takes: of the leaves that it changes and of what it stores. Tests change it.
var CheckpointBytes int64 = 32 << 20

// part is what the file has of a layer: the keys up to one. The layer still counts them
// as what it was without that.
type part struct {
	to          string
	own, hidden int64 // of these keys, in the tallies
}

// writeLayer brings what the file lacks of a layer, which may be nil, into the file.
// finish is a part of the last transaction, and done publishes it. If inParts is false,
// there is only one.
func (d *Store) writeLayer(l *layer, inParts bool, finish func(*boltfile.Tx) error, done func(show func())) error {
	for {
		var p part
		more := false
		err := d.file.Publish(func(t *boltfile.Tx) (err error) { // more than once if the file has to grow
			if l == nil {
				return finish(t)
			}
			if p, more, err = l.writePart(t, inParts); err != nil {
				return err
			}
			if more {
				t.Touch()
				return nil
			}
			return finish(t)
		}, func(show func()) {
			if !more {
				done(show)
				return
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			show()
			l.part, l.emptied = p, l.cleared
		})
		if err != nil || !more {
			return err
		}
	}
}

// writePart brings entries into the file that it lacks, as many as one transaction is
// to take if it is limited. It returns what the file has of the layer then, and whether
// there is more.
func (l *layer) writePart(t *boltfile.Tx, limited bool) (p part, more bool, err error) {
	if l.cleared && !l.emptied {
		if err := t.Clear(); err != nil {
			return p, false, err
		}
	}
	p = l.part
	l.entries.Ascend(p.to, func(key string, e entry) bool {
		switch {
		case key == p.to:
			return true // the last one of the part before
		case limited && t.Memory() > CheckpointBytes:
			more = true
			return false
		case !e.filed:
			err = t.SetState(key, e.State)
		}
		p.to = key
		if e.Exists {
			p.own++
		}
		if e.below.Exists && !l.cleared {
			p.hidden++
		}
		return err == nil
	})
	return p, more, err
}

// settle notes which entries of a layer, which may be nil, the file has, once no
// checkpoint is under way that writes the rest: the next one may write another layer,
// which this one has become a part of.
func (d *Store) settle(l *layer) {
	if l == nil || l.part.to == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var keys []string
	l.entries.Scan(func(key string, e entry) bool {
		if key <= l.part.to && !e.filed {
			keys = append(keys, key)
		}
		return key < l.part.to
	})
	for _, key := range keys {
		l.file(key)
	}
	l.part = part{}
}
