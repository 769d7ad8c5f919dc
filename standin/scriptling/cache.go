package scriptling

import (
	"fmt"
	"sync"

	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/eval"
	"github.com/paularlott/scriptling/internal/parser"
)

// Limits of the cache of parsed programs.
const (
	maxCachedPrograms = 512
	maxCachedBytes    = 4 << 20
)

// programs caches parsed programs by source text for the whole process. Interpreters
// share them, and, as in the published interpreter, the table of names with them: it
// belongs to the first program of an interpreter, and each later one adds to it.
var programs = programCache{entries: map[string]*ast.Program{}}

type programCache struct {
	mu      sync.Mutex
	entries map[string]*ast.Program
	bytes   int // length of all cached sources
}

// parse returns the program of a source text.
func parse(source string) (*ast.Program, error) {
	if prog := programs.get(source); prog != nil {
		return prog, nil
	}
	prog, messages := parser.Parse(source)
	if len(messages) > 0 {
		return nil, fmt.Errorf("parser errors: %v", messages)
	}
	eval.Prepare(prog)
	prog.Names = &ast.Names{Index: map[string]int{}}
	programs.put(source, prog)
	return prog, nil
}

func (c *programCache) get(source string) *ast.Program {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[source]
}

// put adds a program and drops arbitrary others that no longer fit.
func (c *programCache) put(source string, prog *ast.Program) {
	if len(source) > maxCachedBytes/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[source]; ok {
		return
	}
	for old := range c.entries {
		if len(c.entries) < maxCachedPrograms && c.bytes+len(source) <= maxCachedBytes {
			break
		}
		delete(c.entries, old)
		c.bytes -= len(old)
	}
	c.entries[source] = prog
	c.bytes += len(source)
}
