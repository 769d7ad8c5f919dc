package kvprom

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// alert is a rule of alerts.yml, or a row of the table in docs/operating.md.
type alert struct{ severity, condition, period string }

// The page and the file have the same alerts.
func TestThePageHasTheAlertsOfTheFile(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	inFile := map[alert]bool{}
	rule := regexp.MustCompile(`- alert: \w+\n +expr: (.+)\n(?: +for: (\w+)\n)? +labels:\n +severity: (\w+)\n`)
	for _, m := range rule.FindAllStringSubmatch(read("alerts.yml"), -1) {
		inFile[alert{m[3], m[1], m[2]}] = true
	}
	if n := strings.Count(read("alerts.yml"), "- alert:"); n == 0 || len(inFile) != n {
		t.Errorf("alerts.yml has %d alerts, of which %d were read", n, len(inFile))
	}
	onPage := map[alert]bool{}
	row := regexp.MustCompile("(?m)^\\| (page|ticket) \\| `(.+?)`(?: for (\\d+) minutes)? \\|")
	for _, m := range row.FindAllStringSubmatch(read("../docs/operating.md"), -1) {
		a := alert{severity: m[1], condition: strings.ReplaceAll(m[2], `\|`, "|")}
		if m[3] != "" {
			a.period = m[3] + "m"
		}
		onPage[a] = true
		if !inFile[a] {
			t.Errorf("alerts.yml lacks %+v of docs/operating.md", a)
		}
	}
	for a := range inFile {
		if !onPage[a] {
			t.Errorf("docs/operating.md lacks %+v of alerts.yml", a)
		}
	}
}

// Prometheus accepts the rules, and each alert fires when it should and not otherwise:
// alerts_test.yml has the series.
func TestEachAlertFires(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not installed: it is in Debian's package prometheus")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
