package main

import (
	"strings"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
	"github.com/scriptling-kv/extlibs/internal/literal"
	"github.com/spf13/cobra"
)

// keyForm is what the help of commands that take keys says about them.
const keyForm = `A KEY that begins with " is a quoted text, as keys prints keys that a line cannot hold; with --json it is a
text of JSON.`

// parseKey returns the key that an argument means: the text itself, or a quoted one, in
// the form in which keys prints it.
func parseKey(cmd *cobra.Command, arg string) (string, error) {
	if !utf8.ValidString(arg) {
		return "", usageError("the key %.128q is not valid UTF-8, as every key is", arg)
	}
	if !strings.HasPrefix(arg, `"`) {
		return arg, nil
	}
	v, err := literal.Parse(arg)
	if wantsJSON(cmd) {
		v, err = parseJSON(cmd, arg)
	}
	key, ok := v.(string)
	if err != nil || !ok {
		return "", usageError(`the key %.128q begins with a quotation mark, but is no quoted text; quote it as keys prints it, as in '"\"x"' for the key "x`, arg)
	}
	return key, nil
}

// parseJSON returns the value of a JSON text, as an export has it.
func parseJSON(cmd *cobra.Command, text string) (any, error) {
	raw, err := jsonl.ParseValue([]byte(text))
	if err != nil {
		return nil, err
	}
	return extlibs.RawValue(raw).DecodeWithin(cmd.Context(), decodeBytes)
}

// parseKeys is parseKey for several keys.
func parseKeys(cmd *cobra.Command, args []string) ([]string, error) {
	keys := make([]string, len(args))
	for i, arg := range args {
		var err error
		if keys[i], err = parseKey(cmd, arg); err != nil {
			return nil, err
		}
	}
	return keys, nil
}
