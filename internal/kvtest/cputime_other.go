//go:build !unix

package kvtest

import "time"

var began = time.Now()

// CPUTime returns the time since the process began, where its processor time is unknown.
func CPUTime() time.Duration { return time.Since(began) }
