package kverr

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

func TestTheNameOfAStoreKeepsItsBeginningAndItsEnd(t *testing.T) {
	for _, in := range []string{"app.db", strings.Repeat("x", maxShownBytes), strings.Repeat("x", maxShownBytes+1) + "end", strings.Repeat("水", 200), strings.Repeat("a水", 200)} {
		got := ShortenName(in)
		head, tail, cut := strings.Cut(got, "...")
		if len(got) > maxShownBytes || !utf8.ValidString(got) || cut != (len(in) > maxShownBytes) || !strings.HasPrefix(in, head) || !strings.HasSuffix(in, tail) {
			t.Errorf("%q is shortened to %q", in, got)
		}
	}
}

func TestPrintableEscapesWhatATerminalObeys(t *testing.T) {
	for in, want := range map[string]string{
		"ä \"x\"":      "ä \"x\"",
		"\x1b[31m":     `\x1b[31m`,
		"a\n\"b\"":     `a\n"b"`,
		"\u202eabc":    `\u202eabc`,
		"not \xff utf": `not \xff utf`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
}

func TestNoErrorShowsAPath(t *testing.T) {
	path := &fs.PathError{Op: "open", Path: "/secret", Err: syscall.ENOENT}
	link := &os.LinkError{Op: "rename", Old: "/secret", New: "/secret2", Err: syscall.EXDEV}
	plain := errors.New("plain")
	for _, c := range []struct {
		err  error
		want string
	}{
		{plain, "plain"},
		{path, "open: " + syscall.ENOENT.Error()},
		{link, "rename: " + syscall.EXDEV.Error()},
		{fmt.Errorf("bbolt: %w", path), "open: " + syscall.ENOENT.Error()},
		{fmt.Errorf("%w and %w", plain, path), "open: " + syscall.ENOENT.Error()},
		{fmt.Errorf("%w and %w", plain, plain), "plain and plain"},
		{errors.Join(plain, path, path), "plain; open: " + syscall.ENOENT.Error()},
		{&SystemError{Err: plain}, "plain"},
		{Errorf(Full, "the disk is full: %w", path), "the disk is full: open: " + syscall.ENOENT.Error()},
	} {
		got := WithoutPath(c.err)
		if got.Error() != c.want {
			t.Errorf("%v becomes %v, want %s", c.err, got, c.want)
		}
		if errors.Is(c.err, syscall.ENOENT) != errors.Is(got, syscall.ENOENT) {
			t.Errorf("%v is not ENOENT as %v is", got, c.err)
		}
	}
	if WithoutPath(nil) != nil {
		t.Error("nil becomes an error")
	}
}

func TestOnlyTextsOfTheSystemAreItsErrors(t *testing.T) {
	if err := FromText("write app.db: " + syscall.ENOSPC.Error()); err != syscall.ENOSPC {
		t.Error(err)
	}
	if err := FromText("no error of the system"); err != nil {
		t.Error(err)
	}
}

func TestAPanicIsShownWithoutItsValue(t *testing.T) {
	var err error
	func() {
		defer func() { err = Panicked("the store", recover()) }()
		_ = make([]int, 0)[len(os.Args)]
	}()
	if !errors.Is(err, Corrupt) || !strings.Contains(err.Error(), "a bug stopped the store (runtime error: index out of range") {
		t.Error(err)
	}
	if err := Panicked("the store", "secret"); err.Error() != "a bug stopped the store (panic of type string)" {
		t.Error(err)
	}
}
