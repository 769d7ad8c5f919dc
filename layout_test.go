package extlibs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The parts of the package, by the prefixes of their files, and the parts whose names
// they use.
var parts = map[string]struct {
	prefixes []string
	uses     []string
}{
	"store":    {[]string{"store", "op", "value", "errors", "options", "stats", "budget", "doc"}, nil},
	"backend":  {[]string{"backend", "sweeper"}, []string{"store"}},
	"handle":   {[]string{"handle"}, []string{"store"}},
	"registry": {[]string{"registry"}, []string{"handle", "backend", "store"}},
	"script":   {[]string{"script"}, []string{"registry", "handle", "store"}},
	"register": {[]string{"register"}, []string{"script", "registry", "handle", "store"}},
}

func partOf(file string) string {
	name := strings.TrimSuffix(file, ".go")
	for part, p := range parts {
		if slices.ContainsFunc(p.prefixes, func(prefix string) bool { return name == prefix || strings.HasPrefix(name, prefix+"_") }) {
			return part
		}
	}
	return ""
}

// No file uses a name of a part above its own, so that each part can be read without
// those above it.
func TestTheFilesOfThePackageUseOnlyPartsBelowThem(t *testing.T) {
	fset := token.NewFileSet()
	files := parseDir(t, fset)
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", exportData(t))}
	pkg, err := config.Check("github.com/scriptling-kv/extlibs", fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	fileOf := func(p token.Pos) string { return filepath.Base(fset.Position(p).Filename) }
	upward, uses := map[string]bool{}, 0
	for ident, object := range info.Uses {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			continue
		}
		from, to := fileOf(ident.Pos()), fileOf(object.Pos())
		a, b := partOf(from), partOf(to)
		if a == "" || b == "" {
			upward[fmt.Sprintf("%s or %s belongs to no part", from, to)] = true
		} else if a != b {
			uses++
			if !slices.Contains(parts[a].uses, b) {
				upward[fmt.Sprintf("%s (%s) uses %s of %s (%s)", from, a, object.Name(), to, b)] = true
			}
		}
	}
	for _, s := range slices.Sorted(maps.Keys(upward)) {
		t.Error(s)
	}
	if uses < 500 {
		t.Errorf("only %d uses of other parts were found", uses)
	}
}

// The map in the package's comment names each prefix.
func TestTheMapOfThePackageNamesAllOfItsFiles(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, fileMap, _ := strings.Cut(string(doc), "# Files")
	for _, p := range parts {
		for _, prefix := range p.prefixes {
			if prefix != "doc" && !strings.Contains(fileMap, "\t"+prefix) {
				t.Errorf("doc.go does not say what the files %s* are", prefix)
			}
		}
	}
}

func parseDir(t *testing.T, fset *token.FileSet) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// exportData returns what the go command knows of the packages that this one imports.
func exportData(t *testing.T) importer.Lookup {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
}
