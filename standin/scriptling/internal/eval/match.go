package eval

import (
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/object"
)

func (f *frame) match(s *ast.Match) (object.Object, signal) {
	subject := f.eval(s.Subject)
	if isError(subject) {
		return subject, sigFail
	}
	for i := range s.Cases {
		c := &s.Cases[i]
		m := matcher{f: f}
		if !m.matches(c.Pattern, subject) {
			continue
		}
		for _, b := range m.captures {
			f.env.Set(b.name, b.value)
		}
		if c.Guard != nil {
			ok, err := f.condition(c.Guard)
			if err != nil {
				return err, sigFail
			}
			if !ok {
				continue
			}
		}
		return f.block(c.Body)
	}
	return null, sigNone
}

// matcher collects the names that a pattern binds.
type matcher struct {
	f        *frame
	captures []capture
}

type capture struct {
	name  string
	value object.Object
}

func (m *matcher) matches(p ast.Pattern, v object.Object) bool {
	switch p := p.(type) {
	case *ast.WildcardPattern:
		return true
	case *ast.CapturePattern:
		m.captures = append(m.captures, capture{p.Name, v})
		return true
	case *ast.LiteralPattern:
		return m.f.same(m.f.eval(p.Value), v)
	case *ast.TypePattern:
		return isTypeNamed(v, p.Name)
	case *ast.AsPattern:
		if !m.matches(p.Pattern, v) {
			return false
		}
		m.captures = append(m.captures, capture{p.Name, v})
		return true
	case *ast.OrPattern:
		for _, alternative := range p.Alternatives {
			mark := len(m.captures)
			if m.matches(alternative, v) {
				return true
			}
			m.captures = m.captures[:mark]
		}
	case *ast.ListPattern:
		return m.matchList(p, v)
	case *ast.DictPattern:
		return m.matchDict(p, v)
	}
	return false
}

func (m *matcher) matchList(p *ast.ListPattern, v object.Object) bool {
	list, ok := v.(*object.List)
	if !ok || len(list.Elements) != len(p.Elements) {
		return false
	}
	for i, e := range p.Elements {
		if !m.matches(e, list.Elements[i]) {
			return false
		}
	}
	return true
}

func (m *matcher) matchDict(p *ast.DictPattern, v object.Object) bool {
	dict, ok := v.(*object.Dict)
	if !ok {
		return false
	}
	for i, key := range p.Keys {
		pair, ok := dict.Pairs[m.f.dictKey(m.f.eval(key))]
		if !ok || !m.matches(p.Values[i], pair.Value) {
			return false
		}
	}
	return true
}
