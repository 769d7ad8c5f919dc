package powercut

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// mayHold plays events and returns the different contents that file "f" may have
// after a power cut, "-" for a file that is not there; each page is named by its
// first byte and, if it is torn, its last.
func mayHold(events ...Event) []string {
	d := NewDisk()
	for i := range events {
		d.Play(&events[i])
	}
	var found []string
	for _, s := range d.States(rand.New(rand.NewPCG(1, 2)), 400) {
		text := "-"
		if image := s.Files["f"]; image != nil {
			content := make([]byte, image.size)
			for n, p := range image.pages {
				copy(content[n*pageBytes:], p[:])
			}
			text = ""
			for page := range slices.Chunk(content, pageBytes) {
				first, last := page[0], page[len(page)-1]
				text += letter(first)
				if first != last {
					text += "/" + letter(last)
				}
			}
		}
		found = append(found, text)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func letter(b byte) string {
	if b == 0 {
		return "."
	}
	return string(rune(b))
}

func pages(at int, letters string) Event {
	var data []byte
	for _, l := range []byte(letters) {
		data = append(data, bytes.Repeat([]byte{l}, pageBytes)...)
	}
	return Event{Kind: Write, Offset: int64(at * pageBytes), Data: data}
}

func TestAPowerCutLeavesWhatWasSyncedAndAnyPartOfTheRest(t *testing.T) {
	created := Event{Kind: Name, Names: map[string]int{"f": 0}}
	named := Event{Kind: SyncDir, Begin: 1 << 30}
	synced := func(begin int) Event { return Event{Kind: Sync, Begin: begin} }
	unsynced := func(begin int) Event { return Event{Kind: SyncFailed, Begin: begin} }
	gone := Event{Kind: Name, Names: map[string]int{"f": noFile}}
	for name, test := range map[string]struct {
		events []Event
		want   []string
	}{
		"all is synced":                      {[]Event{created, pages(0, "a"), synced(9), named}, []string{"a"}},
		"the name is not":                    {[]Event{created, pages(0, "a"), synced(9)}, []string{"-", "a"}},
		"the page is not":                    {[]Event{created, named, pages(0, "a")}, []string{"", ".", "./a", "a", "a/."}},
		"a page is written again":            {[]Event{created, named, pages(0, "a"), synced(9), pages(0, "b")}, []string{"a", "a/b", "b", "b/a"}},
		"a write during a sync":              {[]Event{created, named, pages(0, "a"), pages(0, "b"), synced(3)}, []string{"a", "a/b", "b", "b/a"}},
		"a sync that failed":                 {[]Event{created, named, pages(0, "a"), synced(9), pages(0, "b"), unsynced(9)}, []string{"a", "a/b", "b", "b/a"}},
		"a sync after one that failed":       {[]Event{created, named, pages(0, "a"), synced(9), pages(0, "b"), unsynced(9), synced(9)}, []string{"a", "a/b", "b", "b/a"}},
		"a write after a sync that failed":   {[]Event{created, named, pages(0, "a"), synced(9), pages(0, "b"), unsynced(9), pages(0, "c"), synced(9)}, []string{"c"}},
		"the file is cut":                    {[]Event{created, named, pages(0, "ab"), synced(9), {Kind: Truncate, Offset: pageBytes}, synced(9)}, []string{"a"}},
		"the file is cut, not synced":        {[]Event{created, named, pages(0, "a"), synced(9), {Kind: Truncate}, synced(4)}, []string{"", ".", "./a", "a", "a/."}},
		"the file is removed":                {[]Event{created, pages(0, "a"), synced(9), named, gone, named}, []string{"-"}},
		"the removal is not synced":          {[]Event{created, pages(0, "a"), synced(9), named, gone}, []string{"-", "a"}},
		"another file takes the name":        {[]Event{created, pages(0, "a"), synced(9), named, {Kind: Name, Names: map[string]int{"g": 1}}, {Kind: Write, File: 1, Data: []byte("b")}, {Kind: Sync, File: 1, Begin: 9}, {Kind: Name, Names: map[string]int{"g": noFile, "f": 1}}}, []string{"a", "b"}},
		"another file, whose name is synced": {[]Event{created, pages(0, "a"), synced(9), named, {Kind: Name, Names: map[string]int{"g": 1}}, {Kind: Write, File: 1, Data: []byte("b")}, {Kind: Sync, File: 1, Begin: 9}, {Kind: Name, Names: map[string]int{"g": noFile, "f": 1}}, named}, []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mayHold(test.events...); !slices.Equal(got, test.want) {
				t.Errorf("may be %q, want %q", got, test.want)
			}
		})
	}
}

func TestAnOwnerIsDurableAfterASyncThatIsNotOfTheDataAlone(t *testing.T) {
	first, last := Attrs{Mode: 0o600}, Attrs{Mode: 0o640, UID: 7, GID: 8}
	events := []Event{
		{Kind: Name, Names: map[string]int{"f": 0}, Attrs: &first},
		{Kind: SyncDir, Begin: 9},
		{Kind: Attr, Attrs: &last},
		{Kind: Sync, Begin: 9, DataOnly: true},
		{Kind: Sync, Begin: 2}, // it began before
		{Kind: Sync, Begin: 9},
	}
	for n, want := range map[int][]Attrs{2: {first}, 3: {first, last}, 4: {first, last}, 5: {first, last}, 6: {last}} {
		d := NewDisk()
		for i := range events[:n] {
			d.Play(&events[i])
		}
		seen := map[Attrs]bool{}
		for _, s := range d.States(rand.New(rand.NewPCG(1, 2)), 40) {
			seen[s.Files["f"].Attrs] = true
		}
		for _, a := range want {
			if !seen[a] {
				t.Errorf("after %d events no state has %v", n, a)
			}
		}
		if len(seen) != len(want) {
			t.Errorf("after %d events the file may have %v, want %v", n, seen, want)
		}
	}
}
