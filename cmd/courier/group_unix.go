//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// apart starts a command in a group of its own, with all that it starts.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup sends a signal to a command and to all that it has started.
func endGroup(cmd *exec.Cmd, s os.Signal) error {
	return syscall.Kill(-cmd.Process.Pid, s.(syscall.Signal))
}
