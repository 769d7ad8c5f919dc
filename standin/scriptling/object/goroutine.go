//go:build !gc || !(amd64 || arm64)

package object

import "runtime"

// goroutineID returns a number that tells the calling goroutine from all others
// that are alive. Here it is the one in "goroutine 18 [running]:…", the only
// portable way to it; it takes longer the deeper the stack is.
func goroutineID() uint64 {
	var buf [40]byte
	n := runtime.Stack(buf[:], false)
	var id uint64
	for _, c := range buf[len("goroutine "):n] {
		if c < '0' || c > '9' {
			break
		}
		id = id*10 + uint64(c-'0')
	}
	return id
}
