package object

import "maps"

// CallableSnapshot is a copy of what an isolated environment may use of another
// one: functions, lambdas and imported libraries.
type CallableSnapshot struct {
	functions map[string]Object
	libraries map[string]*Dict
	imported  map[string]importKind
}

// SnapshotCallables copies the functions, lambdas and imported libraries of this
// scope. Library dicts are copied, the values in them are shared.
func (e *Environment) SnapshotCallables() *CallableSnapshot {
	s := &CallableSnapshot{functions: map[string]Object{}, libraries: map[string]*Dict{}, imported: maps.Clone(e.root.imported)}
	copies := map[*Dict]*Dict{}
	for _, b := range e.vars.list {
		switch v := b.value.(type) {
		case *Function:
			// A function of a script library only works in its own scope.
			if v.Env.root == e.root {
				s.functions[b.name] = v
			}
		case *LambdaFunction:
			if v.Env.root == e.root {
				s.functions[b.name] = v
			}
		case *Dict:
			if e.IsImportedBinding(b.name) {
				s.libraries[b.name] = copyNested(v, copies)
			}
		}
	}
	return s
}

// ApplySnapshot binds the contents of the snapshot in target. Functions then see
// the globals of target.
func (s *CallableSnapshot) ApplySnapshot(target *Environment) {
	for name, fn := range s.functions {
		switch fn := fn.(type) {
		case *Function:
			c := *fn
			c.Env = target
			target.vars.set(name, &c)
		case *LambdaFunction:
			c := *fn
			c.Env = target
			target.vars.set(name, &c)
		}
	}
	copies := map[*Dict]*Dict{}
	for name, lib := range s.libraries {
		target.vars.set(name, copyNested(lib, copies))
	}
	for name, kind := range s.imported {
		target.markImported(name, kind)
	}
}

// CopyCallableBindingsTo is SnapshotCallables followed by ApplySnapshot.
func (e *Environment) CopyCallableBindingsTo(target *Environment) {
	e.SnapshotCallables().ApplySnapshot(target)
}

// copyNested copies a dict and the dicts in it. A dict reachable on several
// ways stays one dict.
func copyNested(d *Dict, copies map[*Dict]*Dict) *Dict {
	if c, ok := copies[d]; ok {
		return c
	}
	c := &Dict{Pairs: make(map[string]DictPair, len(d.Pairs))}
	copies[d] = c
	for key, pair := range d.Pairs {
		if nested, ok := pair.Value.(*Dict); ok {
			pair.Value = copyNested(nested, copies)
		}
		c.Pairs[key] = pair
	}
	return c
}
