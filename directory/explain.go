package directory

import (
	"context"
	"errors"
	"math"

	"onsight/internal/oxend"
)

// lookUps is how many decommissions a round looks the reasons up of: three requests each.
const lookUps = 8

// asked is what came of looking for the reasons of a decommission.
type asked struct {
	decommissions uint32 // which one
	times         uint   // in vain
	next          uint64 // height from which on to try again
}

// explain finds out why nodes were decommissioned where the list does not say: 10.x has the reasons in the transaction
// that did it. What cannot be found out stays unknown and is tried again, later each time. It returns the reasons of
// events that are stored without. The error is ctx's, or that no dialect is known.
func (d *Directory) explain(ctx context.Context, c *oxend.Client, w where, before map[Key]*Node, after []Node) (late []Event, err error) {
	if dialect, err := c.Dialect(ctx); err != nil || dialect != oxend.Dialect10 {
		return nil, err
	}
	looked, was := 0, d.asked
	q := question{Client: c, changes: map[uint64]answer[[]oxend.StateChange]{}, workers: map[uint64]answer[[]string]{}}
	d.asked = map[Key]asked{}
	for i := range after {
		n := &after[i]
		if n.State != Decommissioned || len(n.Reasons)+len(n.ReasonsMaybe) > 0 {
			continue
		}
		a := was[n.Key]
		if a.decommissions != n.Decommissions {
			a = asked{decommissions: n.Decommissions}
		}
		d.asked[n.Key] = a
		if looked == lookUps || w.at.Height < a.next {
			continue
		}
		looked++
		change, err := q.why(ctx, n)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			a.times = min(a.times+1, 10)
			a.next = w.at.Height + 1<<a.times
			d.asked[n.Key] = a
			d.Log.Debug("reasons of a decommission not found", "node", n.Key.String(), "height", n.Since, "error", err)
			continue
		}
		if n.Reasons, n.ReasonsMaybe = change.Reasons, change.Maybe; len(n.Reasons)+len(n.ReasonsMaybe) == 0 {
			a.next = math.MaxUint64 // it says none
			d.asked[n.Key] = a
		}
		if o := before[n.Key]; o != nil && o.State == Decommissioned && o.Decommissions == n.Decommissions {
			e := event(n.Key, KindDecommissioned, n.Since, w.at)
			e.Reasons = n.Reasons
			late = append(late, e)
		}
	}
	return late, nil
}

var errNotThere = errors.New("the block has no decommission of the node")

// why returns the decommission that n's state is of.
func (q *question) why(ctx context.Context, n *Node) (oxend.StateChange, error) {
	changes, err := once(ctx, q.changes, n.Since, q.StateChanges)
	if err != nil {
		return oxend.StateChange{}, err
	}
	for _, s := range changes {
		if s.Kind != "decom" {
			continue
		}
		workers, err := once(ctx, q.workers, s.Height, q.Obligations)
		if err != nil {
			return oxend.StateChange{}, err
		}
		if s.Index < uint64(len(workers)) && workers[s.Index] == n.Key.String() {
			return s, nil
		}
	}
	return oxend.StateChange{}, errNotThere
}

// question asks a daemon for reasons. What it has asked in a round, it does not ask again: a quorum that decommissions many
// nodes does so in one block.
type question struct {
	*oxend.Client
	changes map[uint64]answer[[]oxend.StateChange] // by height, as workers
	workers map[uint64]answer[[]string]
}

type answer[T any] struct {
	got T
	err error
}

func once[T any](ctx context.Context, have map[uint64]answer[T], height uint64, ask func(context.Context, uint64) (T, error)) (T, error) {
	a, ok := have[height]
	if !ok {
		a.got, a.err = ask(ctx, height)
		have[height] = a
	}
	return a.got, a.err
}
