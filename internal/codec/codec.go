// Package codec encodes values as CBOR (RFC 8949) and limits what decoding can cost. It
// does not know the types of values: a front end walks its own kind of tree, script
// objects or Go values, and calls an Encoder for each part; a front end that builds such
// a tree reads CBOR items and checks them with its Limits.
//
//	codec.go    the format and its limits
//	encoder.go  Encoder, and the encodings of scalars
//	path.go     errors that name the part of a value
//	decode.go   Limits
//	size.go     the size of a decoded value
//	text.go     valid and raw text
//	digest.go   comparison of values
//	number.go   arithmetic with encoded numbers
//
// Integers are CBOR integers within int64, floats have 64 bits, a list is an array and a
// dict a map. Tags mark the types that CBOR lacks: a set is an array with tag 258, a
// tuple an array with tag 60001, and a string that is not valid UTF-8 is a byte string
// with tag 60002.
package codec

// Tags of the types that CBOR lacks.
const (
	tagSet     = 258
	tagTuple   = 60001
	tagRawText = 60002
)

// MaxDepth is the maximum number of nested containers.
const MaxDepth = 500
