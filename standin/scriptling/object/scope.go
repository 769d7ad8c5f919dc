package object

import "github.com/paularlott/scriptling/internal/ast"

// indexFrom is the number of variables from which a scope keeps an index;
// below it, comparing names one by one is faster.
const indexFrom = 9

// initialVars is the number of variables for which a scope has room without
// another allocation. Most functions have no more.
const initialVars = 4

type binding struct {
	name  string
	value Object
}

// scope holds the variables of one Environment. It must not be copied, since
// list may be a part of first.
type scope struct {
	list  []binding
	index map[string]int
	first [initialVars]binding

	// names, if it is not nil, has the places in shared of the variables that are not
	// in list. Other scopes may add to it, at places that this one has given away too:
	// then two of its variables are one.
	names  *ast.Names
	shared []Object
}

// adopt makes the scope keep new variables in the places of a table.
func (s *scope) adopt(names *ast.Names) {
	if s.names == nil {
		s.names = names
	}
}

// place returns the place of a variable in shared, or -1.
func (s *scope) place(name string) int {
	if s.names == nil {
		return -1
	}
	if i, ok := s.names.Index[name]; ok && i < len(s.shared) && s.shared[i] != nil {
		return i
	}
	return -1
}

func (s *scope) setShared(name string, value Object) {
	i, ok := s.names.Index[name]
	if !ok {
		i = len(s.shared)
		s.names.Index[name] = i
	}
	for len(s.shared) <= i {
		s.shared = append(s.shared, nil)
	}
	s.shared[i] = value
}

func (s *scope) find(name string) int {
	if s.index != nil {
		if i, ok := s.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range s.list {
		if s.list[i].name == name {
			return i
		}
	}
	return -1
}

func (s *scope) get(name string) (Object, bool) {
	if i := s.find(name); i >= 0 {
		return s.list[i].value, true
	}
	if i := s.place(name); i >= 0 {
		return s.shared[i], true
	}
	return nil, false
}

func (s *scope) has(name string) bool { return s.find(name) >= 0 || s.place(name) >= 0 }

func (s *scope) set(name string, value Object) {
	if i := s.find(name); i >= 0 {
		s.list[i].value = value
		return
	}
	if s.names != nil {
		s.setShared(name, value)
		return
	}
	if s.list == nil {
		s.list = s.first[:0]
	}
	s.list = append(s.list, binding{name, value})
	switch {
	case s.index != nil:
		s.index[name] = len(s.list) - 1
	case len(s.list) == indexFrom:
		s.index = make(map[string]int, 2*indexFrom)
		for i := range s.list {
			s.index[s.list[i].name] = i
		}
	}
}

func (s *scope) delete(name string) {
	i := s.find(name)
	if i < 0 {
		if i = s.place(name); i >= 0 {
			s.shared[i] = nil
		}
		return
	}
	last := len(s.list) - 1
	s.list[i] = s.list[last]
	s.list[last] = binding{}
	s.list = s.list[:last]
	if s.index != nil {
		delete(s.index, name)
		if i < last {
			s.index[s.list[i].name] = i
		}
	}
}

// bindings returns the variables. They are only read, before the next change.
func (s *scope) bindings() []binding {
	if s.names == nil {
		return s.list
	}
	all := append([]binding(nil), s.list...)
	for name := range s.names.Index {
		if i := s.place(name); i >= 0 {
			all = append(all, binding{name, s.shared[i]})
		}
	}
	return all
}

// reset removes all variables of a global scope. It keeps the table of names.
func (s *scope) reset() {
	clear(s.list)
	clear(s.shared)
	s.list, s.index = nil, nil
}

// empty removes all variables.
func (s *scope) empty() {
	clear(s.list)
	s.list, s.index = s.list[:0], nil
}
