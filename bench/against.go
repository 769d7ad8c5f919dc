package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// What -against runs unless -run and -only say otherwise: the calls that must not become
// slower, and two figures that no commit of this repository changes. Their ratios show how
// noisy the machine is.
const (
	againstRows   = `^memory/(string|dict)/(get|set)/1$|^memory/string/mix/8$|^disk/string/get/1$|^durable/set/(1|64)$|^script/(scalar|dict)/`
	againstStores = `^kv|^raw fdatasync$|^no-op builtin$`
)

// against compares two versions of the library. It builds this benchmark with each of them
// and alternates between the two programs.
type against struct {
	bench    string   // folder of the benchmark, in the repository
	versions string   // REV, or OLD..NEW
	pairs    int      // runs of each version
	args     []string // of each run
	tmp      string
	stderr   io.Writer
}

// program is the benchmark, built with one version of the library.
type program struct {
	version string // as git describes it
	path    string
}

// run measures and returns the comparison as Markdown.
func (a *against) run(ctx context.Context) (text string, err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt) // so that worktrees are removed
	defer stop()
	oldRev, newRev, both := strings.Cut(a.versions, "..")
	if both && (oldRev == "" || newRev == "") {
		return "", fmt.Errorf("-against %s: name both commits, or the old one only", a.versions)
	}
	before, err := a.checkedOut(ctx, "old", oldRev)
	if err != nil {
		return "", err
	}
	after := program{}
	if both {
		after, err = a.checkedOut(ctx, "new", newRev)
	} else {
		after, err = a.present(ctx)
	}
	if err != nil {
		return "", err
	}
	var pairs []pair
	for i := range a.pairs {
		order := []*program{&before, &after}
		if i%2 == 1 { // what warms up, or fills the disk, meets both
			order[0], order[1] = order[1], order[0]
		}
		results := map[*program][]result{}
		for _, p := range order {
			began := time.Now()
			if results[p], err = a.measure(ctx, p); err != nil {
				return "", err
			}
			fmt.Fprintf(a.stderr, "pair %d of %d: %s took %.0f s\n", i+1, a.pairs, p.version, time.Since(began).Seconds())
		}
		pairs = append(pairs, pair{results[&before], results[&after]})
	}
	return fmt.Sprintf("old: %s\nnew: %s\n\n%s", before.version, after.version, comparison(pairs)), nil
}

// git runs git in the repository and returns the first line of its output.
func (a *against) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = a.bench
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}

// describe returns the short name and the subject of a commit.
func (a *against) describe(ctx context.Context, rev string) (string, error) {
	return a.git(ctx, "log", "-1", "--format=%h %s", "--end-of-options", rev)
}

// checkedOut builds this benchmark with the library of a commit, in a temporary worktree.
// Where the library of that commit lacks what this benchmark uses, it builds the commit's.
func (a *against) checkedOut(ctx context.Context, name, rev string) (p program, err error) {
	if p.version, err = a.describe(ctx, rev); err != nil {
		return p, err
	}
	tree := filepath.Join(a.tmp, name)
	if _, err := a.git(ctx, "worktree", "add", "--quiet", "--detach", "--end-of-options", tree, rev); err != nil {
		return p, err
	}
	defer func() {
		_, removeErr := a.git(context.WithoutCancel(ctx), "worktree", "remove", "--force", tree)
		err = errors.Join(err, removeErr)
	}()
	inRepository, err := a.git(ctx, "rev-parse", "--show-prefix")
	if err != nil {
		return p, err
	}
	bench := filepath.Join(tree, inRepository)
	own := filepath.Join(a.tmp, name+"-own")
	if err := os.Rename(bench, own); err != nil {
		return p, fmt.Errorf("%s has no benchmark: %w", p.version, err)
	}
	if err := copySources(bench, a.bench); err != nil {
		return p, err
	}
	p.path = filepath.Join(a.tmp, name+"-bench")
	if err = a.build(ctx, bench, p.path); err == nil || ctx.Err() != nil {
		return p, err
	}
	fmt.Fprintf(a.stderr, "this benchmark does not build with %s, so that version's benchmark is used:\n%v\n", p.version, err)
	if err := errors.Join(os.RemoveAll(bench), os.Rename(own, bench)); err != nil {
		return p, err
	}
	return p, a.build(ctx, bench, p.path)
}

// copySources copies the sources of a package, without its tests.
func copySources(to, from string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := f.Name()
		source := strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
		if !source && name != "go.mod" && name != "go.sum" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// present builds the benchmark as the working tree has it.
func (a *against) present(ctx context.Context) (p program, err error) {
	if p.version, err = a.describe(ctx, "HEAD"); err != nil {
		return p, err
	}
	changed, err := a.git(ctx, "status", "--porcelain")
	if err != nil {
		return p, err
	}
	if changed != "" {
		p.version += ", with the changes that are not committed"
	}
	p.path = filepath.Join(a.tmp, "new-bench")
	return p, a.build(ctx, a.bench, p.path)
}

func (a *against) build(ctx context.Context, dir, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// measure runs a program once, in the folder of this benchmark.
func (a *against) measure(ctx context.Context, p *program) ([]result, error) {
	path := filepath.Join(a.tmp, "results.json")
	cmd := exec.CommandContext(ctx, p.path, append([]string{"-json", path}, a.args...)...)
	cmd.Dir = a.bench
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the benchmark of %s: %w\n%s", p.version, err, out)
	}
	return readResults(path)
}
