package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"onsight/internal/oxend"
)

// searchStep is how many stored points are compared with the daemon's chain in one request while a fork is searched.
const searchStep = 64

// where is how a list stands to what is stored.
type where struct {
	base   *Point // the stored point that it stands on; nil: none
	since  Moment // of base; zero without one
	at     Moment // of the list
	behind bool   // the daemon has only less of the chain that is stored
	forked bool   // rounds above base are undone
}

// locate finds the newest stored point that the daemon's chain has, and checks that l is of that chain.
func (d *Directory) locate(ctx context.Context, c *oxend.Client, pos Position, l oxend.NodeList) (where, error) {
	var ours []Point // the newest stored point that the daemon's chain is high enough for
	if pos.Point != (Point{}) {
		var err error
		if ours, err = d.Store.NodePoints(ctx, min(pos.Height, l.Height), 1); err != nil {
			return where{}, err
		}
	}
	heights := []uint64{l.Height}
	if len(ours) > 0 {
		heights = append(heights, ours[0].Height)
	}
	headers, err := headersAt(ctx, c, heights)
	if err != nil {
		return where{}, err
	}
	if headers[0].Hash != l.BlockHash {
		return where{}, fmt.Errorf("%s: block %d is %s, but the list is of %s: %w", c, l.Height, headers[0].Hash, l.BlockHash, errMoved)
	}
	w := where{at: moment(headers[0])}
	switch {
	case pos.Point == (Point{}):
		return w, nil
	case len(ours) == 0: // all that is stored is higher
		w.behind = true
		return w, nil
	case headers[1].Hash != ours[0].Hash:
		return d.fork(ctx, c, w, ours[0].Height)
	case ours[0] != pos.Point:
		w.behind = true
		return w, nil
	}
	w.base, w.since = &ours[0], moment(headers[1])
	return w, nil
}

// fork finds the newest stored point below height that the daemon's chain has.
func (d *Directory) fork(ctx context.Context, c *oxend.Client, w where, height uint64) (where, error) {
	for height > 0 {
		points, err := d.Store.NodePoints(ctx, height-1, searchStep)
		if err != nil {
			return where{}, err
		}
		if len(points) == 0 {
			break
		}
		heights := make([]uint64, len(points))
		for i, p := range points {
			heights[i] = p.Height
		}
		headers, err := headersAt(ctx, c, heights)
		if err != nil {
			return where{}, err
		}
		for i, h := range headers {
			if h.Hash == points[i].Hash {
				w.base, w.since, w.forked = &points[i], moment(h), true
				return w, nil
			}
		}
		height = points[len(points)-1].Height
	}
	if height <= d.AcceptBelow { // the list is of another chain: what the old one did stays written, and the new one goes on from it
		d.Log.Warn("list of nodes goes on from another chain", "height", w.at.Height)
		w.since = d.now.Load().At
		return w, nil
	}
	return where{}, fmt.Errorf("%s: %w", c, ErrNoBase)
}

func headersAt(ctx context.Context, c *oxend.Client, heights []uint64) ([]oxend.Header, error) {
	headers, err := c.HeadersAt(ctx, heights)
	if errors.Is(err, oxend.ErrTooHigh) {
		err = fmt.Errorf("%w: %w", errMoved, err)
	}
	return headers, err
}

func moment(h oxend.Header) Moment {
	return Moment{Height: h.Height, Time: time.Unix(h.Time, 0).UTC()}
}
