package object

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/paularlott/scriptling/internal/bridge"
)

// maxKeyDepth bounds the recursion through nested tuples.
const maxKeyDepth = 1000

// DictKey returns the key of obj in Dict.Pairs and Set.Elements. Objects that
// are equal as dict keys have the same key.
func DictKey(obj Object) string { return dictKey(obj, 0) }

// DictStringKey returns the DictKey of a String.
func DictStringKey(name string) string {
	if strings.Contains(name, ":") {
		return "s:" + name
	}
	return name
}

func dictKey(obj Object, depth int) string {
	switch obj := obj.(type) {
	case *String:
		return DictStringKey(obj.value)
	case *Integer:
		return "n:" + strconv.FormatInt(obj.value, 10)
	case *Boolean:
		return "n:" + strconv.FormatInt(obj.number(), 10)
	case *Float:
		return floatKey(obj.value)
	case *Bytes:
		return "b:" + hex.EncodeToString(obj.value)
	case *Null:
		return "null:"
	case *Tuple:
		if depth < maxKeyDepth {
			return tupleKey(obj, depth)
		}
	case *Instance:
		if IsHashable(obj) && bridge.InstanceHash != nil {
			if h, ok := bridge.InstanceHash(obj); ok {
				return "h:" + strconv.FormatInt(h, 10)
			}
		}
	}
	return fmt.Sprintf("%s:%p", obj.Type(), obj)
}

func floatKey(v float64) string {
	if v == math.Trunc(v) && v >= math.MinInt64 && v < math.MaxInt64 {
		return "n:" + strconv.FormatInt(int64(v), 10)
	}
	return "f:" + strconv.FormatFloat(v, 'g', -1, 64)
}

// tupleKey joins the keys of the elements. Keys that could be mistaken for the
// notation itself are quoted.
func tupleKey(t *Tuple, depth int) string {
	var b strings.Builder
	b.WriteString("t:(")
	for i, e := range t.Elements {
		if i > 0 {
			b.WriteByte(',')
		}
		key := dictKey(e, depth+1)
		if s, ok := e.(*String); ok && strings.ContainsAny(s.value, `,()"`) {
			key = strconv.Quote(key)
		}
		b.WriteString(key)
	}
	b.WriteByte(')')
	return b.String()
}

// IsHashable reports whether obj may be an element of a set.
func IsHashable(obj Object) bool { return isHashable(obj, 0) }

func isHashable(obj Object, depth int) bool {
	switch obj := obj.(type) {
	case *Integer, *Float, *Boolean, *String, *Bytes, *Null:
		return true
	case *Tuple:
		for _, e := range obj.Elements {
			if depth >= maxKeyDepth || !isHashable(e, depth+1) {
				return false
			}
		}
		return true
	case *Instance:
		_, ok := obj.Class.LookupMember("__hash__")
		return ok
	}
	return false
}
