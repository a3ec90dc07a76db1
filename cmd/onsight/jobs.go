package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/robfig/cron/v3"

	"onsight/directory"
	"onsight/indexer"
)

// loadEvery is how soon a reader sees what a writer committed, in another process or in this one.
const loadEvery = "@every 1s"

// startJobs starts the rounds of serve, the first ones at once, and returns what stops them and waits for them. This is
// the only cron table of the program. An error that no waiting mends ends the program through fail.
func (s *service) startJobs(ctx context.Context, fail context.CancelCauseFunc, opt serveOptions, log *slog.Logger) (stop func()) {
	quiet := cron.DiscardLogger
	var first sync.WaitGroup
	// Recover stands inside: a panic that left SkipIfStillRunning would skip every later round.
	table := cron.New(cron.WithChain(cron.SkipIfStillRunning(quiet), cron.Recover(cronLog{log})))
	add := func(spec string, round func()) {
		id, err := table.AddFunc(spec, round)
		if err != nil {
			panic("onsight: internal error: " + err.Error())
		}
		first.Go(table.Entry(id).WrappedJob.Run) // later rounds are skipped while it runs
	}
	loads, rounds := complaint{log: log, what: "index not loaded"}, complaint{log: log, what: "round ended"}
	add(loadEvery, func() {
		loads.report(ctx, errors.Join(s.index.Load(ctx), s.nodes.Load(ctx), s.log.Load(ctx)))
	})
	if w := s.write; w != nil {
		worked := false // only this job, which never meets itself, touches it
		add("@every "+opt.interval.String(), func() {
			err := s.follow(ctx)
			worked = worked || err == nil
			if err != nil && ctx.Err() == nil && fatal(err, worked) {
				fail(err)
			}
			rounds.report(ctx, err)
		})
		s.addNodeJobs(ctx, add, fail, opt, log)
	}
	table.Start()
	return func() {
		<-table.Stop().Done()
		first.Wait()
	}
}

// follow does one round of the indexer.
func (s *service) follow(ctx context.Context) error {
	st, err := s.write.Sync(ctx)
	s.write.meter.stop()
	var whole *indexer.Point
	if err == nil && st.Phase == indexer.Synced {
		whole = st.Tip
	}
	s.look(whole)
	return err
}

// addNodeJobs adds the rounds that follow the list of service nodes, and that check them.
func (s *service) addNodeJobs(ctx context.Context, add func(string, func()), fail context.CancelCauseFunc, opt serveOptions, log *slog.Logger) {
	lists, checks := complaint{log: log, what: "list of nodes not followed"}, complaint{log: log, what: "nodes not checked"}
	worked := false // only this job touches it
	add("@every "+opt.interval.String(), func() {
		err := s.nodes.Refresh(ctx)
		worked = worked || err == nil
		if err != nil && ctx.Err() == nil && fatalList(err, worked) {
			fail(err)
		}
		lists.report(ctx, err)
	})
	if opt.probes > 0 {
		p := prober{Directory: s.nodes, log: log, config: directory.ProbeConfig{Every: opt.probes}}
		add("@every "+look(opt.probes).String(), func() { checks.report(ctx, p.round(ctx)) })
	}
}

// complaint logs an error when it is a new one, not each time it comes again. Only one job may use it.
type complaint struct {
	log        *slog.Logger
	what, last string
}

func (c *complaint) report(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		c.last = ""
		return
	}
	if c.last != err.Error() {
		c.last = err.Error()
		c.log.Error(c.what, "error", err)
	}
}

// cronLog passes on what cron has to say of a job that panicked.
type cronLog struct{ log *slog.Logger }

func (c cronLog) Info(string, ...any) {}

func (c cronLog) Error(err error, msg string, facts ...any) {
	c.log.Error("job panicked", append([]any{"error", err, "message", msg}, facts...)...)
}
