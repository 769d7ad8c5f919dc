package main

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// A meter shows on a terminal how far a command is. Its own errors are dropped: a
// store may turn out to have more keys than it had, and no work ends for that.
type meter struct{ bar *progressbar.ProgressBar }

// newMeter counts up to total, which is -1 where nobody knows.
func newMeter(cmd *cobra.Command, total int64, what string, start func(int64, ...string) *progressbar.ProgressBar) meter {
	f, ok := cmd.ErrOrStderr().(*os.File)
	if !ok || total == 0 || !term.IsTerminal(int(f.Fd())) {
		return meter{}
	}
	return meter{start(total, what)}
}

func keysMeter(cmd *cobra.Command, total int, what string) meter {
	return newMeter(cmd, int64(total), what, progressbar.Default)
}

func bytesMeter(cmd *cobra.Command, total int64, what string) meter {
	return newMeter(cmd, total, what, progressbar.DefaultBytes)
}

func (m meter) add(n int) {
	if m.bar != nil {
		m.bar.Add(n)
	}
}

// end leaves the line of the bar, which is full only if all went well.
func (m meter) end(err error) {
	switch {
	case m.bar == nil:
	case err == nil:
		m.bar.Finish()
	default:
		m.bar.Exit()
	}
}

// metered is a reader that a meter counts.
type metered struct {
	r io.Reader
	m meter
}

func (m metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.m.add(n)
	return n, err
}
