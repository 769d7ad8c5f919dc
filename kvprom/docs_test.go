package kvprom

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The pages name no metric, and no kind of an error, that is not exported; the page of
// the options has all of them.
func TestThePagesNameTheMetrics(t *testing.T) {
	names := []string{tasks.name, maxTasks.name, "scriptling_kv_call_seconds", "scriptling_kv_call_errors_total"}
	for _, m := range metrics {
		names = append(names, m.name)
	}
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), "`_", "`scriptling_kv_")
	}
	operating, options := read("../docs/operating.md"), read("../docs/options.md")
	for _, name := range regexp.MustCompile(`scriptling_kv_\w+`).FindAllString(operating, -1) {
		if name = strings.TrimSuffix(name, "_bucket"); !slices.Contains(names, name) {
			t.Errorf("operating.md names %s, which is not exported", name)
		}
	}
	for _, name := range names {
		if !strings.Contains(options, "`"+name+"`") {
			t.Errorf("options.md lacks %s", name)
		}
	}
	var all []string
	for _, k := range kinds {
		all = append(all, k.name)
		if !strings.Contains(operating, "`"+k.name+"`") {
			t.Errorf("operating.md lacks the kind %s", k.name)
		}
	}
	var alerted []string
	for _, used := range regexp.MustCompile(`kind=~?"([^"]+)"`).FindAllStringSubmatch(operating, -1) {
		for kind := range strings.SplitSeq(used[1], `\|`) {
			if !slices.Contains(all, kind) {
				t.Errorf("operating.md names the kind %s, which is not exported", kind)
			}
			alerted = append(alerted, kind)
		}
	}
	for _, kind := range alertKinds {
		if !slices.Contains(alerted, kind) {
			t.Errorf("operating.md has no alert on the kind %s, which starts at 0", kind)
		}
	}
	for _, kind := range alerted {
		if !slices.Contains(alertKinds, kind) {
			t.Errorf("operating.md has an alert on the kind %s, which does not start at 0", kind)
		}
	}
}
