package stdlib

import (
	"context"
	"math"
	"time"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// timeListSize is the number of elements of a time list: year, month, day, hour,
// minute, second, weekday (Sunday is 0), day of the year, daylight saving.
const timeListSize = 9

func timeList(t time.Time) object.Object {
	dst := 0
	if t.IsDST() {
		dst = 1
	}
	fields := [timeListSize]int{
		t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(),
		int(t.Weekday()), t.YearDay(), dst,
	}
	list := &object.List{Elements: make([]object.Object, timeListSize)}
	for i, field := range fields {
		list.Elements[i] = object.NewInteger(int64(field))
	}
	return list
}

// timeListArg returns the local time of a time list. The first six elements
// decide; weekday and day of the year follow from them.
func timeListArg(arg object.Object) (time.Time, object.Object) {
	elements, err := listArg(arg)
	if err != nil {
		return time.Time{}, err
	}
	if len(elements) != timeListSize {
		return time.Time{}, errors.NewValueError("time list must have %d elements, got %d", timeListSize, len(elements))
	}
	var fields [6]int
	for i := range fields {
		n, err := intArg(elements[i])
		if err != nil {
			return time.Time{}, err
		}
		if n != int64(int32(n)) {
			return time.Time{}, errors.NewValueError("time list element out of range: %d", n)
		}
		fields[i] = int(n)
	}
	return time.Date(fields[0], time.Month(fields[1]), fields[2], fields[3], fields[4], fields[5], 0, time.Local), nil
}

// optionalSeconds returns the local time of an optional argument in seconds.
func optionalSeconds(args []object.Object) (time.Time, object.Object) {
	if err := errors.MaxArgs(args, 1); err != nil {
		return time.Time{}, err
	}
	if len(args) == 0 {
		return time.Now(), nil
	}
	s, err := args[0].AsFloat()
	if err != nil {
		return time.Time{}, errors.ParameterError("seconds", err)
	}
	if !(math.Abs(s) < math.MaxInt32*1000.0) {
		return time.Time{}, errors.NewValueError("seconds: out of range")
	}
	whole := math.Floor(s)
	return time.Unix(int64(whole), int64((s-whole)*1e9)).Local(), nil
}

// timeLocaltime also serves gmtime, which gives local time in this language.
func timeLocaltime(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	t, err := optionalSeconds(args)
	if err != nil {
		return err
	}
	return timeList(t)
}

func timeMktime(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.ExactArgs(args, 1); err != nil {
		return err
	}
	t, err := timeListArg(args[0])
	if err != nil {
		return err
	}
	return object.NewFloat(float64(t.Unix()))
}

func timeStrftime(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.RangeArgs(args, 1, 2); err != nil {
		return err
	}
	layout, err := args[0].AsString()
	if err != nil {
		return errors.ParameterError("format", err)
	}
	t := time.Now()
	if len(args) == 2 {
		if t, err = timeListArg(args[1]); err != nil {
			return err
		}
	}
	return object.NewString(strftime(layout, t))
}

func timeStrptime(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.ExactArgs(args, 2); err != nil {
		return err
	}
	text, err := args[0].AsString()
	if err != nil {
		return errors.ParameterError("string", err)
	}
	layout, err := args[1].AsString()
	if err != nil {
		return errors.ParameterError("format", err)
	}
	t, ok := strptime(text, layout)
	if !ok {
		return errors.NewValueError("time data '%s' does not match format '%s'", text, layout)
	}
	return timeList(t)
}

func timeAsctime(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.MaxArgs(args, 1); err != nil {
		return err
	}
	t := time.Now()
	if len(args) == 1 {
		var err object.Object
		if t, err = timeListArg(args[0]); err != nil {
			return err
		}
	}
	return object.NewString(t.Format(asctimeFormat))
}

func timeCtime(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	t, err := optionalSeconds(args)
	if err != nil {
		return err
	}
	return object.NewString(t.Format(asctimeFormat))
}
