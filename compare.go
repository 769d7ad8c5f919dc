package extlibs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"hash"
	"slices"
	"time"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// KeepTTL as the ttl of CompareAndSwap leaves the time left as it is.
const KeepTTL time.Duration = -1

// CompareAndSwap stores value if the live value of key equals old, types
// included (1 is not 1.0), and reports whether it did. The order of the members
// of sets and dicts does not matter. ttl replaces the time left, 0 makes the key
// permanent, KeepTTL leaves it. An absent key equals nothing: Add stores there.
func (h *Handle) CompareAndSwap(ctx context.Context, key string, old, value any, ttl time.Duration) (bool, error) {
	was, err := h.encode(old)
	if err != nil {
		return false, inCall("compare_and_set", err)
	}
	next, err := h.encode(value)
	if err != nil {
		return false, inCall("compare_and_set", err)
	}
	done, err := h.compareAndSwap(ctx, key, was, next, ttl)
	return done, inCall("compare_and_set", err)
}

// CompareAndDelete removes key if its live value equals old, as CompareAndSwap
// compares them, and reports whether it did.
func (h *Handle) CompareAndDelete(ctx context.Context, key string, old any) (bool, error) {
	was, err := h.encode(old)
	if err != nil {
		return false, inCall("compare_and_delete", err)
	}
	done, err := h.compareAndDelete(ctx, key, was)
	return done, inCall("compare_and_delete", err)
}

func (h *Handle) compareAndSwap(ctx context.Context, key string, old, value Value, ttl time.Duration) (bool, error) {
	op := Op{Kind: OpSwapTTL, Key: key, Value: value, TTL: ttl}
	if ttl == KeepTTL {
		op.Kind, op.TTL = OpSwap, 0
	}
	return h.applyIfEqual(ctx, op, old)
}

func (h *Handle) compareAndDelete(ctx context.Context, key string, old Value) (bool, error) {
	return h.applyIfEqual(ctx, Op{Kind: OpDeleteIf, Key: key}, old)
}

// applyIfEqual carries out an operation that compares encodings where the values
// are equal. It tries old's own encoding first, which is the one that is stored
// but for the order of members; then the one that it found.
func (h *Handle) applyIfEqual(ctx context.Context, op Op, old Value) (bool, error) {
	op.Old, op.NeedOld = old, true
	var want [sha256.Size]byte // of old, once there is something to compare it with
	compared := false
	for attempt := range updateAttempts {
		if attempt >= updateEager {
			wait := func() (any, error) { return nil, backOff(ctx, min(attempt, updateAttempts/4)) }
			if _, err := released(ctx, wait); err != nil {
				return false, h.inStore(op.Key, err)
			}
		}
		r, err := h.apply(ctx, op)
		if err != nil || r.Applied {
			return r.Applied, err
		}
		if r.Old.IsZero() {
			return false, nil
		}
		if !compared {
			if want, err = digest(old); err != nil {
				return false, err
			}
			compared = true
		}
		found, err := digest(r.Old)
		if err != nil {
			return false, h.inStore(op.Key, err)
		}
		if found != want {
			return false, nil
		}
		op.Old = r.Old
	}
	return false, h.inStore(op.Key, kverr.Errorf(ErrConflict, "the key changed during each of %d comparisons", updateAttempts))
}

// digest is the same for equal values, whatever the order of the members of their
// sets and dicts, and the width of their floats. It takes time in proportion to
// the value.
func digest(v Value) (sum [sha256.Size]byte, err error) {
	d := digester{r: cbor.NewReader(v.data)}
	h := sha256.New()
	if err := d.item(h, 0); err != nil {
		return sum, kverr.Errorf(ErrCorrupt, "value cannot be compared: %w", err)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

type digester struct {
	r   cbor.Reader
	buf []byte
}

// item writes the next item to h.
func (d *digester) item(h hash.Hash, depth int) error {
	if depth > 2*MaxDepth { // a container and its tag are two
		return kverr.Errorf(ErrTooLarge, "it is nested more than %d levels", MaxDepth)
	}
	i, err := d.r.Next()
	if err != nil {
		return err
	}
	b := d.buf[:0]
	switch i.Kind {
	case cbor.Null:
		b = cbor.AppendNull(b)
	case cbor.Bool:
		b = cbor.AppendBool(b, i.Int != 0)
	case cbor.Int:
		b = cbor.AppendInt(b, i.Int)
	case cbor.Float:
		b = cbor.AppendFloat(b, i.Float)
	case cbor.Text:
		b = cbor.AppendText(b, i.Text)
	case cbor.Bytes:
		b = cbor.AppendBytes(b, i.Text)
	case cbor.Array:
		h.Write(cbor.AppendArray(b, int(i.Int)))
		for range i.Int {
			if err := d.item(h, depth+1); err != nil {
				return err
			}
		}
		return nil
	case cbor.Map:
		h.Write(cbor.AppendMap(b, int(i.Int)))
		return d.members(h, int(i.Int), 2, depth)
	case cbor.Tag:
		h.Write(cbor.AppendTag(b, uint64(i.Int)))
		if i.Int != tagSet {
			return d.item(h, depth+1)
		}
		array, err := d.r.Next()
		if err == nil && array.Kind != cbor.Array {
			err = cbor.ErrUnsupported
		}
		if err != nil {
			return err
		}
		return d.members(h, int(array.Int), 1, depth)
	}
	h.Write(b)
	d.buf = b
	return nil
}

// members writes n members of so many items each to h, in the order of their own
// digests.
func (d *digester) members(h hash.Hash, n, items, depth int) error {
	sums := make([][sha256.Size / 2]byte, 0, min(n, 1024)) // a damaged value may claim any n
	member := sha256.New()
	for range n {
		member.Reset()
		for range items {
			if err := d.item(member, depth+1); err != nil {
				return err
			}
		}
		sums = append(sums, [sha256.Size / 2]byte(member.Sum(d.buf[:0])))
	}
	slices.SortFunc(sums, func(a, b [sha256.Size / 2]byte) int { return bytes.Compare(a[:], b[:]) })
	for i := range sums {
		h.Write(sums[i][:])
	}
	return nil
}
