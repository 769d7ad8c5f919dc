package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
	"github.com/scriptling-kv/extlibs/internal/literal"
	"github.com/spf13/cobra"
)

func readCommands() []*cobra.Command {
	commands := []*cobra.Command{keysCommand(), getCommand(), ttlCommand(), countCommand(), statCommand(), topCommand()}
	for _, cmd := range commands {
		addLiveFlag(cmd)
	}
	return append(commands, storesCommand())
}

// wantsJSON reports whether the command has the flag --json.
func wantsJSON(cmd *cobra.Command) bool {
	v, err := cmd.Flags().GetBool("json")
	return v && err == nil
}

func keysCommand() *cobra.Command {
	var s selection
	var null bool
	cmd := &cobra.Command{
		Use:   "keys STORE",
		Short: "List the keys, sorted, one per line",
		Long: `Lists the keys, sorted, one per line. A key with a line break, or with characters that a terminal would interpret, is
quoted; get, set, del, ttl and expire accept it in this form. With -0 each key is printed unchanged and followed by a
zero byte.`,
		Example: `  scriptling-kv keys app.db
  scriptling-kv keys app.db --prefix user: --limit 100
  scriptling-kv keys app.db --pattern 'session:{a,b}*' --json
  scriptling-kv keys app.db --live   # while a program has it open
  scriptling-kv keys app.db --prefix tmp: -0 | xargs -0 -r scriptling-kv del app.db --`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if null && wantsJSON(cmd) {
				return usageError("use -0 or --json, not both")
			}
			return withStore(cmd, args[0], reads, func(h *extlibs.Handle) error {
				out := bufio.NewWriter(cmd.OutOrStdout())
				err := eachKey(cmd, h, s.options(), func(key string) error {
					if null {
						_, err := out.WriteString(key + "\x00")
						return err
					}
					return printKey(out, wantsJSON(cmd), key)
				})
				return errors.Join(err, out.Flush())
			})
		},
	}
	s.flags(cmd, true)
	cmd.Flags().BoolVarP(&null, "null", "0", false, "end each key with a zero byte and quote no key, for xargs -0")
	return cmd
}

// keysPage is the number of keys that are read at once.
const keysPage = 10_000

// eachKey calls fn for the keys that o selects, page by page.
func eachKey(cmd *cobra.Command, h *extlibs.Handle, o extlibs.ListOptions, fn func(string) error) error {
	left := o.Limit
	for {
		o.Limit = keysPage
		if left > 0 {
			o.Limit = min(left, keysPage)
		}
		keys, err := h.Keys(cmd.Context(), o)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := fn(key); err != nil {
				return err
			}
		}
		if len(keys) < o.Limit || left > 0 && left == len(keys) {
			return nil
		}
		if left > 0 {
			left -= len(keys)
		}
		nextPage(&o, keys[len(keys)-1])
	}
}

// printKey prints a key on a line, or as JSON.
func printKey(w io.Writer, asJSON bool, key string) error {
	text := shownKey(key)
	if asJSON {
		text = string(jsonl.AppendString(nil, key))
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// shownKey returns the key unchanged, or quoted if it contains a line break or characters that
// a terminal would interpret. parseKey reads both forms.
func shownKey(key string) string {
	if quoted := literal.Format(key); quoted != `"`+key+`"` || strings.HasPrefix(key, `"`) {
		return quoted
	}
	return key
}

func getCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "get STORE KEY",
		Short: "Print the value of a key",
		Long:  "Prints the value of a key as a script literal. Exit status 3 if the key does not exist.\n" + keyForm,
		Example: `  scriptling-kv get app.db user:1
  scriptling-kv get app.db user:1 --json | jq .name`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKey(cmd, args, reads, func(h *extlibs.Handle, key string) error {
				v, err := h.Get(cmd.Context(), key)
				if err != nil {
					return err
				}
				return printValue(cmd, v)
			})
		},
	}
}

func printValue(cmd *cobra.Command, v any) error {
	text := literal.Format(v)
	if wantsJSON(cmd) {
		b, err := asJSON(v)
		if err != nil {
			return err
		}
		text = string(b)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

// asJSON returns a value in the notation of exports.
func asJSON(v any) ([]byte, error) {
	e, err := extlibs.Encode(v)
	if err != nil {
		return nil, err
	}
	return jsonl.AppendValue(nil, e.Raw())
}

// withKey runs fn on the store and the key that the first two arguments name. ErrNotFound
// becomes an error with the exit status for an absent key.
func withKey(cmd *cobra.Command, args []string, a access, fn func(h *extlibs.Handle, key string) error) error {
	key, err := parseKey(cmd, args[1])
	if err != nil {
		return err
	}
	return withStore(cmd, args[0], a, func(h *extlibs.Handle) error {
		err := fn(h, key)
		if errors.Is(err, extlibs.ErrNotFound) {
			return &exitError{exitNoKey, fmt.Errorf("there is no key %.128q", key)}
		}
		return err
	})
}

func ttlCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "ttl STORE KEY",
		Short:   "Print the remaining time to live of a key",
		Long:    "Prints the remaining time to live of a key, such as 59m59.5s (with --json: in seconds), or \"none\" if the key does\nnot expire. Exit status 3 if the key does not exist.\n" + keyForm,
		Example: `  scriptling-kv ttl app.db session:abc`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKey(cmd, args, reads, func(h *extlibs.Handle, key string) error {
				left, err := h.TTL(cmd.Context(), key)
				if err != nil {
					return err
				}
				switch {
				case wantsJSON(cmd) && left == 0:
					_, err = fmt.Fprintln(cmd.OutOrStdout(), "null")
				case wantsJSON(cmd):
					_, err = fmt.Fprintln(cmd.OutOrStdout(), left.Seconds())
				case left == 0:
					_, err = fmt.Fprintln(cmd.OutOrStdout(), "none")
				default:
					_, err = fmt.Fprintln(cmd.OutOrStdout(), left.Round(time.Millisecond))
				}
				return err
			})
		},
	}
}

func countCommand() *cobra.Command {
	var s selection
	cmd := &cobra.Command{
		Use:   "count STORE",
		Short: "Print the number of keys",
		Example: `  scriptling-kv count app.db
  scriptling-kv count app.db --prefix user:`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, args[0], reads, func(h *extlibs.Handle) error {
				n, err := countKeys(cmd, h, s.options())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), n)
				return err
			})
		},
	}
	s.flags(cmd, false)
	return cmd
}

func statCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "stat STORE",
		Short:   "Print the number of keys and the size of a store",
		Long:    "Prints the number of live keys and the size of the file in bytes. The size of a store on a server is unknown.",
		Example: `  scriptling-kv stat app.db`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, args[0], reads, func(h *extlibs.Handle) error {
				s, err := h.Stats(cmd.Context())
				if err != nil {
					return err
				}
				stat := struct {
					Store string `json:"store"`
					Keys  int64  `json:"keys"`
					Bytes *int64 `json:"bytes"` // null: unknown
				}{Store: h.Name(), Keys: s.Keys}
				if !isURL(args[0]) {
					if stat.Store, err = filepath.Abs(args[0]); err != nil {
						return err
					}
					info, err := os.Stat(args[0])
					if err != nil {
						return err
					}
					s.Bytes = info.Size()
				}
				bytes := "unknown"
				if s.Bytes >= 0 {
					stat.Bytes, bytes = &s.Bytes, strconv.FormatInt(s.Bytes, 10)
				}
				return printResult(cmd, stat, fmt.Sprintf("store  %s\nkeys   %d\nbytes  %s", printable(stat.Store), stat.Keys, bytes))
			})
		},
	}
}
