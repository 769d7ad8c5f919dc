package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// A meter shows the progress of a command on a terminal. Its errors are ignored: a store can
// turn out to have more keys than expected, and that must not stop the command.
type meter struct{ bar *progressbar.ProgressBar }

// newMeter returns a meter that counts up to total, or -1 if that is unknown.
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

// Write counts bytes that were read or written elsewhere.
func (m meter) Write(p []byte) (int, error) {
	m.add(len(p))
	return len(p), nil
}

// growthPoll is the interval at which the size of a growing file is read.
const growthPoll = 200 * time.Millisecond

// showGrowth runs fn, which writes a temporary file of a kind into dir, and shows the size
// of that file as part of total.
func showGrowth(cmd *cobra.Command, dir, kind string, total int64, what string, fn func() error) (err error) {
	bar := bytesMeter(cmd, total, what)
	if bar.bar == nil {
		return fn()
	}
	before := tempSizes(dir, kind)
	done := make(chan error, 1)
	go func() { done <- fn() }()
	tick := time.NewTicker(growthPoll)
	defer tick.Stop()
	defer func() { bar.end(err) }()
	for shown := int64(0); ; {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			for name, size := range tempSizes(dir, kind) {
				if _, old := before[name]; !old && size > shown {
					bar.add(int(size - shown))
					shown = size
				}
			}
		}
	}
}

// tempSizes returns the temporary files of a kind in dir, with their sizes.
func tempSizes(dir, kind string) map[string]int64 {
	sizes := map[string]int64{}
	names, _ := filepath.Glob(filepath.Join(escapeGlob(dir), ".kv-"+kind+"-*")) // only for the meter, so errors do not matter
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			sizes[name] = info.Size()
		}
	}
	return sizes
}

// escapeGlob escapes the special characters of filepath.Glob.
func escapeGlob(path string) string {
	if filepath.Separator == '\\' {
		return path
	}
	return strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`).Replace(path)
}

// end ends the line of the bar, which is full only if err is nil.
func (m meter) end(err error) {
	switch {
	case m.bar == nil:
	case err == nil:
		m.bar.Finish()
	default:
		m.bar.Exit()
	}
}
