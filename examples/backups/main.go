// Command backups is a host that makes a backup of its store in each period, keeps the newest
// backups, and when it starts restores the last one to an empty store. Package rotation, which
// does that, works on stores in memory, in files and on servers.
//
//	go run ./examples/backups [-store :memory:app] [-dir backups] [-every 10s] [-keep 5]
//
// Stop it with Ctrl-C and run it again: although the store is in memory, its count of runs
// continues. A host that imports redisstore can also give the URL of a server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/examples/backups/rotation"
)

type config struct {
	store, dir string
	every      time.Duration
	keep       int
}

func main() {
	var c config
	flag.StringVar(&c.store, "store", ":memory:app", "`name` of the store: :memory:NAME, or the path of a file")
	flag.StringVar(&c.dir, "dir", "backups", "`folder` of the backups")
	flag.DurationVar(&c.every, "every", 10*time.Second, "`period` of the backups")
	flag.IntVar(&c.keep, "keep", 5, "`number` of backups to keep")
	flag.Parse()
	if c.every <= 0 {
		log.Fatal("-every must be longer than 0")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := host(ctx, c, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// host runs until ctx ends.
func host(ctx context.Context, c config, w io.Writer) (err error) {
	folder, err := rotation.New(c.dir, c.keep)
	if err != nil {
		return err
	}
	registry := extlibs.NewRegistry()
	defer func() { err = errors.Join(err, registry.Close()) }()
	store, err := registry.Open(ctx, c.store)
	if err != nil {
		return err
	}
	if err := restoreLast(ctx, folder, store, w); err != nil {
		return err
	}
	runs, err := store.Incr(ctx, "runs", 1, 0)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "run %v\n", runs)

	var backups sync.WaitGroup
	backups.Go(func() { folder.Every(ctx, c.every, store, slog.Default()) })
	<-ctx.Done() // a real host serves requests meanwhile
	backups.Wait()

	path, err := folder.Backup(context.WithoutCancel(ctx), store) // what changed since the last one
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "backed up to %s\n", path)
	return nil
}

// restoreLast restores the newest backup, if there is one and the store is empty.
func restoreLast(ctx context.Context, folder *rotation.Folder, store *extlibs.Handle, w io.Writer) error {
	backups, err := folder.List()
	if err != nil || len(backups) == 0 {
		return err
	}
	if n, err := store.Count(ctx, ""); err != nil || n > 0 {
		return err
	}
	last := backups[len(backups)-1]
	n, err := rotation.Restore(ctx, store, last)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "restored %d keys from %s\n", n, last)
	return nil
}
