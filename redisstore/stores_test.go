package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore"
)

func TestStoresListsTheStoresAndMakesNone(t *testing.T) {
	server := startServer(t)
	base := server.url("nosuch")
	if stores, err := redisstore.Stores(t.Context(), base); err != nil || len(stores) > 0 {
		t.Fatalf("%v, %v", stores, err)
	}
	listsStores(t, func(name string) string { return server.url(name) })
}

func TestStoresListsTheStoresOfEachNodeOfACluster(t *testing.T) {
	addr := startCluster(t)
	if addr == "" {
		t.Skip("no redis-server or valkey-server on PATH")
	}
	listsStores(t, func(name string) string { return "redis://" + addr + "/0/" + name })
}

func listsStores(t *testing.T, url func(name string) string) {
	t.Helper()
	want := []redisstore.StoreInfo{}
	prefix := newName() + "-"
	for i := range 20 {
		s := open(t, url(fmt.Sprint(prefix, i)))
		for k := range i {
			if _, err := s.Apply(t.Context(), extlibs.Op{Kind: extlibs.OpSet, Key: fmt.Sprint(k), Value: extlibs.RawValue("\x01")}); err != nil {
				t.Fatal(err)
			}
		}
		want = append(want, redisstore.StoreInfo{Name: fmt.Sprint(prefix, i), Keys: int64(i)})
	}
	slices.SortFunc(want, func(a, b redisstore.StoreInfo) int { return strings.Compare(a.Name, b.Name) })
	got, err := redisstore.Stores(t.Context(), url("nosuch"))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for name, exists := range map[string]bool{prefix + "0": true, prefix + "3": true, "nosuch": false} {
		if got, err := redisstore.Exists(t.Context(), url(name)); err != nil || got != exists {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestStoresRefusesWhatItCannotRead(t *testing.T) {
	const password = "hunter2"
	for _, url := range []string{"", "http://host/0", "redis://u:" + password + "@h:bad/", "redis://u:" + password + "@host/0/x?nosuch=1", "redis:///0"} {
		_, err := redisstore.Stores(t.Context(), url)
		if !errors.Is(err, extlibs.ErrInvalid) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := redisstore.Stores(t.Context(), "redis://u:"+password+"@127.0.0.1:1/"); !errors.Is(err, extlibs.ErrUnavailable) || strings.Contains(err.Error(), password) {
		t.Error(err)
	}
}
