// Package tools has the test of a release, and requires the commands that checks
// and measurements use. It is a separate module, so that no other module requires
// them.
package tools
