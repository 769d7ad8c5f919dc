package diskstore

import (
	"math"
	"sync/atomic"
	"time"
)

// MaxDeadline is the latest deadline that a file can hold, in nanoseconds since 1970:
// in April 2262. A key with this deadline does not expire.
const MaxDeadline = math.MaxInt64 - 1

// strayTime is how long a clock that began before 1970 keeps its offset beyond 1970.
// A clock that is set right meanwhile goes further.
const strayTime = 365 * 24 * time.Hour

// Clock returns a clock whose readings a file can hold: those of now from 1970 until
// 2262. A later reading is returned as the last of these. Readings before 1970 count
// from 1970 on, beginning with the first one, so that keys expire by such a clock too.
// The result is safe for concurrent use if now is. A nil now is time.Now.
func Clock(now func() time.Time) func() time.Time {
	if now == nil {
		now = time.Now
	}
	var first atomic.Pointer[time.Time] // the first reading before 1970
	epoch, last := time.Unix(0, 0), time.Unix(0, MaxDeadline-1)
	return func() time.Time {
		t := now()
		if t.Before(epoch) && first.Load() == nil {
			reading := t
			first.CompareAndSwap(nil, &reading)
		}
		if f := first.Load(); f != nil && (t.Before(epoch) || t.Sub(*f) < strayTime) {
			t = epoch.Add(max(0, t.Sub(*f)))
		}
		if t.After(last) {
			return last
		}
		return t
	}
}
