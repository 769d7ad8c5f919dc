package object

import (
	"sort"
	"strings"
)

// maxInspectDepth bounds the recursion through nested containers, so that a
// deeply nested value cannot exhaust the stack.
const maxInspectDepth = 10000

// inspector writes the text of containers. open holds the containers being
// written: one that contains itself is cut off there.
type inspector struct {
	strings.Builder
	open map[Object]bool
}

func inspect(obj Object) string {
	in := inspector{open: map[Object]bool{}}
	in.write(obj)
	return in.String()
}

func (in *inspector) write(obj Object) {
	switch obj.(type) {
	case *List, *Tuple, *Dict, *Set, *DictKeys, *DictValues, *DictItems:
	default:
		in.WriteString(obj.Inspect())
		return
	}
	if in.open[obj] || len(in.open) >= maxInspectDepth {
		in.ellipsis(obj)
		return
	}
	in.open[obj] = true
	defer delete(in.open, obj)
	switch obj := obj.(type) {
	case *List:
		in.WriteByte('[')
		in.elements(obj.Elements)
		in.WriteByte(']')
	case *Tuple:
		in.WriteByte('(')
		in.elements(obj.Elements)
		if len(obj.Elements) == 1 {
			in.WriteByte(',')
		}
		in.WriteByte(')')
	case *Dict:
		in.dict(obj)
	case *Set:
		in.set(obj)
	case *DictKeys:
		in.view("dict_keys(", obj.Dict)
	case *DictValues:
		in.view("dict_values(", obj.Dict)
	case *DictItems:
		in.view("dict_items(", obj.Dict)
	}
}

// ellipsis represents the contents of a container.
func (in *inspector) ellipsis(obj Object) {
	switch obj.(type) {
	case *List:
		in.WriteString("[...]")
	case *Tuple:
		in.WriteString("(...)")
	default:
		in.WriteString("{...}")
	}
}

func (in *inspector) elements(elements []Object) {
	for i, e := range elements {
		if i > 0 {
			in.WriteString(", ")
		}
		in.write(e)
	}
}

func (in *inspector) dict(d *Dict) {
	in.WriteByte('{')
	first := true
	for _, pair := range d.Pairs {
		if !first {
			in.WriteString(", ")
		}
		first = false
		in.write(pair.Key)
		in.WriteString(": ")
		in.write(pair.Value)
	}
	in.WriteByte('}')
}

func (in *inspector) set(s *Set) {
	texts := make([]string, 0, len(s.Elements))
	for _, e := range s.Elements {
		element := inspector{open: in.open}
		element.write(e)
		texts = append(texts, element.String())
	}
	sort.Strings(texts)
	in.WriteByte('{')
	in.WriteString(strings.Join(texts, ", "))
	in.WriteByte('}')
}

func (in *inspector) view(name string, d *Dict) {
	in.WriteString(name)
	in.write(d)
	in.WriteByte(')')
}
