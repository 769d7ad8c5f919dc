//go:build !race

package crafted

const raceDetector = false
