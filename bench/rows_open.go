package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

func openRows() []row {
	return []row{{"open", "open of a file of a million keys", openMillion}}
}

// millionFiles are files of a million keys, made once for all rows and then copied.
type millionFiles map[string]string

func newMillionFiles(s *suite) millionFiles {
	if s.files != nil {
		return s.files
	}
	files := millionFiles{}
	s.files = files
	keys, values := texts(s.million)
	for _, c := range []struct {
		name string
		open func(path string) (store, func())
	}{
		{oursBolt, func(path string) (store, func()) { kv := openKV(path); return kv, kv.close }},
		{rawBolt, func(path string) (store, func()) { db := openBolt(path); return db, db.close }},
		{badgerName, func(path string) (store, func()) { db := openBadger(path); return db, db.close }},
	} {
		path := s.path("file")
		st, closeIt := c.open(path)
		fillPoints(st, keys, values)
		closeIt()
		files[c.name] = path
	}
	return files
}

// copyOf copies a store, to the disk itself: the first sync of one that is measured
// would wait for the rest.
func (f millionFiles) copyOf(s *suite, name string) string {
	path := s.path("file")
	from, to := filepath.Dir(f[name]), filepath.Dir(path)
	if must1(os.Stat(f[name])).IsDir() {
		from, to = f[name], path
	}
	must(os.CopyFS(to, os.DirFS(from)))
	must(filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			syncFile(path)
		}
		return err
	}))
	return path
}

func syncFile(path string) {
	f := must1(os.OpenFile(path, os.O_RDWR, 0))
	must(f.Sync())
	must(f.Close())
}

func openMillion(s *suite) {
	files := newMillionFiles(s)
	openers := []struct {
		name string
		open func() func()
	}{
		{oursBolt, func() func() { return openKV(files[oursBolt]).close }},
		{oursInterval, func() func() { return openKVInterval(files[oursBolt]).close }},
		{rawBolt, func() func() { return openBoltAsItIs(files[rawBolt]).close }},
		{badgerName, func() func() { return openBadger(files[badgerName]).close }},
	}
	took, used := map[string][]float64{}, map[string][]float64{}
	for range s.rounds {
		for _, o := range openers {
			if !s.wants(o.name) {
				continue
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := time.Now()
			closeIt := o.open()
			took[o.name] = append(took[o.name], float64(time.Since(began)))
			runtime.ReadMemStats(&after)
			used[o.name] = append(used[o.name], float64(after.TotalAlloc-before.TotalAlloc))
			closeIt()
		}
	}
	for _, o := range openers {
		if len(took[o.name]) == 0 {
			continue
		}
		s.add(line{store: o.name, unit: duration, stat: summarize(took[o.name]), allocs: -1, ratio: medianRatio(took[o.name], took[rawBolt])})
		s.add(line{store: o.name + ", memory", unit: bytes, stat: summarize(used[o.name]), allocs: -1, ratio: medianRatio(used[o.name], used[rawBolt])})
	}
	s.atMost("open of a million keys on bolt", 5e6, summarize(took[oursBolt]).median, duration)
	s.atMost("memory taken by that open", 5e6, summarize(used[oursBolt]).median, bytes)
}
