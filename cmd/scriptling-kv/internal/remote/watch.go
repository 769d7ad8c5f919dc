package remote

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// After a watch has ended, it begins again after againFirst, then after twice the time, up
// to againLast.
const (
	againFirst = 100 * time.Millisecond
	againLast  = 5 * time.Second
)

// Watch implements extlibs.Watcher. A watch that the host or the network ends begins
// again, with a call that says that changes can be missing.
func (s *store) Watch(ctx context.Context, changed func(key string, live bool)) (stop func(), err error) {
	watching, cancel := context.WithCancel(s.closed)
	began := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		first := true
		ready := func() {
			if first {
				first = false
				began <- nil
				return
			}
			changed("", true)
		}
		for pause := againFirst; ; pause = min(2*pause, againLast) {
			started := time.Now()
			err := s.watch(watching, ready, changed)
			if first && watching.Err() == nil {
				began <- err
				return
			}
			if watching.Err() != nil {
				return
			}
			if time.Since(started) > againLast {
				pause = againFirst
			}
			select {
			case <-time.After(pause):
			case <-watching.Done():
				return
			}
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	select {
	case err := <-began:
		if err != nil {
			stop()
			return nil, err
		}
		return stop, nil
	case <-ctx.Done():
		stop()
		return nil, ctx.Err()
	}
}

// watch follows the changes of a host until its answer ends.
func (s *store) watch(ctx context.Context, ready func(), changed func(key string, live bool)) error {
	body, err := s.send(ctx, http.MethodGet, "watch", nil, nil, "text/event-stream")
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 64<<10), int(min(s.entryLimit(), 1<<30)))
	kind := ""
	for lines.Scan() {
		line := lines.Bytes()
		switch {
		case len(line) == 0:
			kind = ""
		case bytes.HasPrefix(line, []byte("event:")):
			kind = string(bytes.TrimSpace(line[len("event:"):]))
		case bytes.HasPrefix(line, []byte("data:")):
			if err := event(kind, line[len("data:"):], ready, changed); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return errTooLong
	} else if err != nil {
		return err
	}
	return fmt.Errorf("%w: the host has ended the watch", extlibs.ErrUnavailable)
}

// event carries out one event of a watch.
func event(kind string, data []byte, ready func(), changed func(key string, live bool)) error {
	var e struct {
		Version int    `json:"version"`
		Key     string `json:"key"`
		Gone    bool   `json:"gone"`
		Error   struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(data, &e); err != nil || e.Version != version {
		return errStrange("the host sends events that kvadmin does not send")
	}
	switch kind {
	case "ready":
		ready()
	case "change":
		if e.Key == "" {
			return errStrange("the host sends a change of no key")
		}
		changed(e.Key, !e.Gone)
	case "lost":
		changed("", true)
	case "error":
		return fmt.Errorf("%w: the host has ended the watch: %.200s", extlibs.ErrUnavailable, e.Error.Message)
	}
	return nil
}
