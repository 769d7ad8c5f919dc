package kvadmin_test

import (
	"reflect"
	"regexp"
	"testing"

	"github.com/scriptling-kv/extlibs/kvadmin"
)

// Each refusal ends with the option that the developer of the host has to change.
func TestARefusalNamesTheOption(t *testing.T) {
	hide := func(_, key string) bool { return key == secretKey }
	named := regexp.MustCompile(`; .*(?:set|change|remove) kvadmin\.Options\.(\w+) in the host(?:$|[ ,])`)
	for _, c := range []struct {
		option, path, body, code string
		options                  kvadmin.Options
	}{
		{"Allow", "default", "", "refused", kvadmin.Options{}},
		{"Allow", "default", "", "refused", kvadmin.Options{Allow: kvadmin.Password("")}},
		{"Write", "default/set", `{"key":"k","value":1}`, "read_only", kvadmin.Options{Allow: everybody}},
		{"Values", "default/export", "", "values_hidden", kvadmin.Options{Allow: everybody}},
		{"Backup", "default/backup", "", "backup_off", kvadmin.Options{Allow: everybody}},
		{"Hide", "default/backup", "", "backup_off", kvadmin.Options{Allow: everybody, Backup: true, Hide: hide}},
		{"Hide", "default/set", bodies[0], "refused", kvadmin.Options{Allow: everybody, Write: true, Hide: hide}},
	} {
		s := newSite(t, c.options)
		method := "GET"
		if c.body != "" {
			method = "POST"
		}
		var answer struct{ Error struct{ Message string } }
		s.json(method, c.path, c.body, c.code, &answer)
		m := named.FindStringSubmatch(answer.Error.Message)
		if m == nil || m[1] != c.option {
			t.Errorf("%s %s: %q does not name %s", method, c.path, answer.Error.Message, c.option)
		} else if _, ok := reflect.TypeFor[kvadmin.Options]().FieldByName(m[1]); !ok {
			t.Errorf("Options has no %s", m[1])
		}
	}
}
