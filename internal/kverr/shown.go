package kverr

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// ShortenName is Shorten for the name of a store, which may be a path: it keeps the
// beginning and the end.
func ShortenName(s string) string {
	const head, tail = 40, maxShownBytes - 40 - len("...")
	if len(s) <= maxShownBytes {
		return s
	}
	begin, end := head, len(s)-tail
	for begin > 0 && !utf8.RuneStart(s[begin]) {
		begin--
	}
	for end < len(s) && !utf8.RuneStart(s[end]) {
		end++
	}
	return s[:begin] + "..." + s[end:]
}

// Printable is a text that can stand in a message without quotation marks of %q: if it
// has control characters, such as those that move a terminal's cursor or turn the order
// of letters around, or is no UTF-8, it is escaped as Go does it.
func Printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// SystemError is an error of the operating system that does not say which file it is
// about: callers know the store, and scripts must not learn a path of the host. It is
// all that the original error is for errors.Is and errors.As.
type SystemError struct {
	Op  string
	Err error // without a path
	was error
}

func (e *SystemError) Error() string {
	if e.Op == "" {
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap returns the original error.
func (e *SystemError) Unwrap() error { return e.was }

// WithoutPath returns err, or in its place a SystemError if its text has a path: it is an
// error of package os, or one that other code, such as the engine, has made of it. What
// errors.Join has joined gets a text of one line.
func WithoutPath(err error) error {
	if err == nil {
		return nil
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok && err.Error() == errors.Join(all.Unwrap()...).Error() && len(all.Unwrap()) > 1 {
		j := joined{}
		for _, part := range all.Unwrap() {
			j = append(j, WithoutPath(part))
		}
		return j
	}
	if op, cause := pathIn(err); cause != nil {
		return &SystemError{op, cause, err}
	}
	return err
}

// joined is errors.Join on one line, each text once.
type joined []error

func (j joined) Error() string {
	text := ""
	for _, err := range j {
		switch part := err.Error(); {
		case text == "":
			text = part
		case !strings.Contains(text, part):
			text += "; " + part
		}
	}
	return text
}

func (j joined) Unwrap() []error { return j }

// isOwn reports whether an error was made here, so that its text has no path.
func isOwn(err error) bool {
	switch err.(type) {
	case *Error, *SystemError, joined:
		return true
	}
	return false
}

// pathIn finds the error with a path whose text is a part of that of err.
func pathIn(err error) (op string, cause error) {
	if err == nil || isOwn(err) {
		return "", nil
	}
	switch e := err.(type) {
	case *fs.PathError:
		return e.Op, WithoutPath(e.Err)
	case *os.LinkError:
		return e.Op, WithoutPath(e.Err)
	case interface{ Unwrap() error }:
		return pathIn(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			if op, cause = pathIn(part); cause != nil {
				return op, cause
			}
		}
	}
	return "", nil
}

// maxErrno is more than the systems' largest error number.
const maxErrno = 256

// FromText returns the error of the operating system that a text ends with, for code
// that keeps nothing else of it, or nil.
func FromText(text string) error {
	for errno := syscall.Errno(1); errno < maxErrno; errno++ {
		if strings.HasSuffix(text, ": "+errno.Error()) {
			return errno
		}
	}
	return nil
}
