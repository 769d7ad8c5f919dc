package main

import (
	"runtime/debug"
	"strings"
)

// version returns the version of the command as the go command recorded it: that of
// the module after go install, else the commit it was built from, if it is known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown (built without module support)"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "development build"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += " of commit " + s.Value[:min(len(s.Value), 12)]
			}
		}
	}
	return strings.Join([]string{v, info.GoVersion}, ", ")
}
