package wire

import (
	"bufio"
	"strconv"
	"unsafe"
)

// Request is a command, and what goes with it on the same connection.
type Request struct {
	Before  []string // a command that is carried out before, if it is not nil
	Asking  bool     // the command is for a slot that is moving to this node
	Large   bool     // it, or its answer: for the choice of the connection
	Command []string
}

// Bytes returns what a request takes in memory, about.
func (r *Request) Bytes() int64 {
	n := int64(0)
	for _, word := range r.Command {
		n += int64(len(word)) + int64(unsafe.Sizeof(word))
	}
	return n
}

// Result is the answer to a request.
type Result struct {
	Before Reply
	Reply
}

// Lost is the error of a request that was not answered.
type Lost struct {
	Sent bool // the server may have it, or may get it yet; else it is certainly not done
	Err  error
}

func (e *Lost) Error() string { return e.Err.Error() }
func (e *Lost) Unwrap() error { return e.Err }

// writeRequest writes a request. An error stays in the writer.
func writeRequest(w *bufio.Writer, r *Request) {
	if r.Before != nil {
		writeCommand(w, r.Before)
	}
	if r.Asking {
		writeCommand(w, asking)
	}
	writeCommand(w, r.Command)
}

var asking = []string{"ASKING"}

func writeCommand(w *bufio.Writer, words []string) {
	writeHead(w, '*', len(words))
	for _, word := range words {
		writeHead(w, '$', len(word))
		w.WriteString(word)
		w.WriteString("\r\n")
	}
}

func writeHead(w *bufio.Writer, kind byte, n int) {
	b := w.AvailableBuffer()
	b = append(b, kind)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, '\r', '\n')
	w.Write(b)
}
