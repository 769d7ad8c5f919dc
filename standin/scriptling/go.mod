module github.com/paularlott/scriptling

go 1.26.1
