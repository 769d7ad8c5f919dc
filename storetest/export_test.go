package storetest

import "time"

// Impatient makes the tests of watches fail soon.
func Impatient() { patience = time.Second / 2 }
