package boltfile

import (
	"context"
	"encoding/binary"
	"sort"

	"github.com/scriptling-kv/extlibs/internal/access"
)

// A transaction that removes many keys copies each page that it touches, and frees the old
// ones only when it commits. In a full file there are too few pages for that. The file is
// then rewritten without the keys, which needs space for a second file, but none in this
// one. A power cut leaves one file or the other under the name.

// Removal is a change that removes keys and does nothing else.
type Removal struct {
	Keys  []string // sorted
	Clear bool     // all keys
	Log   *LogRef  // that the file needs from then on; nil: none

	ctx     context.Context
	publish func(swap func() bool)
}

// Remove makes a removal by rewriting the file, and reports whether it did. It does nothing if
// the file cannot be replaced, or if the new file would not be smaller. publish calls swap,
// which reports whether readers see the new file from then on. It does so once its name is
// durable. If that is unknown, the error is kverr.CommitUnknown, readers see the old file, and
// the store takes no more writes. No Update may run.
func (f *File) Remove(ctx context.Context, r Removal, publish func(swap func() bool)) (done bool, err error) {
	if info, err := f.file.Load().Stat(); err != nil || f.alone || access.Links(info) != 1 {
		return false, DiskError(err)
	}
	r.ctx, r.publish = ctx, publish
	size := f.space.Load().size.Load()
	return f.rewrite(&rewriting{limit: size, fill: fullLeaf, space: size, remove: &r})
}

// ended returns why the removal has to end. A nil removal has no end.
func (r *Removal) ended() error {
	if r == nil {
		return nil
	}
	return r.ctx.Err()
}

// has reports whether a key is removed. A nil removal has none.
func (r *Removal) has(key []byte) bool {
	if r == nil || r.Clear {
		return r != nil
	}
	i := sort.Search(len(r.Keys), func(i int) bool { return r.Keys[i] >= string(key) })
	return i < len(r.Keys) && r.Keys[i] == string(key)
}

// note changes the entries of the bucket meta, as the transaction would have.
func (r *Removal) note(numbers map[string][]byte, s *snapshot, kept uint64) {
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	numbers[string(metaCount)] = number(kept)
	if r.Clear {
		numbers[string(metaEpoch)] = number(s.epoch + 1)
	}
	delete(numbers, string(metaLog))
	if r.Log != nil {
		numbers[string(metaFormat)] = []byte{formatVersion}
		numbers[string(metaLog)] = r.Log.encode()
	}
}
