// Command example shows two hosts that share state: two processes, each with its
// own interpreters, whose default store is on one server.
//
//	go run ./example
//
// It starts valkey-server or redis-server if one is on PATH, on a free port of
// this machine and without keeping anything, else an imitation in its own process.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/conversion"
	"github.com/paularlott/scriptling/stdlib"
	"github.com/scriptling-kv/extlibs"
	_ "github.com/scriptling-kv/extlibs/redisstore"
)

// script is what each host runs. It does not know that there is another one.
const script = `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv

# In HTTP handler
def handler(request):
    users = kv.default.get("users", default=[])
    users.append(request.json())
    kv.default.set("users", users)
    return runtime.http.json(200, {"count": len(users)})

# In background task
def worker():
    users = kv.default.get("users", default=[])
    print(f"Total users: {len(users)}")
`

const (
	storePath = "/0/example"
	startTime = 10 * time.Second // that a server gets until it answers
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("example: ")
	var err error
	if len(os.Args) == 3 && os.Args[1] == "host" {
		err = host(os.Args[2], os.Stdin, os.Stdout)
	} else {
		err = show(os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// host is one process: it answers each line of in, a user's name, as a web
// server does a request, and at the end runs the background task.
func host(url string, in io.Reader, out io.Writer) (err error) {
	if err := extlibs.InitKVStore(url); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, extlibs.CloseKVStore()) }()
	p := scriptling.New()
	stdlib.RegisterAll(p)
	extlibs.RegisterRuntimeLibraryAll(p, []string{})
	p.SetOutputWriter(out)
	if _, err := p.Eval(script); err != nil {
		return err
	}
	requests := bufio.NewScanner(in)
	for requests.Scan() {
		body, err := json.Marshal(map[string]string{"name": requests.Text()})
		if err != nil {
			return err
		}
		request := extlibs.CreateRequestInstance("POST", "/users", string(body), nil, nil)
		response, err := p.CallFunctionWithContext(context.Background(), "handler", request)
		if err != nil {
			return err
		}
		dict, ok := conversion.ToGo(response).(map[string]any)
		if !ok {
			return fmt.Errorf("the handler returned a %s", response.Type())
		}
		answer, err := json.Marshal(dict["body"])
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%v %s\n", dict["status"], answer)
	}
	if err := requests.Err(); err != nil {
		return err
	}
	_, err = p.Eval(`runtime.background("worker", "worker").wait()`)
	return err
}

// process is a host that runs.
type process struct {
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Reader
}

// show starts a server and two hosts, and lets requests alternate between them.
func show(out io.Writer) error {
	what, address, stop, err := startServer()
	if err != nil {
		return err
	}
	defer stop()
	url := "redis://" + address + storePath
	fmt.Fprintf(out, "%s; two processes run the same script with InitKVStore(%q)\n\n", what, url)

	var hosts []*process
	for _, name := range []string{"host A", "host B"} {
		h, err := startHost(name, url)
		if err != nil {
			return err
		}
		defer h.cmd.Process.Kill() // where something went wrong; it has ended otherwise
		hosts = append(hosts, h)
	}
	for i, user := range []string{"Ann", "Bob", "Cem", "Dana"} {
		h := hosts[i%len(hosts)]
		if _, err := fmt.Fprintln(h.in, user); err != nil {
			return err
		}
		answer, err := h.answers.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%s gave no answer: %w", h.name, err)
		}
		fmt.Fprintf(out, "%s  POST /users %-4s -> %s", h.name, user, answer)
	}
	for _, h := range hosts {
		h.in.Close()
		rest, err := io.ReadAll(h.answers)
		if err := errors.Join(err, h.cmd.Wait()); err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
		fmt.Fprintf(out, "%s  background task  -> %s", h.name, rest)
	}
	fmt.Fprint(out, `
Each host counted the users of both. Here the requests came one after the other.
With concurrent requests, get, append and set would lose a user; update() does not:
  kv.default.update("users", lambda users: users + [user], default=[])
`)
	return nil
}

func startHost(name, url string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &process{name: name, cmd: exec.Command(self, "host", url)}
	h.cmd.Stderr = os.Stderr
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.answers = bufio.NewReader(answers)
	return h, h.cmd.Start()
}

// startServer starts a server, and says which.
func startServer() (what, address string, stop func(), err error) {
	for _, name := range []string{"valkey-server", "redis-server"} {
		if path, err := exec.LookPath(name); err == nil {
			address, stop, err := startProgram(path)
			return "A " + name + " of this example's own is at " + address, address, stop, err
		}
	}
	m, err := miniredis.Run()
	if err != nil {
		return "", "", nil, err
	}
	return "There is no valkey-server or redis-server on PATH, so an imitation in this process is at " + m.Addr(), m.Addr(), m.Close, nil
}

func startProgram(path string) (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // finds a free port
	if err != nil {
		return "", nil, err
	}
	address = l.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err := errors.Join(err, l.Close()); err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "redisstore-example-")
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir, "--daemonize", "no")
	stop = func() {
		if cmd.Process != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
		os.RemoveAll(dir)
	}
	if err := cmd.Start(); err != nil {
		stop()
		return "", nil, err
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return address, stop, conn.Close()
		}
		if time.Since(began) > startTime {
			stop()
			return "", nil, fmt.Errorf("%s does not answer: %w", path, err)
		}
	}
}
