//go:build !unix

package main

import (
	"os"
	"os/exec"
)

func apart(*exec.Cmd) {}

// endGroup ends a command; what it has started goes on.
func endGroup(cmd *exec.Cmd, _ os.Signal) error { return cmd.Process.Kill() }
