package main

import (
	"encoding/json"
	"os"
)

// result is a line in the form in which -json writes it.
type result struct {
	Row, Store       string
	Unit             unit
	Min, Median, Max float64
}

// writeResults writes the lines to a file, for a program that compares them.
func (s *suite) writeResults(path string) error {
	results := make([]result, len(s.lines))
	for i, l := range s.lines {
		results[i] = result{l.row, l.store, l.unit, l.stat.min, l.stat.median, l.stat.max}
	}
	text, err := json.MarshalIndent(results, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func readResults(path string) (results []result, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return results, json.Unmarshal(text, &results)
}
