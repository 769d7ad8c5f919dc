package stdlib

import (
	"strings"
	"time"
)

// timeLayouts holds the directives of strftime and strptime that package time
// knows, in its notation.
var timeLayouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'j': "002",
	'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM",
	'A': "Monday", 'a': "Mon", 'B': "January", 'b': "Jan",
	'Z': "MST", 'z': "-0700",
	'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05",
	'D': "01/02/06", 'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04",
}

// strftime leaves directives it does not know as they are.
func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		layout, known := timeLayouts[format[i]]
		switch {
		case known:
			b.WriteString(t.Format(layout))
		case format[i] == '%':
			b.WriteByte('%')
		case format[i] == 'f':
			b.WriteString(t.Format(".000000")[1:])
		case format[i] == 'w':
			b.WriteByte('0' + byte(t.Weekday()))
		default:
			b.WriteByte('%')
			b.WriteByte(format[i])
		}
	}
	return b.String()
}

// parsedLayouts differ from timeLayouts where reading is more tolerant than
// writing: leading zeros may be missing.
var parsedLayouts = map[byte]string{'m': "1", 'd': "2", 'e': "2", 'I': "3", 'M': "4", 'S': "5"}

// strptime reads a text with one layout of package time. Digits outside of
// directives are refused, because package time would take them for a part of
// the layout.
func strptime(text, format string) (time.Time, bool) {
	var layout strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			if format[i] >= '0' && format[i] <= '9' || format[i] == '_' {
				return time.Time{}, false
			}
			layout.WriteByte(format[i])
			continue
		}
		if i++; i == len(format) {
			return time.Time{}, false
		}
		part, ok := parsedLayouts[format[i]]
		if !ok {
			part, ok = timeLayouts[format[i]]
		}
		if format[i] == '%' {
			part, ok = "%", true
		}
		if !ok {
			return time.Time{}, false
		}
		layout.WriteString(part)
	}
	t, err := time.ParseInLocation(layout.String(), text, time.Local)
	if err != nil {
		return time.Time{}, false
	}
	if t.Year() == 0 {
		// A format without a year means 1900.
		t = t.AddDate(1900, 0, 0)
	}
	return t, true
}
