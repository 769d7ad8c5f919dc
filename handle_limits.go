package extlibs

// Limits are the limits of a store, 0 for none.
type Limits struct {
	MaxKeys  int   // live keys
	MaxBytes int64 // of Stats.Bytes: MaxMemoryBytes, MaxCacheBytes or MaxFileBytes; a server's own limit is not known
}

// Limits returns the limits of a store; for a view, the limits of its store.
func (h *Handle) Limits() Limits {
	l := Limits{MaxKeys: max(h.opts.maxKeys, 0)}
	switch h.place {
	case inMemory:
		l.MaxBytes = h.opts.memoryLimit()
	case inFile:
		l.MaxBytes = max(h.opts.maxFileBytes, 0)
	}
	return l
}
