//go:build unix

package redisstore_test

import (
	"syscall"
	"testing"
)

// stop stops the server's process, as one that hangs; its requests wait in the system.
func (s *testServer) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

// goOn ends stop.
func (s *testServer) goOn() { s.cmd.Process.Signal(syscall.SIGCONT) }
