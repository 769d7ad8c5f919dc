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

// ShortenName is Shorten for the name of a store, which can be a path: it keeps the
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

// Printable returns s for a message without quotation marks. If s has control characters,
// such as ones that move the cursor of a terminal or reverse the order of letters, or is
// not valid UTF-8, Printable escapes it as Go does.
func Printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// SystemError is an operating system error without the path of the file: callers know the
// store, and scripts must not learn paths of the host. For errors.Is and errors.As it is
// equivalent to the original error.
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

// WithoutPath returns err or, if its text contains a path, a SystemError in its place.
// Such errors come from package os, or from code that wraps them, such as bbolt. Errors
// joined by errors.Join get a text of one line.
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

// FromText returns the operating system error whose text ends the given text, or nil. It
// is for errors of which other code kept only the text.
func FromText(text string) error {
	for errno := syscall.Errno(1); errno < maxErrno; errno++ {
		if strings.HasSuffix(text, ": "+errno.Error()) {
			return errno
		}
	}
	return nil
}
