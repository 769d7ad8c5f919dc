// Package codec turns values into CBOR (RFC 8949) and keeps those who read them
// within bounds. It does not know what a value is made of: a front end walks its own
// kind of tree, script objects or Go values, and calls an [Encoder] for each part;
// one that makes such a tree reads items of CBOR and asks its [Bounds].
//
//	codec.go    the format and its limits
//	encoder.go  Encoder, and the values that need none
//	path.go     errors that say where in a value something is wrong
//	decode.go   Bounds
//	text.go     what is a text
//	digest.go   comparison of values
//	number.go   arithmetic of encoded numbers
//
// Integers are CBOR integers within int64, floats are 64 bits wide, a list is an
// array and a dict a map. Tags mark what CBOR lacks: a set is an array under tag
// 258, a tuple an array under tag 60001, and a string that is not valid UTF-8 is
// a byte string under tag 60002.
package codec

// Tags of the types that CBOR lacks.
const (
	tagSet     = 258
	tagTuple   = 60001
	tagRawText = 60002
)

// MaxDepth is how many levels of containers a value has at most.
const MaxDepth = 500
