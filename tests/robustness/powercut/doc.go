// Package powercut finds out what a power cut may leave of a program's files.
//
// A Recorder runs programs as traced processes and writes down, in order, what
// each system call did to one folder, and the notes that the programs made in
// between: what they were about to do, and what they reported as done. It sees
// the calls themselves, so nothing in a program has to be prepared for it and
// nothing can get past it: after each process the folder is compared with what
// the record says that it holds. It can make chosen calls fail, and kill the
// process at any of them.
//
// A Disk is played the record and knows at each moment what is certain to be on
// disk and what is not yet; its States are what a power cut at that moment may
// leave.
//
//	trace.go    the calls of a process and its threads, by ptrace and seccomp
//	calls.go    which of them matter to the folder, and what they do to it
//	recorder.go the record of these
//	disk.go     what is on disk for certain, and what may be
//	image.go    the content of a folder
//	states.go   the states that a power cut may leave
//
// The record needs Linux on amd64; the rest runs anywhere.
//
// What the model takes a disk for: written pages reach it in any order and at
// any time until a sync of their file returns; within a page, sectors of 512
// bytes may be of different ages; a file's length is independent of its pages; a
// sync makes durable what was written before it began; names (created, linked,
// renamed, unlinked) are durable after a sync of the folder, and until then any
// part of them may be; after a sync that failed, the pages that it should have
// written may or may not be on disk, and no later sync will write them, unless
// they are written to again; a file that is created has its first owner and mode with
// its name, and later ones are durable after an fsync of it, not after an fdatasync.
package powercut
