package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/vmihailenco/msgpack/v5"
)

// Names of this library's stores in the tables.
const (
	ours         = "kv memory"
	oursEncoded  = "kv memory, Load/Apply"
	oursBolt     = "kv bolt"
	oursInterval = "kv bolt, interval"
)

// pointKey is the key of the point rows: 12 bytes.
func pointKey(i int) string { return fmt.Sprintf("key:%08d", i) }

// text16 returns a new value of 16 bytes.
func text16(i int) string { return fmt.Sprintf("value-%010d", i) }

// texts returns n keys and their values.
func texts(n int) (keys []string, values []any) {
	keys, values = ownKeys(n), make([]any, n)
	for i := range values {
		values[i] = text16(i)
	}
	return keys, values
}

// scanKey is the key of the scan rows. Of n keys, a hundred share each group and
// a hundred share each ending.
func scanKey(i, n int) string {
	return fmt.Sprintf("g%06d:%02d:%06d", i/100, i%100, i%max(1, n/100))
}

const (
	scanPrefix = "g000003:"
	scanSuffix = ":000003"
	scanFound  = 100
)

// smallDict is the dict of the dict rows: five fields, as a session or a job
// would have.
func smallDict(i int) map[string]any {
	return map[string]any{
		"id":     int64(i),
		"name":   "Ada Lovelace",
		"email":  "ada@example.org",
		"active": true,
		"score":  float64(i) + 0.5,
	}
}

// shuffled visits 0..n-1 in an order that no cache foresees, the same each time.
func shuffled(n int) []int {
	return rand.New(rand.NewPCG(1, 2)).Perm(n)
}

// pack and unpack are what a user of a byte store would do to a dict.
func pack(v any) []byte { return must1(msgpack.Marshal(v)) }

func unpack(b []byte) any {
	var v map[string]any
	must(msgpack.Unmarshal(b, &v))
	return v
}
