package eval

import (
	"encoding/base64"
	"encoding/hex"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

var bytesMethods = map[string]method{
	"decode": func(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
		if err := errors.MaxArgs(args, 2); err != nil {
			return err
		}
		return object.NewString(string(self.(*object.Bytes).BytesValue()))
	},
	"hex":    bytesText(hex.EncodeToString),
	"base64": bytesText(base64.StdEncoding.EncodeToString),
	"length": noArgs(func(self object.Object) object.Object {
		return object.NewInteger(int64(self.(*object.Bytes).Len()))
	}),
}

func bytesText(encode func([]byte) string) method {
	return noArgs(func(self object.Object) object.Object {
		return object.NewString(encode(self.(*object.Bytes).BytesValue()))
	})
}
