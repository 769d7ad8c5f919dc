package extlibs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// These start the names of in-memory stores and, among them, of caches.
const (
	memoryPrefix = ":memory:"
	cachePrefix  = ":cache:"
)

// StoreOptions sets options for the stores whose names match a pattern, whether a script or
// the host opens them. A host uses it for stores that its scripts open:
//
//	extlibs.NewRegistry(
//		extlibs.StoreOptions("sessions.db", extlibs.Durability(extlibs.Interval(time.Second))),
//		extlibs.StoreOptions(":memory:*", extlibs.MaxMemoryBytes(16<<20)),
//	)
//
// A store has the options of the registry, then the options of the first StoreOptions that
// matches it, then the options given to OpenWith or Init. StoreOptions with the pattern of an
// earlier one replaces that one.
//
// The pattern is a glob as docs/patterns.md describes; * also matches a slash. Its first
// characters determine what it is matched against:
//
//	:          the names of stores in memory
//	SCHEME://  the names of stores on servers, which have no user, password and query
//	*          all names: those, and the paths of files
//	else       the paths of files, a relative pattern below the current folder; a pattern
//	           that begins with { is refused: write ./{a,b}.db
//
// The path of a file is absolute and without symbolic links, so it does not matter how a
// script spells it. Links in the pattern are resolved too, as far as it has no special
// character. A pattern without special characters also matches hard links of the file. On a
// file system that ignores case, such a pattern also matches names with a different case.
//
// A pattern that is malformed, or that begins with : and matches no name, makes Init, Open
// and OpenWith fail with ErrInvalid. So does opening
// a store with an option that it does not have; see StoreOption.
func StoreOptions(pattern string, opts ...StoreOption) Option {
	rule := newStoreRule(pattern, slices.Clone(opts))
	return registryOption(func(o *options) {
		rules := slices.Clone(o.rules) // other copies of o keep theirs
		if i := slices.IndexFunc(rules, func(r storeRule) bool { return r.pattern == pattern }); i >= 0 {
			rules[i] = rule
		} else {
			rules = append(rules, rule)
		}
		o.rules = rules
	})
}

// storeRule is what StoreOptions gives to the stores of a pattern.
type storeRule struct {
	pattern string
	literal bool // the pattern has no special characters
	names   storeKinds
	opts    []StoreOption
	err     error // why the pattern is malformed
}

type storeRules []storeRule

func newStoreRule(pattern string, opts []StoreOption) storeRule {
	p, err := glob.Compile(pattern)
	if err == nil && (pattern == "" || pattern[0] == '{') { // of which kind?
		err = kverr.Errorf(ErrInvalid, `pattern %q does not say which kind of store it matches; begin it with ":memory:" or ":cache:", a scheme, a folder such as "./", or "*" for all stores`, shorten(pattern))
	}
	r := storeRule{pattern: pattern, names: fileStores, opts: opts, err: err}
	switch {
	case err != nil:
	case pattern[0] == '*':
		r.names = allStores
	case pattern[0] == ':':
		r.names = memoryStores | cacheStores
		if !canBegin(p, memoryPrefix) && !canBegin(p, cachePrefix) {
			r.err = kverr.Errorf(ErrInvalid, `pattern %q matches no store; write ":memory:NAME" or ":cache:NAME"`, shorten(pattern))
		}
	case strings.Contains(pattern, "://"):
		r.names = serverStores
	}
	r.literal = err == nil && p.Exact
	return r
}

// canBegin reports whether what a pattern matches can begin with a prefix.
func canBegin(p *glob.Pattern, prefix string) bool {
	return strings.HasPrefix(p.Prefix, prefix) || !p.Exact && strings.HasPrefix(prefix, p.Prefix)
}

// check returns the error of the first malformed pattern. What a script is told does not
// quote it.
func (rules storeRules) check(script bool) error {
	for i, r := range rules {
		switch {
		case r.err == nil:
		case script:
			return kverr.Errorf(ErrInvalid, "a pattern of the host's StoreOptions is malformed; correct it in the host")
		default:
			return kverr.Errorf(ErrInvalid, "StoreOptions number %d: %w", i+1, r.err)
		}
	}
	return nil
}

// forStore adds to o the options of a store: the options of the first rule that matches its
// name, and the options given to OpenWith or Init. For a file the name is its path.
func (o *options) forStore(kind storeKinds, name string, given []StoreOption, script bool) error {
	if err := o.rules.check(script); err != nil {
		return err
	}
	if kind == fileStores && len(o.rules) > 0 {
		name = access.Real(name)
	}
	for i := range o.rules {
		if r := &o.rules[i]; r.matches(kind, name) {
			if err := o.give(kind, r.opts); err != nil {
				return kverr.Errorf(ErrInvalid, "the host's StoreOptions for it: %w", err)
			}
			break
		}
	}
	return o.give(kind, given)
}

// give applies options to those of a store of a kind, if such a store has them. A store in
// memory is a cache once it evicts.
func (o *storeOptions) give(kind storeKinds, opts []StoreOption) error {
	if kind == memoryStores && (o.evict || slices.ContainsFunc(opts, func(opt StoreOption) bool { return opt.name == "Evict" })) {
		kind = cacheStores
	}
	for _, opt := range opts {
		if opt.of&kind == 0 && opt.set != nil {
			return kverr.Errorf(ErrInvalid, "%s is an option of stores %v, and the store is one %v; omit it", opt.name, opt.of, kind)
		}
		opt.applyTo(o)
	}
	return nil
}

// errOtherOptions returns an error if a store that is open does not have the options that
// are given. How long the opener would wait makes no difference.
func (o *storeOptions) errOtherOptions(kind storeKinds, given []StoreOption) error {
	want := *o
	if err := want.give(kind, given); err != nil {
		return err
	}
	want.lockTimeout = o.lockTimeout
	if want == *o {
		return nil
	}
	var names []string
	for _, opt := range given {
		one := *o
		opt.applyTo(&one)
		if one.lockTimeout = o.lockTimeout; one != *o && !slices.Contains(names, opt.name) {
			names = append(names, opt.name)
		}
	}
	return kverr.Errorf(ErrInUse, "the store is open with other options (%s); close it first, or set StoreOptions on the registry before the store is opened", strings.Join(names, ", "))
}

// matches reports whether a rule is for the store of a kind and a name.
func (r *storeRule) matches(kind storeKinds, name string) bool {
	if r.names&kind == 0 {
		return false
	}
	pattern := r.pattern
	if kind == fileStores {
		if r.literal {
			return r.namesFile(name)
		}
		name = filepath.ToSlash(name)
		if r.names == fileStores {
			pattern = absolutePattern(pattern)
		}
	}
	p, err := glob.Compile(pattern)
	return err == nil && p.Selects(name)
}

// namesFile reports whether a rule without special characters names the file at path,
// which can be a hard link.
func (r *storeRule) namesFile(path string) bool {
	p, err := glob.Compile(r.pattern) // whose prefix is the pattern without its escapes
	if err != nil {
		return false
	}
	own, err := filepath.Abs(filepath.FromSlash(p.Prefix))
	if err != nil {
		return false
	}
	if own = access.Real(own); own == path {
		return true
	}
	a, err := os.Stat(own)
	b, otherErr := os.Stat(path)
	return errors.Join(err, otherErr) == nil && os.SameFile(a, b)
}

// absolutePattern returns a pattern for absolute paths without symbolic links. The folder
// that it names before its first special character is resolved.
func absolutePattern(pattern string) string {
	literal := pattern
	if i := strings.IndexAny(pattern, `*?[{\`); i >= 0 {
		literal = pattern[:i]
	}
	dir := literal[:strings.LastIndexByte(literal, '/')+1]
	abs, err := filepath.Abs(filepath.FromSlash(dir))
	if err != nil {
		return pattern
	}
	folder := strings.TrimSuffix(filepath.ToSlash(access.Real(abs)), "/")
	return glob.Escape(folder) + "/" + pattern[len(dir):]
}
