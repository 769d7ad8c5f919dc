module github.com/scriptling-kv/extlibs/cmd/scriptling-kv

go 1.26.1

require (
	github.com/alicebob/miniredis/v2 v2.40.0
	github.com/paularlott/scriptling v0.20.1
	github.com/schollz/progressbar/v3 v3.19.1
	github.com/scriptling-kv/extlibs v0.1.0
	github.com/scriptling-kv/extlibs/kvadmin v0.1.0
	github.com/scriptling-kv/extlibs/redisstore v0.1.0
	github.com/spf13/cobra v1.10.2
	go.etcd.io/bbolt v1.5.0
	golang.org/x/term v0.47.0
)

require (
	github.com/fxamacker/cbor/v2 v2.10.0 // indirect
	github.com/gobwas/glob v1.1.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/rogpeppe/go-internal v1.14.1
	github.com/spf13/pflag v1.0.10 // indirect
	github.com/tidwall/btree v1.8.2 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	github.com/yuin/gopher-lua v1.1.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/tools v0.36.0 // indirect
)
