package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"onsight/internal/stack"
)

// exitQuit is what the runtime exits with after SIGQUIT, and so do we.
const exitQuit = 2

// onQuit answers SIGQUIT with where all goroutines stand, as the runtime does, but without their arguments. The function it
// returns ends that.
func (p program) onQuit() (stop func()) {
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	go func() {
		if _, ok := <-quit; !ok {
			return
		}
		fmt.Fprintln(p.stderr, "SIGQUIT: quit")
		if err := stack.WriteAll(p.stderr); err != nil {
			fmt.Fprintln(p.stderr, err)
		}
		os.Exit(exitQuit)
	}()
	return func() {
		signal.Stop(quit)
		close(quit)
	}
}

// recovered says where we panicked, and not about what: neither the arguments on the way nor the panic's value, which may quote
// what was asked. It must be deferred.
func (p program) recovered(code *int) {
	v := recover()
	if v == nil {
		return
	}
	what := fmt.Sprintf("%T", v)
	if err, ok := v.(runtime.Error); ok {
		what = err.Error()
	}
	fmt.Fprintf(p.stderr, "onsight: internal error: %s\n%s", what, stack.Calls())
	*code = exitError
}
