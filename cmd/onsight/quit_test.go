package main

import (
	"strings"
	"testing"
)

// TestRecovered shows that a bug is told with where it is, and without what the program was asked.
func TestRecovered(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	code := func() (code int) {
		defer program{stderr: &stderr}.recovered(&code)
		panic("about canary")
	}()
	if got := stderr.String(); code != exitError || !strings.Contains(got, "TestRecovered") || strings.Contains(got, "canary") {
		t.Errorf("exit code %d: %s", code, got)
	}
}
