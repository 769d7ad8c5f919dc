package extlibs_test

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// linked returns the modules that a package links, without those of this repository.
func linked(t *testing.T, module string) (modules []string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
	cmd.Dir = module
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if !strings.HasPrefix(path, "github.com/scriptling-kv/") && !slices.Contains(modules, path) {
			modules = append(modules, path)
		}
	}
	return modules
}

// The page has every module that a host gets, and no other.
func TestThePageOfDependenciesIsComplete(t *testing.T) {
	var listed []string
	for _, row := range tableCode(t, "docs/dependencies.md", 0) {
		if name := strings.Fields(row[0])[0]; strings.Contains(name, ".") && strings.Contains(name, "/") {
			listed = append(listed, name)
		}
	}
	root := linked(t, ".")
	for _, m := range root {
		if !slices.Contains(listed, m) {
			t.Errorf("docs/dependencies.md lacks %s", m)
		}
	}
	if len(listed) != len(root) || len(root) < 5 {
		t.Errorf("docs/dependencies.md lists %q; the root links %q", listed, root)
	}
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	check, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	_, targets, _ := strings.Cut(string(check), "for target in ")
	targets, _, _ = strings.Cut(targets, ";")
	for target := range strings.FieldsSeq(targets) {
		if !strings.Contains(string(page), target) {
			t.Errorf("docs/dependencies.md does not say that .ci/run checks %s", target)
		}
	}
	for _, module := range []string{"redisstore", "kvadmin"} {
		for _, m := range linked(t, module) {
			if !slices.Contains(root, m) {
				t.Errorf("%s adds %s", module, m)
			}
		}
	}
}

// exported returns the exported declarations of the packages that hosts import, a line
// each: functions, methods, constants and variables, and types with their exported fields
// and methods.
func exported(t *testing.T) (lines []string) {
	t.Helper()
	for _, dir := range []string{".", "scripthost", "scriptweb", "storetest", "redisstore", "kvadmin", "kvprom"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if !ast.FileExports(file) {
				continue
			}
			ast.Inspect(file, withoutParameterNames)
			for _, d := range file.Decls {
				if f, is := d.(*ast.FuncDecl); is {
					f.Body = nil
				}
				for _, line := range lineOf(t, fset, d) {
					lines = append(lines, file.Name.Name+": "+line)
				}
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// withoutParameterNames drops the names of parameters, which callers do not see.
func withoutParameterNames(n ast.Node) bool {
	f, is := n.(*ast.FuncType)
	if !is {
		return true
	}
	for _, list := range []*ast.FieldList{f.Params, f.Results} {
		if list == nil {
			continue
		}
		var unnamed []*ast.Field
		for _, field := range list.List {
			for range max(1, len(field.Names)) {
				unnamed = append(unnamed, &ast.Field{Type: field.Type})
			}
		}
		list.List = unnamed
	}
	return true
}

// lineOf returns a declaration, or each specification and each member of one, in a line.
func lineOf(t *testing.T, fset *token.FileSet, d ast.Decl) (lines []string) {
	t.Helper()
	text := func(node any) string {
		var b bytes.Buffer
		if err := format.Node(&b, fset, node); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(b.String()), " ")
	}
	g, is := d.(*ast.GenDecl)
	if !is {
		return []string{text(d)}
	}
	members := func(prefix string, list *ast.FieldList) {
		for _, f := range list.List {
			for _, name := range f.Names {
				lines = append(lines, prefix+" "+name.Name+" "+text(f.Type))
			}
		}
	}
	for _, spec := range g.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			switch of := s.Type.(type) {
			case *ast.StructType:
				lines = append(lines, "type "+s.Name.Name+" struct")
				members("type "+s.Name.Name+" field", of.Fields)
			case *ast.InterfaceType:
				lines = append(lines, "type "+s.Name.Name+" interface")
				members("type "+s.Name.Name+" method", of.Methods)
			default:
				lines = append(lines, "type "+text(s))
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				lines = append(lines, g.Tok.String()+" "+name.Name)
			}
		}
	}
	return lines
}

const apiFile = "testdata/api.txt"

// Nothing that was exported disappears or changes. To add what is new to the file, or to
// change something on purpose, run the test with KV_UPDATE_API=1.
func TestTheGoAPIStays(t *testing.T) {
	now := exported(t)
	if os.Getenv("KV_UPDATE_API") != "" {
		if err := os.WriteFile(apiFile, []byte(strings.Join(now, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(apiFile)
	if err != nil {
		t.Fatal(err)
	}
	before := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range before {
		if !slices.Contains(now, line) {
			t.Errorf("no longer exported: %s", line)
		}
	}
	if len(before) < 300 {
		t.Errorf("only %d declarations in %s", len(before), apiFile)
	}
}
