package kvadmin

import (
	"encoding/json"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
)

// decodeBytes limits the memory of one decoded value.
const decodeBytes = 256 << 20

// typeOf returns the name that scripts have for the type of an encoded value.
func typeOf(v extlibs.Value) string {
	raw := v.Raw()
	if raw == "" {
		return ""
	}
	switch raw[0] >> 5 { // the major type of CBOR
	case 0, 1:
		return "int"
	case 2:
		return "bytes"
	case 3:
		return "str"
	case 4:
		return "list"
	case 5:
		return "dict"
	case 6:
		return taggedType(raw)
	}
	switch raw[0] {
	case 0xf4, 0xf5:
		return "bool"
	case 0xf6:
		return "None"
	}
	return "float"
}

func taggedType(raw string) string {
	if len(raw) < 3 {
		return ""
	}
	switch tag := int(raw[1])<<8 | int(raw[2]); {
	case raw[0] == 0xd9 && tag == 258:
		return "set"
	case raw[0] == 0xd9 && tag == 60001:
		return "tuple"
	case raw[0] == 0xd9 && tag == 60002:
		return "str"
	}
	return ""
}

// keyValue describes a key with its value, as JSON.
type keyValue struct {
	Version int `json:"version"`
	keyInfo
	Value  json.RawMessage `json:"value,omitempty"`  // as an export has it
	Hidden bool            `json:"hidden,omitempty"` // the host hides values
}

// load returns the entry of a key that is not hidden.
func (q *request) load(key string) (extlibs.Entry, error) {
	if q.hides(key) {
		return extlibs.Entry{}, errNoKey
	}
	return q.store.Store().Load(q.ctx, key, extlibs.NeedAll)
}

func (q *request) get() error {
	e, err := q.load(q.r.URL.Query().Get("key"))
	if err != nil {
		return err
	}
	if !q.wantJSON {
		return q.keyPage(e)
	}
	n := e.Value.Len()
	answer := keyValue{Version: version, keyInfo: keyInfo{e.Key, seconds(e.TTL), typeOf(e.Value), &n}, Hidden: !q.opts.Values}
	if q.opts.Values {
		if answer.Value, err = jsonl.AppendValue(nil, e.Value.Raw()); err != nil {
			return err
		}
	}
	return q.answer(answer)
}
