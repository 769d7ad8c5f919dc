package extlibs

import (
	"time"
	"unicode/utf8"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/memtable"
)

// The two calls that programs make most often, get of a live key and set, have a
// short way into an in-memory store: what is ready-made in a record is handed out
// as it is, and a record is made straight of what was encoded. Whatever is
// not so simple takes the way of all stores, which also finds the words for errors.

// record returns the live record of a key in an in-memory store, and counts the
// hit. The key is not checked: a bad one is not there.
func (h *Handle) record(key string) *memtable.Record {
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
// The interpreter shares some objects, which its scripts can tell from others.
func readyObject(r *memtable.Record) object.Object {
	if s := r.Text(); s != nil {
		if stringIsText && len(*s) > maxSharedText {
			return memtable.As[object.String](s)
		}
		return object.NewString(*s)
	}
	if i := r.Int(); i != nil {
		if integerIsInt && (*i < minSharedInt || *i > maxSharedInt) {
			return memtable.As[object.Integer](i)
		}
		return object.NewInteger(*i)
	}
	if f := r.Float(); f != nil {
		if floatIsFloat {
			return memtable.As[object.Float](f)
		}
		return object.NewFloat(*f)
	}
	return nil
}

// What the interpreter's objects are made of, and which of them it may share.
var (
	stringIsText = memtable.Wraps[object.String, string]()
	integerIsInt = memtable.Wraps[object.Integer, int64]()
	floatIsFloat = memtable.Wraps[object.Float, float64]()
)

const (
	maxSharedText = 1 // bytes
	minSharedInt  = -5
	maxSharedInt  = 10_000
)

// scalar is a text, an int or a float.
type scalar struct {
	kind cbor.Kind
	text string
	i    int64
	f    float64
}

func goScalar(v any) (scalar, bool) {
	switch v := v.(type) {
	case string:
		return scalar{kind: cbor.Text, text: v}, true
	case int:
		return scalar{kind: cbor.Int, i: int64(v)}, true
	case int64:
		return scalar{kind: cbor.Int, i: v}, true
	case float64:
		return scalar{kind: cbor.Float, f: v}, true
	}
	return scalar{}, false
}

func scriptScalar(o object.Object) (scalar, bool) {
	switch o := o.(type) {
	case *object.String:
		return scalar{kind: cbor.Text, text: o.StringValue()}, true
	case *object.Integer:
		return scalar{kind: cbor.Int, i: o.IntValue()}, true
	case *object.Float:
		return scalar{kind: cbor.Float, f: o.FloatValue()}, true
	}
	return scalar{}, false
}

// setScalar stores a scalar in an in-memory store, with one allocation. It does
// nothing, and is not done, where anything is out of the ordinary.
func (h *Handle) setScalar(key string, v scalar, ttl time.Duration) (done bool, err error) {
	w, ok := h.shortWrite(key, ttl)
	if !ok {
		return false, nil
	}
	var buf [9]byte
	var r *memtable.Record
	switch v.kind {
	case cbor.Text:
		head := cbor.AppendTextHead(buf[:0], len(v.text))
		if len(head)+len(v.text) > h.opts.maxValueBytes || !utf8.ValidString(v.text) {
			return false, nil
		}
		r = memtable.NewText(key, head, v.text, w.deadline)
	case cbor.Int:
		r = memtable.NewInt(key, cbor.AppendInt(buf[:0], v.i), v.i, w.deadline)
	default:
		r = memtable.NewFloat(key, cbor.AppendFloat(buf[:0], v.f), v.f, w.deadline)
	}
	if len(r.Value()) > h.opts.maxValueBytes {
		return false, nil
	}
	return h.put(w, key, r)
}

// setGo is setScalar for Go values.
func (h *Handle) setGo(key string, v any, ttl time.Duration) (done bool, err error) {
	if s, ok := goScalar(v); ok {
		return h.setScalar(key, s, ttl)
	}
	switch v.(type) {
	case map[string]any, []any:
	default:
		return false, nil
	}
	e := codec.NewEncoder(h.opts.maxValueBytes)
	defer e.Release()
	if err := (goWalk{e}).value(v, 0); err != nil {
		return true, err
	}
	return h.setEncoded(key, e, ttl)
}

// setObject is setScalar for script objects.
func (h *Handle) setObject(key string, o object.Object, ttl time.Duration) (done bool, err error) {
	if s, ok := scriptScalar(o); ok {
		return h.setScalar(key, s, ttl)
	}
	switch o.(type) {
	case *object.Dict, *object.List, *object.Tuple, *object.Set:
	default:
		return false, nil
	}
	e := codec.NewEncoder(h.opts.maxValueBytes)
	defer e.Release()
	if err := walkObject(e, o); err != nil {
		return true, err
	}
	return h.setEncoded(key, e, ttl)
}

// setEncoded stores what an encoder has, a value with parts, with one allocation.
func (h *Handle) setEncoded(key string, e *codec.Encoder, ttl time.Duration) (done bool, err error) {
	encoded, err := e.Encoded()
	if err != nil {
		return true, err
	}
	w, ok := h.shortWrite(key, ttl)
	if !ok {
		return false, nil
	}
	return h.put(w, key, memtable.NewBytes(key, encoded, w.deadline))
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
		w.deadline = h.memory.now() + int64(ttl)
	}
	return w, true
}

func (h *Handle) put(w shortWrite, key string, r *memtable.Record) (done bool, err error) {
	s := w.st.Lock(key)
	if !s.Exists() && !utf8.ValidString(key) {
		s.Unlock()
		return false, nil
	}
	limit := s.Put(r)
	s.Unlock()
	if err := h.memory.full(limit); err != nil {
		return true, h.inStore(key, err)
	}
	h.counters.of(key).sets.Add(1)
	return true, nil
}
