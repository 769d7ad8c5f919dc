package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// version is the version of the JSON that this package reads.
const version = 1

// Limits of answers.
const (
	maxAnswer  = 16 << 20 // bytes of JSON
	maxFailure = 64 << 10 // of the JSON of an error
	maxMessage = 1 << 10  // of its text
)

// idleTime is how long a host can send nothing in the middle of an answer.
var idleTime = 60 * time.Second

// client sends the requests of a store.
type client struct {
	http  *http.Client
	base  string // URL of the store
	token string
}

// newClient returns a client for a URL that a user gave.
func newClient(text string) (c client, err error) {
	a, err := parse(text)
	if err != nil {
		return c, err
	}
	secret, err := token()
	if err != nil {
		return c, err
	}
	return client{a.httpClient(), a.base, secret}, nil
}

// errTooLong is the error of an answer beyond its limit.
var errTooLong = fmt.Errorf("%w: the answer of the host is longer than its limit", extlibs.ErrTooLarge)

// errStrange is the error of an answer that kvadmin does not give.
func errStrange(what string) error {
	return fmt.Errorf("%w: %s; check that kvadmin is mounted at this address", extlibs.ErrUnavailable, what)
}

// send sends a request. The answer has the status 200, and its body ends with ctx or
// after idleTime without a byte. The caller closes it.
func (c *client) send(ctx context.Context, method, path string, query url.Values, body []byte, accept string) (io.ReadCloser, error) {
	target := c.base
	if path != "" {
		target += "/" + path
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		cancel(nil)
		return nil, invalid("the URL is malformed")
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", accept)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		defer cancel(nil)
		return nil, c.failed(ctx, method, err)
	}
	b := &answerBody{ReadCloser: answer.Body, ctx: ctx, cancel: cancel}
	b.timer = time.AfterFunc(idleTime, func() { cancel(errIdle) })
	if answer.StatusCode != http.StatusOK {
		defer b.Close()
		return nil, refusal(answer, b)
	}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), accept) {
		b.Close()
		return nil, errStrange(fmt.Sprintf("the host answered with the type %.60q and not with %s", kind, accept))
	}
	return b, nil
}

var errIdle = fmt.Errorf("%w: the host stopped responding", extlibs.ErrUnavailable)

// failed is the error of a request that was not answered. It quotes no URL.
func (c *client) failed(ctx context.Context, method string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if method != http.MethodGet {
			return fmt.Errorf("%w: %w", extlibs.ErrCommitUnknown, cause)
		}
		return cause
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if method == http.MethodGet || notSent(err) {
		return fmt.Errorf("%w: the host: %w", extlibs.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: the host: %w", extlibs.ErrCommitUnknown, err)
}

// answerBody is the body of an answer, which ends if the host sends nothing for idleTime.
type answerBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (b *answerBody) Read(p []byte) (int, error) {
	b.timer.Reset(idleTime)
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		if cause := context.Cause(b.ctx); cause != nil {
			return n, cause
		}
		err = fmt.Errorf("%w: the answer of the host is incomplete: %w", extlibs.ErrUnavailable, err)
	}
	return n, err
}

func (b *answerBody) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}

// kinds are the sentinel errors of the codes of kvadmin.
var kinds = map[string]error{
	"not_found": extlibs.ErrNotFound, "invalid": extlibs.ErrInvalid, "type": extlibs.ErrType, "too_large": extlibs.ErrTooLarge,
	"conflict": extlibs.ErrConflict, "read_only": extlibs.ErrReadOnly, "full": extlibs.ErrFull, "closed": extlibs.ErrClosed,
	"busy": extlibs.ErrUnavailable, "timeout": extlibs.ErrUnavailable, "unavailable": extlibs.ErrUnavailable,
	"commit_unknown": extlibs.ErrCommitUnknown, "corrupt": extlibs.ErrCorrupt, "replaced": extlibs.ErrReplaced,
	"unsupported": errors.ErrUnsupported, "unauthenticated": extlibs.ErrNotAllowed, "refused": extlibs.ErrNotAllowed,
	"values_hidden": extlibs.ErrNotAllowed, "backup_off": extlibs.ErrNotAllowed,
}

// ErrNoStore is the error of a URL that leads to no open store.
var ErrNoStore = errors.New("the host has no such open store")

// errHostsURL is the error of a URL that is the one of kvadmin's handler, not of a store.
var errHostsURL = errors.New("the URL names no store")

// refusal is the error that an answer with another status than 200 says.
func refusal(answer *http.Response, body io.Reader) error {
	if to := answer.Header.Get("Location"); answer.StatusCode >= 300 && answer.StatusCode < 400 {
		if request := answer.Request; request != nil && to == request.URL.EscapedPath()+"/" {
			return errHostsURL
		}
		return errStrange(fmt.Sprintf("the host redirects to %.200q; redirects are not followed, give that URL if you trust it", to))
	}
	var f struct {
		Error *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	err := json.NewDecoder(io.LimitReader(body, maxFailure)).Decode(&f)
	if err != nil || f.Error == nil {
		if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
			return fmt.Errorf("%w: the host answered with status %d; set %s to its password", extlibs.ErrNotAllowed, answer.StatusCode, TokenVariable)
		}
		return errStrange(fmt.Sprintf("the host answered with status %d", answer.StatusCode))
	}
	message := f.Error.Message
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "..."
	}
	switch f.Error.Code {
	case "no_store":
		return ErrNoStore
	case "unauthenticated":
		message += "; this command sends the password that is in " + TokenVariable
	case "not_found": // the caller knows the key
		return extlibs.ErrNotFound
	}
	kind := kinds[f.Error.Code]
	if kind == nil {
		kind = extlibs.ErrUnavailable
	}
	return fmt.Errorf("%w: %s", kind, message)
}

// ask sends a request and decodes the JSON of its answer into v.
func (c *client) ask(ctx context.Context, method, path string, query url.Values, body []byte, limit int64, v any) error {
	answer, err := c.send(ctx, method, path, query, body, "application/json")
	if err != nil {
		return err
	}
	defer answer.Close()
	err = decode(answer, limit, v)
	if err != nil && method != http.MethodGet { // the host has carried it out, or has not
		err = fmt.Errorf("%w: %w", extlibs.ErrCommitUnknown, err)
	}
	return err
}

// decode reads one JSON object of at most limit bytes.
func decode(r io.Reader, limit int64, v any) error {
	l := &io.LimitedReader{R: r, N: limit + 1}
	b, err := io.ReadAll(l)
	switch {
	case err != nil:
		return err
	case l.N == 0:
		return errTooLong
	}
	var head struct {
		Version int `json:"version"`
	}
	switch err := json.Unmarshal(b, &head); {
	case err != nil:
		return errStrange("the answer of the host is not JSON")
	case head.Version > version:
		return fmt.Errorf("%w: the host uses version %d, and this command reads version %d; update the command", extlibs.ErrFormat, head.Version, version)
	case head.Version != version:
		return errStrange("the answer of the host has no version")
	}
	if err := json.Unmarshal(b, v); err != nil {
		return errStrange("the answer of the host does not have the form of kvadmin's")
	}
	return nil
}
