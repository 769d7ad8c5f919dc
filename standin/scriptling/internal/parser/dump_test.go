package parser

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/paularlott/scriptling/internal/ast"
)

// dump writes a tree as nested parentheses: the type name of a node and its
// fields, with "_" for what is absent. Names and literals represent themselves.
func dump(v any) string {
	switch v := v.(type) {
	case *ast.Ident:
		return v.Name
	case *ast.IntLit:
		return fmt.Sprint(v.Value)
	case *ast.FloatLit:
		return fmt.Sprintf("%#v", v.Value)
	case *ast.StringLit:
		return fmt.Sprintf("%q", v.Value)
	case *ast.BoolLit:
		return fmt.Sprint(v.Value)
	case *ast.NoneLit:
		return "None"
	case ast.FPart:
		if v.Value == nil {
			return fmt.Sprintf("%q", v.Text)
		}
		if v.Spec != nil {
			return "{" + dump(v.Value) + ":}"
		}
		return "{" + dump(v.Value) + "}"
	case fmt.Stringer:
		return v.String()
	}
	return dumpValue(reflect.ValueOf(v))
}

func dumpValue(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Invalid:
		return "_"
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return "_"
		}
		if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
			return dumpValue(v.Elem())
		}
		return dump(v.Interface())
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = dump(v.Index(i).Interface())
		}
		return "[" + strings.Join(items, " ") + "]"
	case reflect.Struct:
		words := []string{v.Type().Name()}
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.Name != "Pos" {
				words = append(words, dump(v.Field(i).Interface()))
			}
		}
		return "(" + strings.Join(words, " ") + ")"
	case reflect.String:
		if v.Len() == 0 {
			return "_"
		}
	}
	return fmt.Sprint(v.Interface())
}
