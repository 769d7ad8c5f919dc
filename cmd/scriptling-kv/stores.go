package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/scriptling-kv/extlibs/cmd/scriptling-kv/internal/remote"
	"github.com/scriptling-kv/extlibs/redisstore"
	"github.com/spf13/cobra"
)

// listed is a store in the JSON output of stores.
type listed struct {
	Name string `json:"name"`
	Keys int64  `json:"keys"`
}

func storesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stores URL",
		Short: "List the stores on a server, and how many keys they have",
		Long: `Lists the stores in a database of a server, one per line: the number of keys, or -1 if it is unknown, and the name. In
the URL of a store, the name follows the number of the database. The command scans all keys of the database in small
steps. Given the URL at which a running host mounts kvadmin, it lists the stores that the host has open.`,
		Example: `  scriptling-kv stores redis://localhost:6379/0
  scriptling-kv stores http://localhost:8080/debug/kv/
  scriptling-kv stores redis://localhost:6379/0 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			stores, err := storesOn(cmd, args[0])
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), stores)
			}
			for _, s := range stores {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%d\t%s\n", s.Keys, shownKey(s.Name)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func storesOn(cmd *cobra.Command, name string) ([]listed, error) {
	if err := cmd.Context().Err(); err != nil {
		return nil, err
	}
	if !isURL(name) {
		return nil, usageError("stores needs the URL of a server or of a running host")
	}
	if remote.Is(name) {
		found, err := remote.Stores(cmd.Context(), name)
		stores := make([]listed, len(found))
		for i, s := range found {
			stores[i] = listed{Name: s.ID, Keys: s.Keys}
		}
		return stores, err
	}
	if !isRedis(name) {
		return nil, usageError("the stores of %.20q cannot be listed; give the URL of a Redis or Valkey server, or of a running host's kvadmin", schemeOf(name)+"://")
	}
	found, err := redisstore.Stores(cmd.Context(), name)
	if err != nil {
		return nil, err
	}
	stores := make([]listed, len(found))
	for i, s := range found {
		stores[i] = listed(s)
	}
	return stores, nil
}

func schemeOf(name string) string {
	scheme, _, _ := strings.Cut(name, "://")
	return strings.ToLower(scheme)
}

func isRedis(name string) bool {
	switch schemeOf(name) {
	case "redis", "rediss", "valkey", "valkeys", "redis+unix":
		return true
	}
	return false
}

// maxNamed limits the stores that the error for an absent one names.
const maxNamed = 10

// existsOn returns an error if the server has no store of that name: opening it would
// create an empty one.
func existsOn(ctx context.Context, name string) error {
	if !isRedis(name) {
		return nil
	}
	there, err := redisstore.Exists(ctx, name)
	if err != nil || there {
		return err
	}
	stores, err := redisstore.Stores(ctx, name)
	text := "the server has none in this database"
	switch {
	case err != nil: // no permission to list them
		text = "check its name"
	case len(stores) > 0:
		var names []string
		for _, s := range stores[:min(maxNamed, len(stores))] {
			names = append(names, fmt.Sprintf("%.128q", s.Name))
		}
		text = "the server has " + strings.Join(names, ", ")
		if more := len(stores) - len(names); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
	}
	return fmt.Errorf("there is no store %s; %s", shownStore(name), text)
}

// shownStore returns a URL without its user and query, which can be secret.
func shownStore(name string) string {
	u, err := url.Parse(name)
	if err != nil {
		return "of this URL"
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if q := u.Query(); u.Scheme == "redis+unix" && q.Has("name") {
		return shown.String() + "?name=" + url.QueryEscape(q.Get("name"))
	}
	return shown.String()
}
