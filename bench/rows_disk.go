package main

import "fmt"

func diskPointRows() []row {
	var rows []row
	for _, w := range workloads {
		if w.name == "set" {
			continue // the rows durable/set measure it in fdatasyncs
		}
		for _, dicts := range []bool{false, true} {
			for _, g := range goroutines {
				kind := "string"
				if dicts {
					kind = "dict"
				}
				rows = append(rows, row{
					name:  fmt.Sprintf("disk/%s/%s/%d", kind, w.name, g),
					title: fmt.Sprintf("%s of a %s on disk, %d goroutines; writes are durable but for the interval mode", w.name, kind, g),
					run:   func(s *suite) { diskPoints(s, w, g, dicts) },
				})
			}
		}
	}
	return rows
}

func diskPoints(s *suite, w workload, g int, dicts bool) {
	kv, fast := openKV(s.path("kv")), openKVInterval(s.path("kv"))
	bbolt, badger := openBolt(s.path("bbolt")), openBadger(s.path("badger"))
	all := []contender{
		{oursBolt, kv, kv.close},
		{oursInterval, fast, fast.close},
		{rawBolt, bbolt, bbolt.close},
		{badgerName, badger, badger.close},
	}
	value := func(i int) any { return text16(i) }
	if dicts {
		value = func(i int) any { return smallDict(i) }
		for i := range all[2:] {
			all[2+i].store = packed{store: all[2+i].store}
		}
	}
	points(s, rawBolt, all, w, g, value)
}
