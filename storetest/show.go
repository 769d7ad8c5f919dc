package storetest

import (
	"fmt"
	"strings"

	"github.com/scriptling-kv/extlibs"
)

// name and show keep long keys and values out of messages.
func name(key string) string { return quote(key) }

func show(v extlibs.Value) string {
	if v.IsZero() {
		return "nothing"
	}
	if v.Len() <= 64 {
		if decoded, err := v.Decode(); err == nil {
			return quote(decoded)
		}
	}
	return quote(v.Raw())
}

func describe(op extlibs.Op) string {
	kinds := []string{"no operation", "set", "add", "swap", "swap with a ttl", "delete", "delete-if", "expire", "incr", "incr of ints", "check"}
	kind := "unknown operation"
	if int(op.Kind) < len(kinds) {
		kind = kinds[op.Kind]
	}
	parts := []string{kind, name(op.Key)}
	if !op.Value.IsZero() {
		parts = append(parts, "value "+show(op.Value))
	}
	if op.Kind == extlibs.OpSwap || op.Kind == extlibs.OpSwapTTL || op.Kind == extlibs.OpDeleteIf || op.Kind == extlibs.OpCheck {
		parts = append(parts, "old "+show(op.Old))
	}
	if op.TTL != 0 {
		parts = append(parts, "ttl "+op.TTL.String())
	}
	if op.Must {
		parts = append(parts, "must")
	}
	return strings.Join(parts, " ")
}

const quoteBytes = 60

// quote shows a value in a message, the start of it if it is long.
func quote(v any) string {
	s, isString := v.(string)
	switch {
	case !isString:
		return fmt.Sprintf("%v", v)
	case len(s) > quoteBytes:
		return fmt.Sprintf("%q... (%d bytes)", s[:quoteBytes], len(s))
	}
	return fmt.Sprintf("%q", s)
}
