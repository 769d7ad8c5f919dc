package extlibs_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

func TestABareNameThatIsRefusedHintsAtWhatItMayHaveBeenMeantAs(t *testing.T) {
	const inMemory, ofHost = `":memory:NAME"`, "kv.default"
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := errors.Join(os.Mkdir("folder", 0o700), os.WriteFile("note", []byte("no store, a text"), 0o600)); err != nil {
				t.Fatal(err)
			}
			r := b.registry(t, extlibs.MaxCreatedFiles(0))
			for _, c := range []struct {
				name    string
				allowed []string
				clause  string
				hints   string // of both, those that the error has
			}{
				{"sessions", []string{}, "PermissionError", inMemory},
				{"default", []string{}, "PermissionError", inMemory + ofHost},
				{"sessions", nil, "OSError", inMemory}, // scripts may make no file
				{"folder", nil, "OSError", inMemory},
				{"note", nil, "OSError", inMemory},
				{"sessions.db", []string{}, "PermissionError", ""},
				{"./sessions", []string{}, "PermissionError", ""},
				{"none/sessions", []string{}, "PermissionError", ""},
			} {
				clause, message := opens(t, r, registrations["RegisterWithSecurity"], c.allowed, c.name)
				if clause != c.clause {
					t.Errorf("%q: %s %s, want %s", c.name, clause, message, c.clause)
				}
				for _, hint := range []string{inMemory, ofHost} {
					if strings.Contains(message, hint) != strings.Contains(c.hints, hint) {
						t.Errorf("%q, hint %s: %s", c.name, hint, message)
					}
				}
			}
			_, err := r.Open(ctx, "folder")
			if !errors.Is(err, extlibs.ErrFormat) || !strings.Contains(err.Error(), inMemory) {
				t.Errorf("Go gets %v", err)
			}
		})
	}
}
