//go:build !unix

package redisstore_test

import "testing"

func (s *testServer) stop(t *testing.T) { t.Skip("a process can be stopped on Unix only") }

func (s *testServer) goOn() {}
