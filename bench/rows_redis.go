package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs"
	_ "github.com/scriptling-kv/extlibs/redisstore"
)

const (
	oursRedis   = "kv redis"
	plainClient = "plain client"

	redisClients = 64
	redisStart   = 10 * time.Second // that the server gets until it answers
)

// redisRows are measured where a server is found; there are none elsewhere.
func redisRows() []row {
	server := redisServer()
	if server == "" {
		return nil
	}
	rows := []row{}
	for _, what := range []string{"get", "set", "incr"} {
		rows = append(rows, row{
			name:  fmt.Sprintf("redis/%s/%d", what, redisClients),
			title: fmt.Sprintf("%s on a server on this machine, %d goroutines, against the plain command", what, redisClients),
			run:   func(s *suite) { redisPoints(s, server, what) },
		})
	}
	rows = append(rows, redisServerRows(server)...)
	rows = append(rows, redisAtomicRows(server)...)
	rows = append(rows, redisWakeRows(server)...)
	return append(rows, row{
		name:  "redis/bulk",
		title: "set_many of a thousand, a hundred of a million by prefix, and clear of a million on a server",
		run:   func(s *suite) { redisBulk(s, server) },
	})
}

func redisServer() string {
	for _, name := range []string{"valkey-server", "redis-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// startRedis starts a server that keeps nothing, on a free port of this machine.
func startRedis(s *suite, path string) (addr string, stop func()) {
	l := must1(net.Listen("tcp", "127.0.0.1:0"))
	addr = l.Addr().String()
	must(l.Close())
	_, port, err := net.SplitHostPort(addr)
	must(err)
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", must1(os.MkdirTemp(s.tmp, "redis")), "--daemonize", "no")
	must(cmd.Start())
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			must(conn.Close())
			break
		}
		if time.Since(began) > redisStart {
			must(errors.New("the server does not answer"))
		}
	}
	return addr, func() {
		must(cmd.Process.Kill())
		cmd.Wait() // it says that it was killed
	}
}

// redisStore starts a server, and returns a store on it and a client for plain commands.
func redisStore(s *suite, path, name string, plain rueidis.ClientOption) (h *extlibs.Handle, c rueidis.Client, stop func()) {
	addr, kill := startRedis(s, path)
	r := extlibs.NewRegistry()
	plain.InitAddress, plain.DisableCache = []string{addr}, true
	h, c = must1(r.Open(background, "redis://"+addr+"/0/"+name)), must1(rueidis.NewClient(plain))
	return h, c, func() {
		c.Close()
		r.Close()
		kill()
	}
}

func redisPoints(s *suite, path, what string) {
	// The same client with the same settings.
	h, plain, stop := redisStore(s, path, "bench", rueidis.ClientOption{PipelineMultiplex: -1, DisableRetry: true})
	defer stop()
	n := min(s.points, 1<<14)
	keys := ownKeys(n)
	value := text16(0)
	numbers := what == "incr"
	for i := 0; i < n; i += 1000 {
		batch := map[string]any{}
		cmds := rueidis.Commands{}
		for _, key := range keys[i:min(i+1000, n)] {
			if numbers {
				batch[key] = 1
				cmds = append(cmds, plain.B().Set().Key(key).Value("1").Build())
			} else {
				batch[key] = value
				cmds = append(cmds, plain.B().Set().Key(key).Value(value).Build())
			}
		}
		must(h.SetMany(background, batch, 0))
		for _, result := range plain.DoMulti(background, cmds...) {
			must(result.Error())
		}
	}
	mine := map[string]func(string){
		"get":  func(key string) { must1(h.Get(background, key)) },
		"set":  func(key string) { must(h.Set(background, key, value, 0)) },
		"incr": func(key string) { must1(h.Incr(background, key, 1, 0)) },
	}[what]
	theirs := map[string]func(string){
		"get":  func(key string) { must1(plain.Do(background, plain.B().Get().Key(key).Build()).ToString()) },
		"set":  func(key string) { must(plain.Do(background, plain.B().Set().Key(key).Value(value).Build()).Error()) },
		"incr": func(key string) { must(plain.Do(background, plain.B().Incr().Key(key).Build()).Error()) },
	}[what]
	run := func(call func(string)) func(int) {
		return func(ops int) { parallel(redisClients, ops, func(_, i int) { call(keys[i%n]) }) }
	}
	lines := s.turns(plainClient, s.diskSlice, subject{name: oursRedis, run: run(mine)}, subject{name: plainClient, run: run(theirs)})
	least := 0.4
	if what == "get" {
		least = 0.8
	}
	speed := 0.0
	if l := lines[oursRedis]; l.ratio > 0 {
		speed = 1 / l.ratio
	}
	s.atLeast("speed of "+what+", against the plain command", least, speed, ratio)
}

func redisBulk(s *suite, path string) {
	h, _, stop := redisStore(s, path, "bench", rueidis.ClientOption{})
	defer stop()
	const batch, few = 1000, 100
	fill := func(n, more int) (took []float64) {
		for i := 0; i < n; i += batch {
			values := make(map[string]any, batch)
			for j := i; j < i+batch; j++ {
				values[pointKey(j)] = text16(j + more)
			}
			began := time.Now()
			must(h.SetMany(background, values, 0))
			took = append(took, float64(time.Since(began)))
		}
		return took
	}
	fills, again := fill(s.million, 0), fill(s.million/10, 1)
	var finds []float64
	for i := range few {
		prefix := strings.TrimSuffix(pointKey(i*(s.million/few)/few*few), "00")
		began := time.Now()
		found := must1(h.Items(background, extlibs.ListOptions{Pattern: prefix + "*"}))
		finds = append(finds, float64(time.Since(began)))
		if len(found) != few {
			panic(fmt.Sprintf("%d keys begin with %s", len(found), prefix))
		}
	}
	began := time.Now()
	must(h.Clear(background))
	cleared := float64(time.Since(began))
	for _, m := range []struct {
		what    string
		samples []float64
		limit   time.Duration
	}{
		{fmt.Sprintf("set_many of %d new keys", batch), fills, 3 * time.Millisecond},
		{fmt.Sprintf("set_many of %d keys that exist", batch), again, 3 * time.Millisecond},
		{fmt.Sprintf("%d of %d by prefix", few, s.million), finds, time.Millisecond},
		{fmt.Sprintf("clear of %d", s.million), []float64{cleared}, 5 * time.Millisecond},
	} {
		st := summarize(m.samples)
		s.add(line{store: oursRedis, unit: duration, stat: st, allocs: -1, note: m.what})
		s.atMost(m.what, float64(m.limit), st.median, duration)
	}
}
