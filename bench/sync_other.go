//go:build !linux

package main

import "os"

// fdatasync does more than its name says where the system has no such call.
func fdatasync(f *os.File) error { return f.Sync() }
