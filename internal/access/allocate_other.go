//go:build !linux

package access

import "os"

// allocate gives a file blocks for the bytes between from, its end, and to. It reports
// whether it wrote zeros to them.
func allocate(f *os.File, from, to int64) (written bool, err error) { return writeZeros(f, from, to) }

// reserveBlocks is allocate where blocks cost no writes; elsewhere it does nothing.
func reserveBlocks(f *os.File, from, to int64) error { return nil }
