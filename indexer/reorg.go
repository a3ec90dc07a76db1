package indexer

import (
	"context"
	"errors"
	"fmt"

	"onsight/internal/oxend"
)

// searchStep is how many stored blocks are compared with the daemon's chain in one request while a fork is searched.
const searchStep = 64

// FinalError is returned by Sync when the daemon's chain leaves ours below a block that is final. Nothing was undone.
// Its advice is for an operator: another daemon, or Config.AcceptBelow.
type FinalError struct {
	Fork  uint64 // newest stored block that both chains have
	Final uint64 // the final block that the daemon's chain does not have
}

func (e *FinalError) Error() string {
	return fmt.Sprintf("the daemon's chain leaves the index at block %d, below the final block %d: nothing was undone; "+
		"ask another daemon, or accept the loss with --accept-reorg-below %d", e.Fork, e.Final, e.Final)
}

// common returns the newest stored block that the daemon's chain is known to have, and whether the daemon's chain
// contradicts a stored block above it. A daemon that merely ends earlier contradicts nothing, even if it has none of our
// blocks yet: then base is zero.
func (x *Indexer) common(ctx context.Context, pick oxend.Choice, tip Point) (base Point, forked bool, err error) {
	c, top := pick.Client, Point{Height: pick.Info.Height - 1, Hash: pick.Info.TopHash}
	if tip == top {
		return tip, false, nil
	}
	for below := min(tip.Height, top.Height); ; {
		points, err := x.Store.Points(ctx, below, searchStep)
		if err != nil {
			return Point{}, false, err
		}
		if len(points) == 0 && !forked {
			return Point{}, false, nil
		}
		if len(points) == 0 {
			return Point{}, false, fmt.Errorf("%s: %w", c, ErrBelowStart)
		}
		if below == tip.Height {
			points = points[:1] // as a rule the tip is still there, and one hash tells
		}
		heights := make([]uint64, len(points))
		for i, p := range points {
			heights[i] = p.Height
		}
		headers, err := c.HeadersAt(ctx, heights)
		if errors.Is(err, oxend.ErrTooHigh) {
			return Point{}, false, fmt.Errorf("%w: %w", errMoved, err)
		}
		if err != nil {
			return Point{}, false, err
		}
		for i, h := range headers {
			if h.Hash == points[i].Hash {
				return points[i], forked || i > 0, nil
			}
		}
		forked = true
		last := points[len(points)-1].Height
		if last == 0 {
			return Point{}, false, fmt.Errorf("%s: %w", c, ErrBelowStart)
		}
		below = last - 1
	}
}

// allow decides whether the blocks above fork may be undone. If not, the refusal itself is stored, so that readers can
// say why the index stands still.
func (x *Indexer) allow(ctx context.Context, fork Point, st *State) error {
	final := max(st.Final, oxend.FinalHeight(st.Network))
	if fork.Height >= final {
		return nil
	}
	if x.AcceptBelow > 0 && fork.Height <= x.AcceptBelow {
		x.Log.Warn("accepted a reorganisation below the final height", "fork", fork.Height, "final", final)
		st.Final = fork.Height
		return nil
	}
	if st.Phase != ForkBelowFinal {
		st.Phase = ForkBelowFinal
		if err := x.commit(ctx, st, Range{Base: st.Tip}); err != nil {
			return err
		}
	}
	return &FinalError{Fork: fork.Height, Final: final}
}

// finalise raises the final height to what the daemon reports as immutable, if the block it means is ours. It never
// lowers it: a daemon too remembers the highest one it has seen (specification D.3).
func (x *Indexer) finalise(ctx context.Context, info oxend.Info, st *State) error {
	if info.Immutable.Height <= st.Final || info.Immutable.Height > st.Tip.Height {
		return nil
	}
	ours, err := x.stored(ctx, info.Immutable.Height)
	if err == nil && ours != nil && *ours == info.Immutable {
		st.Final = info.Immutable.Height
	}
	return err
}
