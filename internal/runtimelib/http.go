package runtimelib

import (
	"context"
	"maps"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"weak"

	"github.com/paularlott/scriptling/conversion"
	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// HTTPName is the name of the library of HTTP responses.
const HTTPName = "scriptling.runtime.http"

// HTTP returns a library of response builders with a separate class Request: scripts can
// write to classes, so interpreters must not share one.
func HTTP() *object.Library {
	content := func(contentType, help string) *object.Builtin {
		return responder("Content-Type", help, func(arg object.Object) (string, object.Object) { return contentType, arg }, 200)
	}
	return object.NewLibrary(HTTPName, map[string]*object.Builtin{
		"json": content("application/json", "json([status,] data, status=200) - Builds a JSON response"),
		"html": content("text/html; charset=utf-8", "html([status,] content, status=200) - Builds an HTML response"),
		"text": content("text/plain; charset=utf-8", "text([status,] content, status=200) - Builds a plain text response"),
		"redirect": responder("Location", "redirect(location, status=302) - Builds a redirect", func(arg object.Object) (string, object.Object) {
			location, _ := arg.CoerceString()
			return location, object.NewString("")
		}, 302),
		"parse_query": {Fn: parseQuery, HelpText: "parse_query(text) - Parses a query string; a repeated key gives a list"},
	}, map[string]object.Object{"Request": newRequestClass()}, "Builders of HTTP responses, as dicts of status, headers and body.")
}

// responder makes a function that builds a response: a status, one header, and
// a body, where header makes the header's value and the body of the argument.
func responder(header, help string, parts func(object.Object) (string, object.Object), status int64) *object.Builtin {
	codeFirst := header != "Location"
	return &object.Builtin{HelpText: help, Fn: func(_ context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
		if err := errors.MinArgs(args, 1); err != nil {
			return err
		}
		status, arg := status, args[0]
		code := kwargs.Get("status")
		if len(args) > 1 {
			code = args[1]
			if codeFirst {
				code, arg = args[0], args[1]
			}
		}
		if n, ok := code.(*object.Integer); ok {
			status = n.IntValue()
		}
		value, body := parts(arg)
		return object.NewStringDict(map[string]object.Object{
			"status":  object.NewInteger(status),
			"headers": object.NewStringDict(map[string]object.Object{header: object.NewString(value)}),
			"body":    body,
		})
	}}
}

func parseQuery(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.ExactArgs(args, 1); err != nil {
		return err
	}
	text, errObj := args[0].AsString()
	if errObj != nil {
		return errors.ParameterError("query", errObj)
	}
	values, err := url.ParseQuery(strings.TrimPrefix(text, "?"))
	if err != nil {
		return errors.NewValueError("parse_query: %s", err)
	}
	parsed := make(map[string]object.Object, len(values))
	for name, list := range values {
		elems := make([]object.Object, len(list))
		for i, v := range list {
			elems[i] = object.NewString(v)
		}
		parsed[name] = &object.List{Elements: elems}
		if len(elems) == 1 {
			parsed[name] = elems[0]
		}
	}
	return object.NewStringDict(parsed)
}

// RequestClass returns a new class with the methods of requests.
func RequestClass() *object.Class {
	return &object.Class{
		Name: "Request",
		Methods: map[string]object.Object{
			"json": &object.Builtin{Fn: requestJSON, HelpText: "json() - Returns the parsed body, None for an empty one"},
		},
	}
}

// requestClasses are the classes of the libraries in use, so that an isolator knows
// them whatever scripts have made of them.
var requestClasses sync.Map // of weak.Pointer[object.Class]

func newRequestClass() *object.Class {
	class := RequestClass()
	pointer := weak.Make(class)
	requestClasses.Store(pointer, true)
	runtime.AddCleanup(class, func(p weak.Pointer[object.Class]) { requestClasses.Delete(p) }, pointer)
	return class
}

func isRequestClass(class *object.Class) bool {
	_, ok := requestClasses.Load(weak.Make(class))
	return ok
}

// NewRequest returns the argument of a script's HTTP handler: an instance of a new class
// that has the members of class.
func NewRequest(class *object.Class, method, path, body string, headers, query map[string]string) *object.Instance {
	lower := make(map[string]string, len(headers))
	for name, v := range headers {
		lower[strings.ToLower(name)] = v
	}
	own := &object.Class{Name: class.Name, BaseClass: class.BaseClass, Methods: maps.Clone(class.Methods)}
	return object.NewInstanceWithFields(own, map[string]object.Object{
		"method":  object.NewString(method),
		"path":    object.NewString(path),
		"body":    object.NewString(body),
		"headers": stringDict(lower),
		"query":   stringDict(query),
	})
}

func stringDict(m map[string]string) *object.Dict {
	entries := make(map[string]object.Object, len(m))
	for name, v := range m {
		entries[name] = object.NewString(v)
	}
	return object.NewStringDict(entries)
}

func requestJSON(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if len(args) == 0 {
		return errors.NewArgumentError(0, 1)
	}
	request, ok := args[0].(*object.Instance)
	if !ok {
		return errors.NewTypeError("Request", args[0].Type().String())
	}
	body, ok := request.Field("body").(*object.String)
	if !ok || body.StringValue() == "" {
		return &object.Null{}
	}
	return conversion.MustParseJSON(body.StringValue())
}
