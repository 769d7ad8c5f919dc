//go:build race

package robustness

// With the race detector a process takes ten times as long to start.
const raceDetector = true
