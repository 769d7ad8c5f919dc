// Package testoption has options of the root package for tests in other packages.
package testoption

import "github.com/scriptling-kv/extlibs/internal/diskstore"

// Parts returns an extlibs.Option for stores in files. The root package sets it.
var Parts func(diskstore.Parts) any
