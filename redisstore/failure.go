package redisstore

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

var (
	errNoNumber  = fmt.Errorf("%w: the value is not a number, and is unchanged; set a number first, or use another key", extlibs.ErrType)
	errFloat     = fmt.Errorf("%w: the number is a float, and is unchanged; use OpIncr", extlibs.ErrType)
	errOverflow  = fmt.Errorf("%w: the sum is outside the range of a 64-bit int, and the value is unchanged; use a smaller delta or a float", extlibs.ErrOverflow)
	errFullKeys  = fmt.Errorf("%w: the limit of keys is reached; delete some keys, or raise MaxKeys in the host", extlibs.ErrFull)
	errConflict  = fmt.Errorf("%w: a condition of the call (Op.Must) does not hold, so nothing was done; read the keys again", extlibs.ErrConflict)
	errTooLarge  = fmt.Errorf("%w: the call exceeds the limit of bytes of keys and values; use fewer keys at a time, or raise MaxOperationBytes in the host", extlibs.ErrTooLarge)
	errLost      = fmt.Errorf("%w: the server has lost a part of the store, its values or their order, perhaps by eviction; restore the store, or clear it", extlibs.ErrCorrupt)
	errServerOOM = fmt.Errorf("%w: the server's memory is full; delete some keys, or raise its maxmemory", extlibs.ErrFull)
)

// access is what a request does, which decides what a failure can have changed.
type access bool

const (
	reads  access = false
	writes access = true
)

// failure gives the error of a request its kind. The text is ours or the server's,
// never that of a URL.
func failure(a access, err error) error {
	var refused *wire.Refused
	var notReached *unreachable
	var lost *wire.Lost
	switch {
	case errors.As(err, &refused):
		return refusal(refused.Text)
	case errors.As(err, &notReached) && errors.Is(err, wire.ErrClosed):
		return extlibs.ErrClosed
	case errors.As(err, &notReached):
		return fmt.Errorf("%w: the server: %w", extlibs.ErrUnavailable, withoutAddress(notReached.err))
	case !errors.As(err, &lost):
		return err // which has a kind
	case !lost.Sent && errors.Is(err, wire.ErrClosed):
		return extlibs.ErrClosed
	case !lost.Sent:
		return fmt.Errorf("%w: the request was not sent to the server: %w", extlibs.ErrUnavailable, withoutAddress(lost.Err))
	}
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case a == writes && ended:
		return fmt.Errorf("%w: the wait ended while the server had the request: %w", extlibs.ErrCommitUnknown, withoutAddress(lost.Err))
	case a == writes && errors.Is(err, wire.ErrClosed):
		return fmt.Errorf("%w: the store was closed while the server had the request", extlibs.ErrCommitUnknown)
	case a == writes:
		return fmt.Errorf("%w: the connection to the server ended while it had the request: %w", extlibs.ErrCommitUnknown, withoutAddress(lost.Err))
	case ended:
		return fmt.Errorf("the server did not answer in time: %w", withoutAddress(lost.Err))
	case errors.Is(err, wire.ErrClosed):
		return extlibs.ErrClosed
	}
	return fmt.Errorf("%w: the connection to the server ended: %w", extlibs.ErrUnavailable, withoutAddress(lost.Err))
}

// withoutAddress leaves out where the server is, which scripts need not know.
func withoutAddress(err error) error {
	var op *net.OpError
	var dns *net.DNSError
	var host x509.HostnameError
	switch {
	case errors.As(err, &dns):
		return errors.New("its name cannot be resolved; check the host in the URL")
	case errors.As(err, &host):
		return errors.New("its certificate is for another name; check the host in the URL")
	case errors.As(err, &op):
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}

// refusal gives a server's error its kind: nothing was done.
func refusal(text string) error {
	text = strings.TrimPrefix(text, "ERR ")
	code, _, _ := strings.Cut(text, " ")
	switch code {
	case "KVTYPE":
		return errNoNumber
	case "KVFLOAT":
		return errFloat
	case "KVOVERFLOW":
		return errOverflow
	case "KVFULL":
		return errFullKeys
	case "KVCONFLICT":
		return errConflict
	case "KVDATA":
		return damaged()
	case "KVLOST":
		return errLost
	case "KVLARGE":
		return errTooLarge
	case "KVPERM":
		return fmt.Errorf("%w: the server user lacks the commands%s; grant them with ACL SETUSER", extlibs.ErrNotAllowed, strings.TrimPrefix(text, code))
	case "WRONGTYPE":
		return fmt.Errorf("%w: the store's keys on the server contain other data; choose another name for the store", extlibs.ErrFormat)
	case "NOAUTH", "WRONGPASS":
		return fmt.Errorf("%w: the server refused the credentials; configure the right ones in the host", extlibs.ErrUnavailable)
	case "NOPERM":
		return fmt.Errorf("%w: the server user lacks a permission; grant it the keys ~{NAME}:* and scripts with ACL SETUSER", extlibs.ErrNotAllowed)
	case "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS":
		return fmt.Errorf("%w: the server says: %.200s", extlibs.ErrUnavailable, text)
	}
	// Errors of commands in scripts of servers before 7.0 come inside another text, and so
	// do some of later ones.
	has := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case code == "OOM", has("OOM command not allowed"):
		return errServerOOM
	case code == "READONLY", has("-READONLY"), code == "MISCONF", has("-MISCONF"):
		return fmt.Errorf("%w: the server takes no writes: %.200s", extlibs.ErrReadOnly, text)
	case has("can't run this command"), has("No permissions to access a key"), has("-NOPERM"), has("ACL failure in script"):
		return fmt.Errorf("%w: the server user lacks a permission; grant it the keys ~{NAME}:* and the driver's commands with ACL SETUSER", extlibs.ErrNotAllowed)
	case has("-NOREPLICAS"), has("max number of clients"):
		return fmt.Errorf("%w: the server says: %.200s", extlibs.ErrUnavailable, text)
	}
	return fmt.Errorf("the server says: %.200s", text)
}

// leastVersion is that of Redis whose scripts and commands the driver needs.
const leastVersion = 7

// tooOld refuses a server of an older version. One that does not tell is let through.
func tooOld(version string) error {
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < leastVersion {
		return fmt.Errorf("%w: the server has version %.20q; use Redis %d.0 or later, or Valkey", extlibs.ErrFormat, version, leastVersion)
	}
	return nil
}
