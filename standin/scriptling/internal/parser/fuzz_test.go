package parser

import (
	"strconv"
	"strings"
	"testing"
)

// FuzzParser checks that any text either parses or gives a message with a line.
func FuzzParser(f *testing.F) {
	for _, src := range scripts(f) {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(*Crash); !ok {
					panic(r)
				}
			}
		}()
		prog, messages := Parse(src)
		if (prog == nil) != (len(messages) > 0) {
			t.Fatalf("program %v together with messages %v", prog != nil, messages)
		}
		for _, message := range messages {
			number, _, _ := strings.Cut(strings.TrimPrefix(message, "line "), ":")
			line, err := strconv.Atoi(number)
			if err != nil || line < 1 || line > strings.Count(src, "\n")+1 {
				t.Fatalf("message %q does not name a line of the source", message)
			}
		}
	})
}
