// Package bbpage reads and verifies the pages of a bbolt file without bbolt.
//
// bbolt keeps no checksums of its pages and believes what they say: a damaged page can make it
// miss keys, loop until memory is exhausted, crash the process, or overwrite pages that are in
// use. Therefore a file is verified before bbolt opens it, and reads bypass bbolt.
//
// Two facts make a plain walk of the pages enough to find damage of the structure.
// bbolt lays out the entries of a page one after the other in exactly one way, so a
// wrong count, position or size does not fit the others. And each page up to the
// high-water mark is either in one place of a tree or free, so a wrong page number
// makes one page appear twice and another one never. What the entries mean is for the
// caller to verify.
//
//	page.go    one page: accessors, and the verification of its layout and its keys
//	meta.go    the two meta pages
//	set.go     Set: which pages are in use, and which have not been verified yet
//	walk.go    Walk: the walk through all pages of a tree, for verification at open,
//	           before a write, for check and for salvage
//	free.go    the list of free pages
//	mapped.go  Mapped: the pages of a commit in memory that maps the file
//	tree.go    Tree: reads of one key, and verification before a write
//	cursor.go  scans of a tree
//	count.go   how many entries a range has
//	build.go   Builder: writing a new file
package bbpage
