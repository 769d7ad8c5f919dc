package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
	"github.com/scriptling-kv/extlibs/internal/literal"
	"github.com/spf13/cobra"
)

func writeCommands() []*cobra.Command {
	return []*cobra.Command{setCommand(), delCommand(), expireCommand()}
}

func setCommand() *cobra.Command {
	var text bool
	var ttl string
	cmd := &cobra.Command{
		Use:   "set STORE KEY VALUE",
		Short: "Store a value",
		Long: `Stores a value given as a script literal: 42, 1.5, "text", [1, 2], {"user": "bob"}, None.
With --text VALUE is stored as plain text, with --json it is parsed as JSON. If VALUE is -, it is read from standard
input. Without --ttl the key does not expire, even if it did before.
` + keyForm,
		Example: `  scriptling-kv set app.db limit 100
  scriptling-kv set app.db greeting --text 'Hello there'
  scriptling-kv set app.db balance -- -5
  scriptling-kv set app.db session:abc '{"user": "bob"}' --ttl 1h`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			source := args[2]
			if source == "-" {
				stdin := &interruptible{ctx: cmd.Context(), r: cmd.InOrStdin()}
				b, err := io.ReadAll(io.LimitReader(stdin, maxInputBytes+1))
				if err != nil {
					return err
				}
				if len(b) > maxInputBytes {
					return usageError("the value on standard input is larger than %d bytes, the limit; store a smaller one", maxInputBytes)
				}
				source = string(b)
			}
			var value any = source
			var err error
			switch {
			case text && wantsJSON(cmd):
				return usageError("use --text or --json, not both")
			case text && !utf8.ValidString(source):
				return usageError(`VALUE is not valid UTF-8; to store other bytes, omit --text and write them as "\xNN"`)
			case wantsJSON(cmd):
				value, err = parseJSON(cmd, source)
			case !text:
				value, err = literal.Parse(source)
			}
			if err != nil {
				return usageError("VALUE: %w; use --text to store it as plain text", err)
			}
			d, err := parseTTL(ttl)
			if err != nil {
				return err
			}
			key, err := parseKey(cmd, args[1])
			if err != nil {
				return err
			}
			return withStore(cmd, args[0], creates, func(h *extlibs.Handle) error {
				return h.Set(cmd.Context(), key, value, d)
			})
		},
	}
	cmd.Flags().BoolVar(&text, "text", false, "store VALUE as plain text")
	cmd.Flags().StringVar(&ttl, "ttl", "0", "time to live, such as 90s or 24h, or a number of seconds; 0 means no expiry")
	return cmd
}

// maxInputBytes limits a value on standard input. Stores accept less by default.
const maxInputBytes = 64 << 20

// parseTTL parses a number of seconds, as in scripts, or a duration. As in scripts, a shorter
// ttl than a millisecond is rounded up, and only 0 means no expiry.
func parseTTL(s string) (time.Duration, error) {
	if d, ok := jsonl.ParseSeconds(s); ok {
		return d, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > extlibs.MaxTTL {
		return 0, usageError("ttl is %.40q; use a duration such as 90s or 24h, or a number of seconds, from 0 (no expiry) to 100 years", s)
	}
	if d == 0 && strings.ContainsAny(s, "123456789") { // less than a nanosecond
		return extlibs.MinTTL, nil
	}
	return jsonl.Storable(d), nil
}

func delCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "del STORE KEY...",
		Short:   "Remove keys",
		Long:    "Removes keys atomically and prints how many existed.\n" + keyForm,
		Example: `  scriptling-kv del app.db session:abc session:def`,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := parseKeys(cmd, args[1:])
			if err != nil {
				return err
			}
			return withStore(cmd, args[0], changes, func(h *extlibs.Handle) error {
				n, err := h.DeleteMany(cmd.Context(), keys)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), n)
				return err
			})
		},
	}
}

func expireCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "expire STORE KEY TTL",
		Short: "Give a key a new time to live",
		Long:  "Gives a key a new time to live; 0 makes it permanent. Exit status 3 if the key does not exist.\n" + keyForm,
		Example: `  scriptling-kv expire app.db session:abc 24h
  scriptling-kv expire app.db session:abc 0`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			ttl, err := parseTTL(args[2])
			if err != nil {
				return err
			}
			return withKey(cmd, args, changes, func(h *extlibs.Handle, key string) error {
				there, err := h.Expire(cmd.Context(), key, ttl)
				if err == nil && !there {
					err = extlibs.ErrNotFound
				}
				return err
			})
		},
	}
}
