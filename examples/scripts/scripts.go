// Package scripts holds the example scripts, for the programs beside it.
package scripts

import "embed"

// FS holds the scripts.
//
//go:embed *.py
var FS embed.FS
