package main

import (
	"strings"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
	"github.com/scriptling-kv/extlibs/internal/literal"
	"github.com/spf13/cobra"
)

// keyForm is the part of a command's help about its KEY arguments.
const keyForm = `A KEY that begins with " is a quoted string, in the form in which keys prints keys with special characters; with
--json it is a JSON string.`

// parseKey returns the key given by an argument: the text itself, or a quoted string in the form
// in which keys prints it.
func parseKey(cmd *cobra.Command, arg string) (string, error) {
	if !utf8.ValidString(arg) {
		return "", usageError("the key %.128q is not valid UTF-8; every key must be", arg)
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
		return "", usageError(`the key %.128q begins with a quotation mark but is not a quoted string; write it as keys prints it, as in '"\"x"' for the key "x`, arg)
	}
	return key, nil
}

// parseJSON returns the value of a JSON text in the notation of exports.
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
