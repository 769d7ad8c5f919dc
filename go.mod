module github.com/scriptling-kv/extlibs

go 1.26.1

require (
	github.com/gobwas/glob v1.1.0
	github.com/paularlott/scriptling v0.20.1
	github.com/puzpuzpuz/xsync/v4 v4.5.0
	github.com/tidwall/btree v1.8.2
	go.etcd.io/bbolt v1.5.0
)

require golang.org/x/sys v0.45.0 // indirect

replace github.com/paularlott/scriptling => ./standin/scriptling
