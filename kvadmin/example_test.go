package kvadmin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/kvadmin"
)

func ExampleHandler() {
	registry := extlibs.NewRegistry()
	defer registry.Close()
	mux := http.NewServeMux()
	mux.Handle("/debug/kv/", kvadmin.Handler(registry, kvadmin.Options{
		Allow:  kvadmin.Password("from the environment"),
		Values: true,
		Hide:   func(store, key string) bool { return strings.HasPrefix(key, "session:") },
	}))

	request := httptest.NewRequest("GET", "/debug/kv/default/count", nil)
	for _, password := range []string{"a guess", "from the environment"} {
		request.SetBasicAuth("ann", password)
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, request)
		fmt.Print(answer.Code, " ", answer.Body)
	}
	// Output:
	// 401 {"error":{"code":"unauthenticated","message":"a password is needed: log in with any user name, or send it as Authorization: Bearer PASSWORD"},"version":1}
	// 200 {"count":0,"version":1}
}

// The shortest host: it shows its stores, without values, to callers with the password.
func ExampleHandler_password() {
	registry := extlibs.NewRegistry()
	defer registry.Close()
	mux := http.NewServeMux()
	mux.Handle("/debug/kv/", kvadmin.Handler(registry, kvadmin.Options{
		Allow: kvadmin.Password(os.Getenv("KV_PASSWORD")),
	}))
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest("GET", "/debug/kv/", nil))
	fmt.Println(answer.Code) // without a password in the environment, no request is permitted
	// Output: 403
}

// A host that knows its users decides by their roles.
func ExampleSetUser() {
	roles := map[string]string{"ann": "admin", "bob": "reader"}
	allow := func(r *http.Request, a kvadmin.Action) error {
		user, _, _ := r.BasicAuth() // checked by a handler before this one
		kvadmin.SetUser(r, user)
		if roles[user] == "admin" || roles[user] == "reader" && !a.Kind.Writes() {
			return nil
		}
		return fmt.Errorf("%q may not %s", user, a.Kind)
	}
	request := httptest.NewRequest("POST", "/", nil)
	request.SetBasicAuth("bob", "")
	fmt.Println(allow(request, kvadmin.Action{Kind: kvadmin.Get, Store: "default", Key: "a"}))
	fmt.Println(allow(request, kvadmin.Action{Kind: kvadmin.Delete, Store: "default", Key: "a"}))
	// Output:
	// <nil>
	// "bob" may not delete
}
