package kvadmin

import "net/http"

// watch follows the changes of a store.
func (q *request) watch() error {
	return fail(http.StatusNotImplemented, "unsupported", "this version follows no changes")
}
