package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"onsight/directory"
)

// probeMeter shows on a terminal how far a round of checks is, and nothing elsewhere.
type probeMeter struct {
	w    io.Writer
	bar  *progressbar.ProgressBar
	of   int
	lost int
}

func newProbeMeter(w io.Writer) *probeMeter {
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		w = nil
	}
	return &probeMeter{w: w}
}

// advance is a directory.ProbeConfig's Progress.
func (m *probeMeter) advance(done, of int, c directory.Check) {
	if m.w == nil {
		return
	}
	if m.bar == nil || m.of != of {
		m.stop()
		m.of, m.lost = of, 0
		m.bar = progressbar.NewOptions(of, progressbar.OptionSetWriter(m.w), progressbar.OptionSetDescription("checking nodes"),
			progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	if !c.Sample.OK {
		m.lost++
		m.bar.Describe(fmt.Sprintf("checking nodes, %d without an answer", m.lost))
	}
	_ = m.bar.Set(done) // a bar that cannot be drawn is no reason to stop
}

// stop ends the display of this round.
func (m *probeMeter) stop() {
	if m.bar != nil {
		_ = m.bar.Finish()
	}
	m.bar = nil
}
