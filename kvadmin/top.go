package kvadmin

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// sized is a key or a prefix with its size.
type sized struct {
	Key    string `json:"key,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	Keys   int64  `json:"keys,omitempty"` // of a prefix
	Bytes  int64  `json:"bytes"`          // of keys and encoded values
	Type   string `json:"type,omitempty"` // of a key
}

// biggest keeps the n largest of what it gets.
type biggest struct {
	n    int
	list []sized // at most 2n, in no order
	min  int64   // what is smaller than this is not among the largest
}

func (b *biggest) add(s sized) {
	if s.Bytes <= b.min && len(b.list) >= b.n {
		return
	}
	s.Key, s.Prefix = strings.Clone(s.Key), strings.Clone(s.Prefix) // without the page that has them
	b.list = append(b.list, s)
	if len(b.list) >= 2*b.n {
		b.cut()
	}
}

// cut drops all but the n largest.
func (b *biggest) cut() {
	slices.SortStableFunc(b.list, func(x, y sized) int { return cmp.Compare(y.Bytes, x.Bytes) })
	if len(b.list) > b.n {
		clear(b.list[b.n:])
		b.list = b.list[:b.n]
		b.min = b.list[b.n-1].Bytes
	}
}

// The separators of the parts of a key, and how many parts prefixes have.
const (
	separators = ":/"
	maxParts   = 8
)

// prefixes adds up prefixes of keys that come in order. Keys with one prefix are
// neighbours, so it holds the sums of one key's prefixes only, and the largest sums.
type prefixes struct {
	open    []sized // prefixes of the last key, each one of the next
	largest biggest
}

func (p *prefixes) add(key string, bytes int64) {
	kept := 0
	for kept < len(p.open) && strings.HasPrefix(key, p.open[kept].Prefix) {
		kept++
	}
	p.close(kept)
	at := 0
	if kept > 0 {
		at = len(p.open[kept-1].Prefix)
	}
	for len(p.open) < maxParts {
		i := strings.IndexAny(key[at:], separators)
		if i < 0 {
			break
		}
		at += i + 1
		p.open = append(p.open, sized{Prefix: key[:at]})
	}
	for i := range p.open {
		p.open[i].Keys++
		p.open[i].Bytes += bytes
	}
}

// close ends the sums from the i-th on. A prefix whose keys all have one longer prefix is left
// out.
func (p *prefixes) close(i int) {
	for j := i; j < len(p.open); j++ {
		if j+1 == len(p.open) || p.open[j+1].Keys != p.open[j].Keys {
			p.largest.add(p.open[j])
		}
	}
	p.open = p.open[:i]
}

// summary is the biggest keys and prefixes of a store.
type summary struct {
	Version  int     `json:"version"`
	Keys     []sized `json:"keys"`
	Prefixes []sized `json:"prefixes"`
	Scanned  int64   `json:"scanned"` // selected keys
	Bytes    int64   `json:"bytes"`   // of them
	Complete bool    `json:"complete"`
	Seconds  float64 `json:"seconds"`
}

// Limits of a summary.
const (
	defaultTop = 20
	maxTop     = 1000
)

func (q *request) top() error {
	form := q.r.URL.Query()
	s, err := selects(form)
	if err != nil {
		return err
	}
	n := defaultTop
	if text := form.Get("n"); text != "" {
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > maxTop {
			return fail(400, "invalid", "n is %.20q; use 1 to %d", text, maxTop)
		}
	}
	sum, err := q.summarize(s, n)
	if err != nil {
		return err
	}
	if !q.wantJSON {
		return q.topPage(s, sum)
	}
	return q.answer(sum)
}

// summarize reads all selected keys. Memory depends on n and on the longest keys only.
func (q *request) summarize(s selection, n int) (summary, error) {
	sum := summary{Version: version}
	end, err := q.beginScan()
	if err != nil {
		return sum, err
	}
	defer end()
	start := time.Now()
	keys, pre := biggest{n: n}, prefixes{largest: biggest{n: n}}
	for e, err := range q.entries(q.ctx, &s, extlibs.NeedValue) {
		if err != nil {
			return sum, err
		}
		if !e.selected {
			continue
		}
		bytes := int64(len(e.Key) + e.Value.Len())
		sum.Scanned++
		sum.Bytes += bytes
		pre.add(e.Key, bytes)
		keys.add(sized{Key: e.Key, Bytes: bytes, Type: typeOf(e.Value)})
	}
	pre.close(0)
	keys.cut()
	pre.largest.cut()
	sum.Keys, sum.Prefixes, sum.Complete = keys.list, pre.largest.list, true
	sum.Seconds = time.Since(start).Seconds()
	return sum, nil
}
