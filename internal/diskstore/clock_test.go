package diskstore

import (
	"testing"
	"time"
)

func TestAClockReadsWhatAFileCanHold(t *testing.T) {
	const year = 365 * 24 * time.Hour
	epoch, last := time.Unix(0, 0), time.Unix(0, MaxDeadline-1)
	y2026 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, readings := range map[string][][2]time.Time{ // readings, and what the clock returns
		"an ordinary clock":              {{y2026, y2026}, {y2026.Add(-year), y2026.Add(-year)}},
		"after 2262":                     {{last, last}, {last.Add(1), last}, {last.Add(100 * year), last}},
		"before 1970":                    {{epoch.Add(-year), epoch}, {epoch.Add(-year + time.Minute), epoch.Add(time.Minute)}, {epoch.Add(-year - time.Minute), epoch}},
		"before 1970, and set right":     {{epoch.Add(-year), epoch}, {y2026, y2026}},
		"before 1970, and into it":       {{epoch.Add(-time.Hour), epoch}, {epoch.Add(time.Hour), epoch.Add(2 * time.Hour)}},
		"before 1970, after 1970 before": {{epoch.Add(time.Hour), epoch.Add(time.Hour)}, {epoch.Add(-time.Hour), epoch}},
	} {
		var at time.Time
		clock := Clock(func() time.Time { return at })
		for i, reading := range readings {
			at = reading[0]
			if got := clock(); !got.Equal(reading[1]) {
				t.Errorf("%s: reading %d, %v, is %v, want %v", name, i, at, got, reading[1])
			}
		}
	}
	if got := Clock(nil)(); time.Since(got).Abs() > time.Minute {
		t.Errorf("without a clock it is %v", got)
	}
}
