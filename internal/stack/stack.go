// Package stack says where goroutines stand without saying what they work on. The runtime's own traces print arguments, and
// so the first bytes of a hash that is passed by value: enough to find the name.
package stack

import (
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"strings"
)

// depth is how many calls are shown at most.
const depth = 64

// Calls returns the calls that led to whoever asks, the newest first: function, file and line of each. In a deferred function
// that recovers, those that led to the panic are among them.
func Calls() string {
	var pcs [depth]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])]) // without Callers and Calls
	var b strings.Builder
	for {
		f, more := frames.Next()
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		if !more {
			return b.String()
		}
	}
}

// WriteAll writes the calls of all goroutines, those that stand at the same place once with their number.
func WriteAll(w io.Writer) error { return pprof.Lookup("goroutine").WriteTo(w, 1) }
