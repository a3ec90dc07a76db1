package main

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"onsight/indexer"
)

const (
	barFrom  = 2000            // blocks behind from which catching up is worth a display
	logEvery = 5 * time.Second // between two log lines while catching up
)

// meter shows how far catching up has come: a bar on a terminal, a log line now and then elsewhere.
type meter struct {
	w    io.Writer
	log  *slog.Logger
	now  func() time.Time
	tty  bool
	bar  *progressbar.ProgressBar
	from uint64    // height at which this stretch of catching up began
	at   time.Time // when it began
	last time.Time // of the last log line
}

func newMeter(w io.Writer, log *slog.Logger, now func() time.Time) *meter {
	f, ok := w.(*os.File)
	return &meter{w: w, log: log, now: now, tty: ok && term.IsTerminal(int(f.Fd()))}
}

// advance is told of every committed range.
func (m *meter) advance(r indexer.Range) {
	if len(r.Blocks) == 0 {
		return
	}
	height, target := r.Blocks[len(r.Blocks)-1].Height, r.State.Target
	if m.at.IsZero() {
		if target < height+barFrom {
			m.log.Debug("blocks indexed", "height", height, "target", target)
			return
		}
		m.from, m.at, m.last = height, m.now(), m.now() // what came before was not timed
		if m.tty {
			m.bar = progressbar.NewOptions64(int64(target-m.from),
				progressbar.OptionSetWriter(m.w),
				progressbar.OptionSetDescription("indexing"),
				progressbar.OptionShowCount(),
				progressbar.OptionShowIts(),
				progressbar.OptionSetItsString("blocks"),
				progressbar.OptionSetPredictTime(true),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionClearOnFinish())
			_ = m.bar.RenderBlank() // starts its clock
		}
		return
	}
	if m.bar != nil {
		_ = m.bar.Set64(int64(height - m.from)) // a bar that cannot be drawn is no reason to stop
		return
	}
	if now := m.now(); now.Sub(m.last) >= logEvery {
		m.last = now
		rate := float64(height-m.from) / now.Sub(m.at).Seconds()
		left := time.Duration(float64(target-height) / rate * float64(time.Second))
		m.log.Info("catching up", "height", height, "target", target, "blocks_per_second", int(rate), "remaining", left.Round(time.Second))
	}
}

// stop ends the display of this stretch.
func (m *meter) stop() {
	if m.bar != nil {
		_ = m.bar.Finish()
	}
	m.bar, m.at = nil, time.Time{}
}
