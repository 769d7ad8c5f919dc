//go:build gc && (amd64 || arm64)

package object

// goroutineID returns a number that tells the calling goroutine from all others
// that are alive. Here it is the address of the runtime's descriptor, since
// asking runtime.Stack for the number of the goroutine unwinds the whole stack:
// milliseconds in a deep recursion.
func goroutineID() uint64
