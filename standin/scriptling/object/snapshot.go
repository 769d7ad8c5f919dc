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
// scope. Library dicts are copied, the values in them are shared, dicts among them too.
func (e *Environment) SnapshotCallables() *CallableSnapshot {
	s := &CallableSnapshot{functions: map[string]Object{}, libraries: map[string]*Dict{}, imported: maps.Clone(e.root.imported)}
	copies := map[*Dict]*Dict{}
	for _, b := range e.vars.bindings() {
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
				s.libraries[b.name] = copyDict(v, copies)
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
		target.vars.set(name, copyDict(lib, copies))
	}
	for name, kind := range s.imported {
		target.markImported(name, kind)
	}
}

// CopyCallableBindingsTo is SnapshotCallables followed by ApplySnapshot.
func (e *Environment) CopyCallableBindingsTo(target *Environment) {
	e.SnapshotCallables().ApplySnapshot(target)
}

// copyDict copies a dict, and not the dicts in it. A dict bound to several names
// stays one dict.
func copyDict(d *Dict, copies map[*Dict]*Dict) *Dict {
	c, ok := copies[d]
	if !ok {
		c = &Dict{Pairs: maps.Clone(d.Pairs)}
		copies[d] = c
	}
	return c
}
