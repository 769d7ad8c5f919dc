//go:build race

package crafted

const raceDetector = true // which takes memory
