package kvadmin

import (
	"net/http"
	"path/filepath"
	"strings"

	"github.com/scriptling-kv/extlibs"
)

// openStore is an open store with the names that paths use and that answers show for it.
type openStore struct {
	id, shown string
	handle    *extlibs.Handle
}

// open returns the open stores, the default store first.
func (h *handler) open() []openStore {
	def := h.registry.Default()
	stores := []openStore{{"default", h.opts.Name(def.Name()), def}}
	bases := map[string]int{"default": 1}
	names := map[string]int{}
	for _, s := range h.registry.Stores() {
		if s.Name() != def.Name() {
			name := h.opts.Name(s.Name())
			stores = append(stores, openStore{name, name, s})
			names[name]++
			bases[name]++
			if base := filepath.Base(name); base != name {
				bases[base]++
			}
		}
	}
	open := stores[:0]
	for _, s := range stores {
		switch base := filepath.Base(s.id); {
		case names[s.id] > 1: // one URL with two passwords: a path cannot tell them apart
			continue
		case filepath.IsAbs(s.id) && bases[base] == 1 && base != "-":
			s.id = base
		}
		open = append(open, s)
	}
	return open
}

// find returns the open store with an id or a name.
func (h *handler) find(id string) (openStore, error) {
	for _, s := range h.open() {
		if s.id == id || s.shown == id {
			return s, nil
		}
	}
	return openStore{id: id}, fail(http.StatusNotFound, "no_store", "no open store has this name; the list of stores shows all open ones")
}

// storeInfo describes a store, as JSON.
type storeInfo struct {
	ID    string `json:"id"`   // for paths
	Name  string `json:"name"` // as Options.Name
	Kind  string `json:"kind"` // memory, file, server
	Error string `json:"error,omitempty"`
	stats
	History []sample `json:"history,omitempty"` // if asked for
}

// stats are the counters of a store. A number that is unknown, or hidden, is null.
type stats struct {
	Keys     *int64 `json:"keys"`
	Hits     *int64 `json:"hits"`
	Misses   *int64 `json:"misses"`
	Sets     *int64 `json:"sets"`
	Deletes  *int64 `json:"deletes"`
	Expired  *int64 `json:"expired"`
	Evicted  *int64 `json:"evicted"`
	Bytes    *int64 `json:"bytes"`
	Commits  *int64 `json:"commits"`
	Buffered *int64 `json:"buffered"`
}

func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

// info returns the counters of a store. A counter that the backend does not return in time
// is unknown.
func (q *request) info(s openStore) storeInfo {
	i := storeInfo{ID: s.id, Name: s.shown, Kind: kindOf(s.shown)}
	n, err := s.handle.Stats(q.ctx)
	if err != nil {
		i.Error = failureOf(err).text
		n.Keys, n.Expired, n.Evicted, n.Bytes, n.Commits, n.Buffered = -1, -1, -1, -1, -1, -1
	}
	if q.opts.Hide != nil {
		n.Keys = -1
	}
	i.stats = stats{known(n.Keys), known(n.Hits), known(n.Misses), known(n.Sets), known(n.Deletes), known(n.Expired), known(n.Evicted), known(n.Bytes), known(n.Commits), known(n.Buffered)}
	return i
}

// kindOf returns where a store has its data, by its name.
func kindOf(name string) string {
	switch {
	case name == "default" || strings.HasPrefix(name, ":"):
		return "memory"
	case strings.Contains(name, "://"):
		return "server"
	}
	return "file"
}

// list answers with the stores that the caller may see.
func (q *request) list() error {
	var stores []openStore
	for _, s := range q.open() {
		if q.opts.Allow(q.r, Action{Kind: Stat, Store: s.handle.Name()}) == nil {
			stores = append(stores, s)
		}
	}
	if !q.wantJSON {
		return q.listPage(stores)
	}
	history := isTrue(q.r.URL.Query().Get("history"))
	infos := make([]storeInfo, len(stores))
	for i, s := range stores {
		infos[i] = q.info(s)
		if history {
			infos[i].History = q.history.of(s.handle)
		}
	}
	return q.answer(map[string]any{
		"version": version, "stores": infos,
		"write": q.opts.Write, "values": q.opts.Values, "backup": q.backupErr() == nil,
	})
}

func (q *request) stat() error {
	if !q.wantJSON {
		return q.browse()
	}
	info := q.info(openStore{q.id, q.shown, q.store})
	if isTrue(q.r.URL.Query().Get("history")) {
		info.History = q.history.of(q.store)
	}
	return q.answer(struct {
		Version int `json:"version"`
		storeInfo
		Write  bool `json:"write"`
		Values bool `json:"values"`
		Backup bool `json:"backup"`
	}{version, info, q.opts.Write, q.opts.Values, q.backupErr() == nil})
}
