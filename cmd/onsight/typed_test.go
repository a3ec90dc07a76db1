package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// TestTypedEnds cancels commands that wait for a name on standard input.
func TestTypedEnds(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"resolve -", "doctor -", "bundle resolve -", "swarm -"} {
		in, out := io.Pipe()
		t.Cleanup(func() { out.Close() })
		var stderr strings.Builder
		home := t.TempDir()
		p := program{stdin: in, stdout: io.Discard, stderr: &stderr, env: func(k string) string {
			return map[string]string{"XDG_DATA_HOME": home}[k]
		}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan int, 1)
		go func() { ended <- p.run(ctx, strings.Fields(args)) }()
		cancel()
		select {
		case code := <-ended:
			if code != exitError || !strings.Contains(stderr.String(), "context canceled") {
				t.Errorf("%s: exit code %d: %s", args, code, stderr.String())
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: still waits", args)
		}
	}
}
