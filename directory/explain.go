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
		change, err := why(ctx, c, n)
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
func why(ctx context.Context, c *oxend.Client, n *Node) (oxend.StateChange, error) {
	changes, err := c.StateChanges(ctx, n.Since)
	if err != nil {
		return oxend.StateChange{}, err
	}
	for _, s := range changes {
		if s.Kind != "decom" {
			continue
		}
		workers, err := c.Obligations(ctx, s.Height)
		if err != nil {
			return oxend.StateChange{}, err
		}
		if s.Index < uint64(len(workers)) && workers[s.Index] == n.Key.String() {
			return s, nil
		}
	}
	return oxend.StateChange{}, errNotThere
}
