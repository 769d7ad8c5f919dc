package redisstore

// Open is the driver's opener, for tests of what is below a Handle.
var Open = open
