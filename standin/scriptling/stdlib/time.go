package stdlib

import (
	"context"
	stderrors "errors"
	"math"
	"time"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// started is the zero of perf_counter, which counts monotonically.
var started = time.Now()

const asctimeFormat = "Mon Jan 2 15:04:05 2006" // the day is not padded

// TimeLibrary is the library time.
var TimeLibrary = object.NewLibrary("time", map[string]*object.Builtin{
	"time":         function("time() - Seconds since the epoch", timeTime),
	"sleep":        function("sleep(seconds) - Wait", timeSleep),
	"perf_counter": function("perf_counter() - Seconds of a monotonic clock", timePerfCounter),
	"now":          function("now() - Current time as an ISO text", timeNow),
	"gmtime":       function("gmtime([seconds]) - Time as a list of 9 numbers", timeLocaltime),
	"localtime":    function("localtime([seconds]) - Time as a list of 9 numbers", timeLocaltime),
	"mktime":       function("mktime(t) - Seconds since the epoch of a time list", timeMktime),
	"strftime":     function("strftime(format[, t]) - Time as a text", timeStrftime),
	"strptime":     function("strptime(text, format) - Time list of a text", timeStrptime),
	"asctime":      function("asctime([t]) - Time list as a text", timeAsctime),
	"ctime":        function("ctime([seconds]) - Time as a text", timeCtime),
}, nil, "Time and sleep")

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

func timeTime(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.NoArgs(args); err != nil {
		return err
	}
	return object.NewFloat(seconds(time.Now()))
}

func timePerfCounter(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.NoArgs(args); err != nil {
		return err
	}
	return object.NewFloat(time.Since(started).Seconds())
}

func timeNow(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.NoArgs(args); err != nil {
		return err
	}
	return object.NewString(time.Now().Format(time.RFC3339))
}

func timeSleep(ctx context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.ExactArgs(args, 1); err != nil {
		return err
	}
	s, err := args[0].AsFloat()
	if err != nil {
		return errors.ParameterError("seconds", err)
	}
	object.RunBlocking(ctx, func() { wait(ctx, duration(s)) })
	switch ctxErr := ctx.Err(); {
	case ctxErr == nil:
		return none()
	case stderrors.Is(ctxErr, context.DeadlineExceeded):
		return errors.NewTimeoutError()
	}
	return errors.NewCancelledError()
}

func duration(s float64) time.Duration {
	ns := s * float64(time.Second)
	switch {
	case !(ns > 0):
		return 0
	case ns >= math.MaxInt64:
		return math.MaxInt64
	}
	return time.Duration(ns)
}

func wait(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
