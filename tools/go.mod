// The commands that checks and measurements use, so that the other modules do
// not require them:
//
//	GOWORK=off go -C tools install honnef.co/go/tools/cmd/staticcheck
//	GOWORK=off go -C tools install golang.org/x/perf/cmd/benchstat
module github.com/scriptling-kv/extlibs/tools

go 1.26.1

tool (
	golang.org/x/perf/cmd/benchstat
	honnef.co/go/tools/cmd/staticcheck
)

require golang.org/x/mod v0.43.0

require (
	github.com/BurntSushi/toml v1.4.1-0.20240526193622-a339e1f7089c // indirect
	github.com/aclements/go-moremath v0.0.0-20210112150236-f10218a38794 // indirect
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/perf v0.0.0-20260908200009-22c9c6c9d4da // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/tools v0.52.0 // indirect
	honnef.co/go/tools v0.8.2 // indirect
)
