package extlibs

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/hashtable"
)

// The two calls that programs make most often, get of a live key and set, have a
// short way into an in-memory store: what is ready-made in a record is handed out
// as it is, and a record is made straight of what was encoded. Whatever is
// not so simple takes the way of all stores, which also finds the words for errors.

// record returns the live record of a key in an in-memory store, and counts the
// hit. The key is not checked: a bad one is not there.
func (h *Handle) record(key string) *hashtable.Record {
	if h.memory == nil {
		return nil
	}
	st := h.memory.state.Load()
	if st == nil {
		return nil
	}
	r := st.Get(key)
	if r != nil && r.Deadline() != 0 {
		r, _ = h.memory.live(st, key)
	}
	if r != nil {
		h.counters.of(key).hit()
	}
	return r
}

// readyObject returns what is ready-made in a record as a script's object, or nil.
func readyObject(r *hashtable.Record) object.Object {
	if s := r.Text(); s != nil {
		if !stringIsText {
			return object.NewString(*s)
		}
		return hashtable.As[object.String](s)
	}
	if i := r.Int(); i != nil {
		if copiesInt(*i) {
			return object.NewInteger(*i)
		}
		return hashtable.As[object.Integer](i)
	}
	if f := r.Float(); f != nil {
		if !floatIsFloat {
			return object.NewFloat(*f)
		}
		return hashtable.As[object.Float](f)
	}
	return nil
}

// setText, setInt and setFloat store a scalar in an in-memory store, with one
// allocation. They do nothing, and it is not done, where anything is out of the
// ordinary.
func (h *Handle) setText(key, text string, ttl time.Duration) (done bool, err error) {
	w, ok := h.shortWrite(key, ttl)
	var buf [maxHead]byte
	head := cbor.AppendTextHead(buf[:0], len(text))
	if !ok || len(head)+len(text) > h.opts.maxValueBytes || !codec.ValidText(text) {
		return false, nil
	}
	return h.put(w, key, hashtable.NewText(key, head, text, w.deadline))
}

func (h *Handle) setInt(key string, i int64, ttl time.Duration) (done bool, err error) {
	w, ok := h.shortWrite(key, ttl)
	var buf [maxHead]byte
	value := cbor.AppendInt(buf[:0], i)
	if !ok || len(value) > h.opts.maxValueBytes {
		return false, nil
	}
	return h.put(w, key, hashtable.NewInt(key, value, i, w.deadline))
}

func (h *Handle) setFloat(key string, f float64, ttl time.Duration) (done bool, err error) {
	w, ok := h.shortWrite(key, ttl)
	var buf [maxHead]byte
	value := cbor.AppendFloat(buf[:0], f)
	if !ok || len(value) > h.opts.maxValueBytes {
		return false, nil
	}
	return h.put(w, key, hashtable.NewFloat(key, value, f, w.deadline))
}

const maxHead = 9 // bytes of an encoded number, or of what precedes a text

// setGo stores a Go value as they do.
func (h *Handle) setGo(ctx context.Context, key string, v any, ttl time.Duration) (done bool, err error) {
	switch v := v.(type) {
	case string:
		return h.setText(key, v, ttl)
	case int:
		return h.setInt(key, int64(v), ttl)
	case int64:
		return h.setInt(key, v, ttl)
	case float64:
		return h.setFloat(key, v, ttl)
	case map[string]any, []any:
	default:
		return false, nil
	}
	buf := codec.NewBuffer()
	defer buf.Release()
	raw, err := writeGo(ctx, buf, v, h.opts.maxValueBytes)
	return h.setEncoded(ctx, key, raw, ttl, err)
}

// setObject is setGo for script objects.
func (h *Handle) setObject(ctx context.Context, key string, o object.Object, ttl time.Duration) (done bool, err error) {
	switch o := o.(type) {
	case *object.String:
		return h.setText(key, o.StringValue(), ttl)
	case *object.Integer:
		return h.setInt(key, o.IntValue(), ttl)
	case *object.Float:
		return h.setFloat(key, o.FloatValue(), ttl)
	case *object.Dict, *object.List, *object.Tuple, *object.Set:
	default:
		return false, nil
	}
	buf := codec.NewBuffer()
	defer buf.Release()
	raw, err := writeObject(ctx, buf, o, h.opts.maxValueBytes)
	return h.setEncoded(ctx, key, raw, ttl, err)
}

// setEncoded stores an encoded value with parts, with one allocation, unless err
// says that it could not be encoded.
func (h *Handle) setEncoded(ctx context.Context, key string, raw []byte, ttl time.Duration, err error) (bool, error) {
	if err != nil {
		return true, err
	}
	w, ok := h.shortWrite(key, ttl)
	if !ok {
		return false, nil
	}
	if len(raw) > smallValue && int64(len(raw)) > h.opts.decodedBytes()/(codec.MaxGrowth+1) {
		v := Value{string(raw)}
		if err := h.checkDecoded(ctx, v); err != nil {
			return true, err
		}
		return h.put(w, key, hashtable.New(key, v.data, w.deadline))
	}
	return h.put(w, key, hashtable.NewBytes(key, raw, w.deadline))
}

// shortWrite is a write that nothing out of the ordinary has been found in so far.
type shortWrite struct {
	st       *memoryState
	deadline int64
}

func (h *Handle) shortWrite(key string, ttl time.Duration) (w shortWrite, ok bool) {
	w.st = h.memory.state.Load()
	if w.st == nil || len(key) == 0 || len(key) > MaxKeyBytes || ttl != 0 && (ttl < MinTTL || ttl > MaxTTL) {
		return w, false
	}
	if ttl != 0 {
		w.deadline = deadlineAfter(h.memory.now(), ttl)
	}
	return w, true
}

// put stores a record. It is not done where a limit refuses it, the key is invalid,
// somebody else has its lock, it is time to collect garbage, or it panics, which the
// general path then reports.
func (h *Handle) put(w shortWrite, key string, r *hashtable.Record) (done bool, err error) {
	var s hashtable.Slot
	if h.memory.littered.Load() || !s.TryLock(w.st.Table, key) { // Apply knows how to wait
		return false, nil
	}
	if !s.Replace(r) { // which cannot panic
		if done = h.putNew(w.st, &s, key, r); done {
			h.making.wrote("", key)
		}
		return done, nil
	}
	if counted := s.Count(); !counted {
		h.counters.of(key).sets.Add(1)
	}
	s.Unlock()
	h.making.wrote("", key)
	return true, nil
}

// putNew is put where more than a record changes.
func (h *Handle) putNew(st *memoryState, s *hashtable.Slot, key string, r *hashtable.Record) (done bool) {
	defer h.memory.unlock(st, s)
	if !s.Exists() && !utf8.ValidString(key) || s.Busy() != nil || s.Put(r) != hashtable.None {
		return false
	}
	if !s.Count() {
		h.counters.of(key).sets.Add(1)
	}
	return true
}
