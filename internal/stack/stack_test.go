package stack_test

import (
	"fmt"
	"strings"
	"testing"

	"onsight/internal/stack"
)

// secret is passed by value, as a hash is.
type secret [4]byte

//go:noinline
func crash(s secret) byte { panic(fmt.Sprint("about ", len(s))) }

func TestCalls(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
		got := stack.Calls()
		if !strings.Contains(got, "stack_test.crash\n") || !strings.Contains(got, "stack_test.go:") {
			t.Errorf("does not say where it was: %s", got)
		}
		if strings.Contains(got, "0x") {
			t.Errorf("has arguments: %s", got)
		}
	}()
	crash(secret{0xca, 0xfe, 0xca, 0xfe})
}

//go:noinline
func wait(s secret, on, waits chan byte) {
	waits <- 0
	on <- s[0]
}

func TestWriteAll(t *testing.T) {
	t.Parallel()
	on, waits := make(chan byte), make(chan byte)
	go wait(secret{0xca, 0xfe, 0xca, 0xfe}, on, waits)
	<-waits
	var b strings.Builder
	if err := stack.WriteAll(&b); err != nil {
		t.Fatal(err)
	}
	<-on
	if got := b.String(); !strings.Contains(got, "stack_test.wait") || strings.Contains(got, "0xca") || strings.Contains(got, "{0x") {
		t.Errorf("got %s", got)
	}
}

func ExampleCalls() {
	fmt.Println(strings.SplitN(stack.Calls(), "\n", 2)[0])
	// Output: onsight/internal/stack_test.ExampleCalls
}
