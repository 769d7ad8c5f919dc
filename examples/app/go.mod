module github.com/scriptling-kv/extlibs/examples/app

go 1.26.1

require (
	github.com/paularlott/scriptling v0.20.1
	github.com/scriptling-kv/extlibs v0.1.0
	github.com/scriptling-kv/extlibs/kvadmin v0.1.0
)

require (
	github.com/fxamacker/cbor/v2 v2.10.0 // indirect
	github.com/gobwas/glob v1.1.0 // indirect
	github.com/tidwall/btree v1.8.2 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	go.etcd.io/bbolt v1.5.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
