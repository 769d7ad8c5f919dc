package access

import (
	"context"
	"os"
	"time"
)

// LockPause is the time between two attempts of Lock.
const LockPause = 20 * time.Millisecond

// TryLock is an exclusive Lock that does not wait.
func TryLock(f *os.File) (bool, error) { return Lock(context.Background(), f, false, 0) }
