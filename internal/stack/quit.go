package stack

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// ExitQuit is what the runtime exits with after SIGQUIT, and so does OnQuit.
const ExitQuit = 2

// OnQuit answers SIGQUIT with where all goroutines stand, as the runtime does, but without their arguments, and ends the program. The
// function it returns ends that.
func OnQuit(w io.Writer) (stop func()) {
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	go func() {
		if _, ok := <-quit; !ok {
			return
		}
		fmt.Fprintln(w, "SIGQUIT: quit")
		if err := WriteAll(w); err != nil {
			fmt.Fprintln(w, err)
		}
		os.Exit(ExitQuit)
	}()
	return func() {
		signal.Stop(quit)
		close(quit)
	}
}

// Report says where a program panicked, and not about what: neither the arguments on the way nor the panic's value, which may quote
// what was asked. The function that recovers v must call it.
func Report(w io.Writer, program string, v any) {
	what := fmt.Sprintf("%T", v)
	if err, ok := v.(runtime.Error); ok {
		what = err.Error()
	}
	fmt.Fprintf(w, "%s: internal error: %s\n%s", program, what, Calls())
}
