package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
)

// loadEvery is how soon a reader sees what a writer committed, in another process or in this one.
const loadEvery = "@every 1s"

// startJobs starts the rounds of serve, the first ones at once, and returns what stops them and waits for them. This is
// the only cron table of the program. An error that no waiting mends ends the program through fail.
func (s *service) startJobs(ctx context.Context, fail context.CancelCauseFunc, interval time.Duration, log *slog.Logger) (stop func()) {
	quiet := cron.DiscardLogger
	var first sync.WaitGroup
	table := cron.New(cron.WithChain(cron.Recover(cronLog{log}), cron.SkipIfStillRunning(quiet)))
	add := func(spec string, round func()) {
		id, err := table.AddFunc(spec, round)
		if err != nil {
			panic("onsight: internal error: " + err.Error())
		}
		first.Go(table.Entry(id).WrappedJob.Run) // later rounds are skipped while it runs
	}
	add(loadEvery, func() {
		if err := s.index.Load(ctx); err != nil && ctx.Err() == nil {
			log.Error("index not loaded", "error", err)
		}
	})
	if w := s.write; w != nil {
		worked := false // only this job, which never meets itself, touches it
		add("@every "+interval.String(), func() {
			_, err := w.Sync(ctx)
			w.meter.stop()
			switch {
			case err == nil:
				worked = true
			case ctx.Err() != nil:
			case fatal(err, worked):
				fail(err)
			default:
				log.Error("round ended", "error", err)
			}
		})
	}
	table.Start()
	return func() {
		<-table.Stop().Done()
		first.Wait()
	}
}

// cronLog passes on what cron has to say of a job that panicked.
type cronLog struct{ log *slog.Logger }

func (c cronLog) Info(string, ...any) {}

func (c cronLog) Error(err error, msg string, _ ...any) {
	c.log.Error("job panicked", "error", err, "message", msg)
}
