package main

import "onsight/internal/stack"

// recovered says where we panicked, and not about what. It must be deferred.
func (p program) recovered(code *int) {
	if v := recover(); v != nil {
		stack.Report(p.stderr, "onsight", v)
		*code = exitError
	}
}
