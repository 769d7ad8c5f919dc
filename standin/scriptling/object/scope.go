package object

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
	return nil, false
}

func (s *scope) has(name string) bool { return s.find(name) >= 0 }

func (s *scope) set(name string, value Object) {
	if i := s.find(name); i >= 0 {
		s.list[i].value = value
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
func (s *scope) bindings() []binding { return s.list }

// empty removes all variables.
func (s *scope) empty() {
	clear(s.list)
	s.list, s.index = s.list[:0], nil
}
