package extlibs_test

import (
	"slices"
	"testing"
	"unicode/utf8"

	peer "github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/scriptling-kv/extlibs"
)

// The numbers of the tags are part of the format, which others read.
const (
	peerSet     = 258
	peerTuple   = 60001
	peerRawText = 60002
)

func peerReader(t testing.TB) peer.DecMode {
	mode, err := peer.DecOptions{
		MaxNestedLevels: 1000,
		IntDec:          peer.IntDecConvertSignedOrFail,
		UTF8:            peer.UTF8RejectInvalid,
		DupMapKey:       peer.DupMapKeyQuiet,
	}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	return mode
}

// fromPeer makes of what the peer decoded the values that Decode returns.
func fromPeer(v any) any {
	switch v := v.(type) {
	case []any:
		return fromPeerAll(v)
	case map[any]any:
		d := extlibs.Dict{}
		for k, el := range v {
			d = append(d, extlibs.Pair{Key: fromPeer(k), Value: fromPeer(el)})
		}
		return d
	case peer.ByteString:
		return []byte(v)
	case peer.Tag:
		switch v.Number {
		case peerSet:
			return extlibs.Set(fromPeerAll(v.Content.([]any)))
		case peerTuple:
			return extlibs.Tuple(fromPeerAll(v.Content.([]any)))
		case peerRawText:
			return string(v.Content.([]byte))
		}
	}
	return v
}

func fromPeerAll(list []any) []any {
	out := make([]any, len(list))
	for i, el := range list {
		out[i] = fromPeer(el)
	}
	return out
}

// toPeer makes a value that the peer encodes in the documented way.
func toPeer(v any) any {
	switch v := v.(type) {
	case []any:
		return toPeerAll(v)
	case extlibs.Tuple:
		return peer.Tag{Number: peerTuple, Content: toPeerAll(v)}
	case extlibs.Set:
		return peer.Tag{Number: peerSet, Content: toPeerAll(v)}
	case map[string]any:
		m := map[string]any{}
		for k, el := range v {
			m[k] = toPeer(el)
		}
		return m
	case []byte:
		return append([]byte{}, v...)
	}
	return v
}

func toPeerAll(list []any) []any {
	out := make([]any, len(list))
	for i, el := range list {
		out[i] = toPeer(el)
	}
	return out
}

// peerKeys leaves out what cannot be a key of a Go map, as the peer uses them.
func peerKeys(v any) bool {
	all := func(list []any) bool { return !slices.ContainsFunc(list, func(el any) bool { return !peerKeys(el) }) }
	switch v := v.(type) {
	case []any:
		return all(v)
	case extlibs.Tuple:
		return all(v)
	case extlibs.Set:
		return all(v)
	case map[string]any:
		for _, el := range v {
			if !peerKeys(el) {
				return false
			}
		}
	case extlibs.Dict:
		return false
	}
	return true
}

func TestAnotherLibraryReadsWhatIsWritten(t *testing.T) {
	reader := peerReader(t)
	check := func(t interface {
		Fatalf(string, ...any)
	}, v any) {
		e, err := extlibs.Encode(v)
		if err != nil {
			t.Fatalf("Encode: %v", err)
		}
		var got any
		if err := reader.Unmarshal([]byte(e.Raw()), &got); err != nil {
			t.Fatalf("the peer cannot read %s: %v", canonical(v), err)
		}
		if canonical(fromPeer(got)) != canonical(v) {
			t.Fatalf("the peer read %s as %s", canonical(v), canonical(fromPeer(got)))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, anyValue().Filter(peerKeys).Draw(t, "value"))
	})
	check(t, extlibs.Dict{{Key: int64(1), Value: extlibs.Dict{{Key: 1.5, Value: nil}}}, {Key: "s", Value: []byte("x")}})
}

func TestWhatAnotherLibraryWritesIsRead(t *testing.T) {
	for name, options := range map[string]peer.EncOptions{
		"shortest floats": {ShortestFloat: peer.ShortestFloat16},
		"canonical":       peer.CanonicalEncOptions(),
		"plain":           {},
	} {
		t.Run(name, func(t *testing.T) {
			options.NaNConvert = peer.NaNConvertNone
			options.InfConvert = peer.InfConvertNone
			if options.ShortestFloat != peer.ShortestFloatNone {
				options.NaNConvert = peer.NaNConvertPreserveSignal
				options.InfConvert = peer.InfConvertFloat16
			}
			writer, err := options.EncMode()
			if err != nil {
				t.Fatal(err)
			}
			rapid.Check(t, func(t *rapid.T) {
				v := anyValue().Filter(peerKeys).Filter(validText).Draw(t, "value")
				data, err := writer.Marshal(toPeer(v))
				if err != nil {
					t.Fatalf("the peer cannot write %s: %v", canonical(v), err)
				}
				got, err := extlibs.RawValue(string(data)).Decode()
				if err != nil || canonical(got) != canonical(v) {
					t.Fatalf("%s of the peer is read as %s, %v", canonical(v), canonical(got), err)
				}
			})
		})
	}
}

// validText leaves out strings that are not UTF-8: the peer writes them as text,
// which is not valid.
func validText(v any) bool {
	all := func(list []any) bool { return !slices.ContainsFunc(list, func(el any) bool { return !validText(el) }) }
	switch v := v.(type) {
	case string:
		return utf8.ValidString(v)
	case []any:
		return all(v)
	case extlibs.Tuple:
		return all(v)
	case extlibs.Set:
		return all(v)
	case map[string]any:
		for k, el := range v {
			if !utf8.ValidString(k) || !validText(el) {
				return false
			}
		}
	}
	return true
}
