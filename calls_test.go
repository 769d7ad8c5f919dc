package extlibs_test

import "strings"

// contractCalls are the calls that the contract promises. The tests must not
// take them from the code, which could lose one of them unnoticed.
var contractCalls = []contractCall{
	{"open", []contractParam{{"name", "", `":memory:y"`}}},
	{"set", []contractParam{{"key", "", `"key"`}, {"value", "", "1"}, {"ttl", "0", "60"}}},
	{"get", []contractParam{{"key", "", `"key"`}, {"default", "None", "5"}}},
	{"delete", []contractParam{{"key", "", `"key"`}}},
	{"exists", []contractParam{{"key", "", `"key"`}}},
	{"ttl", []contractParam{{"key", "", `"key"`}}},
	{"keys", []contractParam{{"pattern", `"*"`, `"k*"`}, {"limit", "0", "1"}, {"after", `""`, `"a"`}}},
	{"clear", nil},
	{"close", nil},
	{"incr", []contractParam{{"key", "", `"key"`}, {"delta", "1", "2"}, {"ttl", "0", "60"}}},
	{"add", []contractParam{{"key", "", `"key"`}, {"value", "", "1"}, {"ttl", "0", "60"}}},
	{"update", []contractParam{{"key", "", `"key"`}, {"fn", "", "lambda v: v"}, {"default", "None", "5"}}},
	{"get_or_set", []contractParam{{"key", "", `"key"`}, {"fn", "", "lambda: 1"}, {"ttl", "0", "60"}}},
	{"pop", []contractParam{{"key", "", `"key"`}, {"default", "None", "5"}}},
	{"expire", []contractParam{{"key", "", `"key"`}, {"ttl", "", "60"}}},
	{"items", []contractParam{{"pattern", `"*"`, `"k*"`}, {"limit", "0", "1"}, {"after", `""`, `"a"`}}},
	{"count", []contractParam{{"pattern", `"*"`, `"k*"`}}},
	{"get_many", []contractParam{{"keys", "", `["key"]`}}},
	{"set_many", []contractParam{{"dict", "", `{"key": 1}`}, {"ttl", "0", "60"}}},
	{"delete_many", []contractParam{{"keys", "", `["key"]`}}},
}

type contractCall struct {
	name   string
	params []contractParam
}

type contractParam struct {
	name     string
	fallback string // "": required
	example  string // an argument that fits
}

func (c contractCall) signature() string {
	parts := make([]string, len(c.params))
	for i, p := range c.params {
		parts[i] = p.name
		if p.fallback != "" {
			parts[i] += "=" + p.fallback
		}
	}
	return c.name + "(" + strings.Join(parts, ", ") + ")"
}

func (c contractCall) examples() []string {
	examples := make([]string, len(c.params))
	for i, p := range c.params {
		examples[i] = p.example
	}
	return examples
}
