package main

import (
	"image/png"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// The picture is shown on light and on dark pages, so no pixel of it may be transparent.
func TestThePictureHasABackground(t *testing.T) {
	s := newSuite(quickSize, t.TempDir(), io.Discard)
	for _, p := range panels {
		for _, r := range p.rows {
			for i, store := range p.stores {
				f := float64(i + 1)
				s.lines = append(s.lines, line{row: r.name, store: store.name, stat: stat{f, f, f}, ratio: f})
			}
		}
	}
	path := filepath.Join(t.TempDir(), "p.png")
	if err := s.picture(path); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	for x := range picture.Bounds().Dx() {
		for y := range picture.Bounds().Dy() {
			if _, _, _, a := picture.At(x, y).RGBA(); a != 0xffff {
				t.Fatalf("the pixel at %d, %d is transparent", x, y)
			}
		}
	}
	s.lines = s.lines[1:]
	if s.picture(path) == nil {
		t.Error("a picture was drawn without one of its figures")
	}
}
