package notify

// Watcher is one waiting caller. It was made by WatchKey, WatchPrefix or Queue of a Hub.
// Its methods are for one goroutine at a time.
type Watcher struct {
	hub   *Hub
	name  string       // a key, or a prefix
	group *prefixGroup // of the prefix; nil: of a key
	queue *queueEntry  // of a Watcher in a queue

	c      chan struct{} // has room for one signal
	ended  bool          // c is closed
	closed bool          // Close was called

	links
	changes
}

// links are the place of a Watcher in a list.
type links struct {
	prev, next *Watcher
	in         *list // nil: in none
}

// changes are what Take returns.
type changes struct {
	changed map[string]struct{}
	lost    bool
}

// queueEntry is what a Watcher in a queue has more than others.
type queueEntry struct {
	pattern string
	woken   bool // it was woken, and has neither taken a key nor passed the wake on
}

// WatchKey registers a Watcher that is signalled when a key changes.
func (h *Hub) WatchKey(key string) *Watcher {
	w := &Watcher{hub: h, name: key}
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.keys[key]
	if l == nil {
		if h.keys == nil {
			h.keys = map[string]*list{}
		}
		l = &list{}
		h.keys[key] = l
	}
	w.register(l)
	return w
}

// WatchPrefix registers a Watcher that remembers which of the keys that start with prefix
// change. See Take.
func (h *Hub) WatchPrefix(prefix string) *Watcher {
	w := &Watcher{hub: h, name: prefix}
	h.mu.Lock()
	defer h.mu.Unlock()
	w.group = h.join(prefix)
	w.register(&w.group.all)
	return w
}

// Queue registers a Watcher that waits for a key to take: one that starts with prefix and
// matches pattern, which only the caller understands. Each change that leaves a key with
// the prefix live wakes one Watcher of each pattern: the one that has waited longest. A
// Watcher that was woken calls Took or Requeue; Close passes the wake on otherwise.
func (h *Hub) Queue(prefix, pattern string) *Watcher {
	w := &Watcher{hub: h, name: prefix, queue: &queueEntry{pattern: pattern}}
	h.mu.Lock()
	defer h.mu.Unlock()
	w.group = h.join(prefix)
	w.register(w.line())
	return w
}

// line returns the queue of a Watcher of Queue, and creates it if there is none.
func (w *Watcher) line() *list {
	q := w.group.queues[w.queue.pattern]
	if q == nil {
		if w.group.queues == nil {
			w.group.queues = map[string]*list{}
		}
		q = &list{}
		w.group.queues[w.queue.pattern] = q
	}
	return q
}

func (w *Watcher) register(l *list) {
	w.c = make(chan struct{}, 1)
	l.append(w)
	if w.hub.closed {
		w.end()
	}
}

// end is the end of the Hub.
func (w *Watcher) end() {
	close(w.c)
	w.ended = true
}

// C receives a signal after changes. It is closed when the Hub closes.
func (w *Watcher) C() <-chan struct{} { return w.c }

// Take returns the keys that changed since the last Take, and forgets them. If lost is
// true, any key can have changed.
func (w *Watcher) Take() (keys []string, lost bool) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	for key := range w.changed {
		keys = append(keys, key)
	}
	lost = w.lost
	w.forget()
	w.lost = false
	return keys, lost
}

// Woken reports whether a Watcher of Queue was woken, and has called neither Took nor
// Requeue since.
func (w *Watcher) Woken() bool {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	return w.queue.woken
}

// Requeue puts a Watcher of Queue that was woken, and found no key to take, at the end of its
// queue. The caller reads the store again before it waits.
func (w *Watcher) Requeue() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.queue.woken = false
	switch {
	case w.ended || w.in != nil:
	case w.hub.closed:
		w.end()
	default:
		w.line().append(w)
	}
}

// Took says that a Watcher of Queue has taken the key that it was woken for.
func (w *Watcher) Took() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.queue.woken = false
}

// Close removes the Watcher. A Watcher of Queue that was woken and neither took a key nor
// called Requeue passes the wake on. Closing twice is no error.
func (w *Watcher) Close() {
	h := w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	w.forget()
	l := w.in
	if l != nil {
		l.remove(w)
	}
	if w.group == nil {
		if l.first == nil {
			delete(h.keys, w.name)
		}
		return
	}
	if w.queue != nil {
		q := w.line()
		if w.queue.woken {
			q.wakeFirst()
		}
		if q.first == nil {
			delete(w.group.queues, w.queue.pattern)
		}
	}
	h.leave(w.name, w.group)
}

// remember notes a changed key and signals.
func (w *Watcher) remember(key string) {
	if _, known := w.changed[key]; !known && !w.lost {
		cost := len(key) + pendingCost
		if len(w.changed) >= maxKeys || w.hub.pending+cost > maxPending {
			w.lose()
			return
		}
		if w.changed == nil {
			w.changed = map[string]struct{}{}
		}
		w.changed[key] = struct{}{}
		w.hub.pending += cost
	}
	w.signal()
}

// forget drops the remembered keys.
func (w *Watcher) forget() {
	for key := range w.changed {
		w.hub.pending -= len(key) + pendingCost
	}
	w.changed = nil
}

// lose makes the Watcher lose track.
func (w *Watcher) lose() {
	w.forget()
	w.lost = true
	w.signal()
}

func (w *Watcher) signal() {
	if w.ended { // or closed, and in no list
		return
	}
	select {
	case w.c <- struct{}{}:
	default: // it has a signal already
	}
}

// list is a list of watchers in the order in which they were appended.
type list struct{ first, last *Watcher }

// wakeFirst takes the first Watcher out of a queue and wakes it.
func (l *list) wakeFirst() {
	if w := l.first; w != nil {
		l.remove(w)
		w.queue.woken = true
		w.signal()
	}
}

func (l *list) append(w *Watcher) {
	w.in, w.prev = l, l.last
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
}

func (l *list) remove(w *Watcher) {
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.in, w.prev, w.next = nil, nil, nil
}

// each visits the watchers; visiting can remove the one that is visited.
func (l *list) each(yield func(*Watcher) bool) {
	for w := l.first; w != nil; {
		next := w.next
		if !yield(w) {
			return
		}
		w = next
	}
}
