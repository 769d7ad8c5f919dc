package kvadmin

import (
	"strconv"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/sizes"
)

// summary is the biggest keys and prefixes of a store.
type summary struct {
	Version  int           `json:"version"`
	Keys     []sizes.Sized `json:"keys"`
	Prefixes []sizes.Sized `json:"prefixes"`
	Scanned  int64         `json:"scanned"` // selected keys
	Bytes    int64         `json:"bytes"`   // of them
	Complete bool          `json:"complete"`
	Seconds  float64       `json:"seconds"`
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
	top := sizes.NewTop(n)
	for e, err := range q.entries(q.ctx, &s, extlibs.NeedValue) {
		if err != nil {
			return sum, err
		}
		if e.selected {
			top.Add(e.Key, typeOf(e.Value), e.Value.Len())
		}
	}
	sum.Keys, sum.Prefixes = top.Biggest()
	sum.Scanned, sum.Bytes, sum.Complete = top.Keys, top.Bytes, true
	sum.Seconds = time.Since(start).Seconds()
	return sum, nil
}
