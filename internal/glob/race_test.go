//go:build race

package glob

// slowness is by how much a build with the race detector may be slower.
const slowness = 10
