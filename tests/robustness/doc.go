// Package robustness tests what a store keeps when the system below it fails.
// It knows stores by their public calls only, but for limits of internal/boltfile and internal/diskstore.
//
//	kill_test.go       processes that are killed while they write
//	soak_test.go       everything at once, ten minutes for each kind of store with KV_NIGHTLY
//	linear_test.go     answers that some order of the calls explains
//	main_test.go       the processes that tests start, and kinds of stores
//	powercut_test.go   every state that a power cut may leave is opened and read
//	workloads_test.go  what is done to stores meanwhile, and what fails
//	history_test.go    what a store may and must hold, by what was acknowledged
//	owned_test.go      files that are mounted by themselves, and owners and modes
//	programs_test.go   the processes that use stores while they are traced
//	faults_test.go     each call of the system fails once
//	broken_test.go     faults that the tests have to find
//	damage_test.go     files with changed bytes, and files cut off
//	diskfull_*_test.go disks and limits that are full, and files that may not be written
package robustness
