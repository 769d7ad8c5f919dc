package format

import (
	"strconv"
	"strings"
)

// Replace applies str.format: for each text in turn, the first "{i}" and then
// the first "{}" of the template are replaced by it.
func Replace(template string, texts []string) string {
	for i, text := range texts {
		template = strings.Replace(template, "{"+strconv.Itoa(i)+"}", text, 1)
		template = strings.Replace(template, "{}", text, 1)
	}
	return template
}
