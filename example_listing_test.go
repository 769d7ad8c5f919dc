package extlibs_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// The newest entries of a log, in pages. Prefix is taken literally, so a name that a user
// chose cannot select other keys.
func ExampleListOptions() {
	r := extlibs.NewRegistry()
	defer r.Close()
	ctx, store := context.Background(), r.Default()
	for i, text := range []string{"started", "asked", "answered"} {
		if err := store.Set(ctx, fmt.Sprintf("log:*:%04d", i), text, 0); err != nil {
			log.Fatal(err)
		}
	}
	if err := store.Set(ctx, "log:ann:0000", "another log", 0); err != nil {
		log.Fatal(err)
	}
	page := extlibs.ListOptions{Prefix: "log:" + "*" + ":", Reverse: true, Limit: 2}
	for {
		items, err := store.Items(ctx, page)
		if err != nil {
			log.Fatal(err)
		}
		if len(items) == 0 {
			break
		}
		for _, item := range items {
			fmt.Println(item.Key, item.Value)
		}
		page.Before = items[len(items)-1].Key
	}
	// Output:
	// log:*:0002 answered
	// log:*:0001 asked
	// log:*:0000 started
}

// A new value for a session that ends when it would have ended anyway.
func ExampleHandle_Set_keepTTL() {
	r := extlibs.NewRegistry()
	defer r.Close()
	ctx, store := context.Background(), r.Default()
	if err := store.Set(ctx, "session:1", "ann", time.Hour); err != nil {
		log.Fatal(err)
	}
	if err := store.Set(ctx, "session:1", "ann, admin", extlibs.KeepTTL); err != nil {
		log.Fatal(err)
	}
	left, err := store.TTL(ctx, "session:1")
	fmt.Println(left.Round(time.Minute), err)
	// Output: 1h0m0s <nil>
}

// Structs of several keys; errors name the key and the field that does not fit.
func ExampleAll() {
	type user struct {
		Name string `cbor:"name"`
		Age  int    `cbor:"age"`
	}
	h, ctx := extlibs.NewRegistry().Default(), context.Background()
	for key, u := range map[string]user{"user:1": {"ann", 41}, "user:2": {"bob", 17}} {
		if _, err := extlibs.Add(ctx, h, key, u, 0); err != nil {
			log.Fatal(err)
		}
	}
	if err := h.Set(ctx, "user:0", map[string]any{"name": "eve", "age": "unknown"}, 0); err != nil {
		log.Fatal(err)
	}
	for item, err := range extlibs.All[user](ctx, h, extlibs.ListOptions{Prefix: "user:", Reverse: true}) {
		fmt.Println(item.Key, item.Value.Name, err)
	}
	// Output:
	// user:2 bob <nil>
	// user:1 ann <nil>
	//   kv.all: store "default", key "user:0": the value does not fit into extlibs_test.user: field Age: it has a str where the type has int
}
