package directory

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"onsight/internal/oxend"
	"onsight/ons"
)

const (
	maxMoved = 3           // times a round begins again because the chain changed while it was read
	touch    = time.Minute // how old the stored time of the last answer may grow before it is written again
	depth    = 11          // how far below our newest block a daemon must agree with us (specification D.3)
	undoable = 4096        // blocks that can be gone back, where the daemon knows no final one above
)

// errMoved is returned by round when the chain it read stopped fitting together, as it does when it is reorganised
// between two requests.
var errMoved = errors.New("the chain changed while it was read")

// Refresh does one round: it asks a daemon for the list if there is a new block, and commits what became of the nodes.
// What a reorganisation undid is undone and done anew. Then the commit is loaded. A list that has not changed costs one
// small request a daemon. A daemon that only ends earlier than what is stored contradicts nothing: nothing is undone.
//
// A daemon that cannot do its work is left for another one of the pool, each once. Errors: those of the daemons wrap
// ons.ErrUnavailable; ErrOtherNetwork, ErrNoBase; the store's, such as ErrFenced.
func (d *Directory) Refresh(ctx context.Context) error {
	d.refresh.Lock()
	defer d.refresh.Unlock()
	if d.Pool == nil {
		return fmt.Errorf("%w: %w", ons.ErrUnavailable, errNone)
	}
	for moved, failed := 0, 0; ; {
		if err := d.Load(ctx); err != nil {
			return err
		}
		client, err := d.round(ctx)
		switch {
		case err == nil:
			return d.Load(ctx)
		case errors.Is(err, errMoved) && moved < maxMoved && ctx.Err() == nil:
			moved++ // read again: a reorganisation looks like this, a lie stays
			continue
		case errors.Is(err, errMoved):
			err = fmt.Errorf("%w: %w: %w", err, errLying, ons.ErrUnavailable)
		}
		blamed := errors.Is(err, ons.ErrUnavailable) || errors.Is(err, ErrOtherNetwork) || errors.Is(err, ErrNoBase)
		if client != nil && blamed && ctx.Err() == nil {
			d.Pool.Failed(client, err)
			if failed++; failed < d.Pool.Len() {
				continue
			}
		}
		return err
	}
}

// round takes what is stored to the tip that a daemon has now. client is the daemon that was asked, nil if none was found.
func (d *Directory) round(ctx context.Context) (client *oxend.Client, err error) {
	pos := d.position()
	ours, err := d.below(ctx, pos)
	if err != nil {
		return nil, err
	}
	pick, err := d.Pool.Pick(ctx, ours)
	if err != nil {
		return nil, err
	}
	client = pick.Client
	if err := d.adopt(pick, &pos); err != nil {
		return client, err
	}
	if pick.Info.TopHash == pos.Hash {
		return client, d.touch(ctx, pos)
	}
	l, err := client.ServiceNodes(ctx, pos.Hash)
	if err != nil {
		return client, err
	}
	if l.Unchanged {
		return client, d.touch(ctx, pos)
	}
	w, err := d.locate(ctx, client, pos, l)
	if err != nil {
		return client, err
	}
	if w.behind {
		return client, d.touch(ctx, pos)
	}
	f := final(pick.Info)
	if w.base == nil {
		if err := d.anchor(ctx, client, pos, &w, min(f, l.Height-min(l.Height, 1))); err != nil {
			return client, err
		}
	}
	pos.Point, pos.Time, pos.Asked = Point{l.Height, l.BlockHash}, w.at.Time, d.Now()
	return client, d.follow(ctx, client, w, pos, l, f)
}

// final is the height below which nothing is undone any more.
func final(i oxend.Info) uint64 { return max(i.Immutable.Height, i.Height-min(i.Height, undoable)) }

func (d *Directory) position() Position {
	d.loading.Lock()
	defer d.loading.Unlock()
	return d.have.position
}

// below is the newest stored block at least depth under ours; nil while there is none.
func (d *Directory) below(ctx context.Context, pos Position) (*oxend.Point, error) {
	points, err := d.Store.NodePoints(ctx, pos.Height-min(pos.Height, depth), 1)
	if err != nil || len(points) == 0 {
		return nil, err
	}
	return &oxend.Point{Height: points[0].Height, Hash: points[0].Hash}, nil
}

// adopt holds a daemon to the network that is stored, or takes its network over where nothing is.
func (d *Directory) adopt(pick oxend.Choice, pos *Position) error {
	id := pick.Identity
	if pos.Network == "" {
		pos.Network, pos.Genesis = id.Network, id.Genesis
	}
	if d.Network != "" && id.Network != d.Network || id.Network != pos.Network || id.Genesis != pos.Genesis {
		return fmt.Errorf("%s: follows %s with genesis %s: %w", pick.Client, id.Network, id.Genesis, ErrOtherNetwork)
	}
	return nil
}

// touch notes that a daemon answered, when the last note is old.
func (d *Directory) touch(ctx context.Context, pos Position) error {
	if now := d.Now(); pos.Point != (Point{}) && now.Sub(pos.Asked) >= touch {
		pos.Asked = now
		return d.Store.CommitNodes(ctx, d.Epoch, Round{Base: &pos.Point, Position: pos})
	}
	return nil
}

// anchor stores a final block as the point that the first list stands on, so that a reorganisation can undo that list too.
func (d *Directory) anchor(ctx context.Context, c *oxend.Client, pos Position, w *where, height uint64) error {
	headers, err := headersAt(ctx, c, []uint64{height})
	if err != nil {
		return err
	}
	pos.Point, pos.Time = Point{height, headers[0].Hash}, moment(headers[0]).Time
	if err := d.Store.CommitNodes(ctx, d.Epoch, Round{Position: pos}); err != nil {
		return err
	}
	w.base = &pos.Point
	return nil
}

// follow commits what the list l, of the block at pos, makes of the nodes at w.base.
func (d *Directory) follow(ctx context.Context, client *oxend.Client, w where, pos Position, l oxend.NodeList, final uint64) error {
	before, err := d.nodesAt(ctx, w)
	if err != nil {
		return err
	}
	after := make([]Node, len(l.Nodes))
	listed := make(map[Key]bool, len(l.Nodes))
	pos.Testing = false
	for i := range l.Nodes {
		n, err := fromDaemon(l.Nodes[i], w.at)
		if err == nil && listed[n.Key] {
			err = fmt.Errorf("node %s is listed twice: %w", n.Key, errLying)
		}
		if err != nil {
			return fmt.Errorf("%s: %w: %w", client, ons.ErrUnavailable, err)
		}
		listed[n.Key] = true
		if o, ok := before[n.Key]; ok {
			n = Carry(*o, n)
		}
		pos.Testing = pos.Testing || n.StorageReach.Known || n.LokinetReach.Known
		after[i] = n
	}
	r := Round{Base: w.base, Position: pos, Final: final}
	if r.Reasons, err = d.explain(ctx, client, w, before, after); err != nil {
		return err
	}
	old := make([]Node, 0, len(before))
	for k, o := range before {
		old = append(old, *o)
		if !listed[k] && o.State != Gone {
			r.Nodes = append(r.Nodes, Change{Node: gone(*o, w.since)})
		}
	}
	for i := range after {
		if c, changed := change(before[after[i].Key], &after[i]); changed {
			r.Nodes = append(r.Nodes, c)
		}
	}
	slices.SortFunc(r.Nodes, func(a, b Change) int { return a.Node.Key.Compare(b.Node.Key) })
	r.Events = Diff(old, after, w.at)
	if err := d.Store.CommitNodes(ctx, d.Epoch, r); err != nil {
		return err
	}
	if w.forked {
		d.Log.Warn("list of nodes reorganised", "fork", w.since.Height, "height", pos.Height)
	}
	d.Log.Debug("list of nodes followed", "height", pos.Height, "nodes", len(after), "changed", len(r.Nodes), "events", len(r.Events))
	return nil
}

// nodesAt returns the nodes that are diffed against.
func (d *Directory) nodesAt(ctx context.Context, w where) (map[Key]*Node, error) {
	before := map[Key]*Node{}
	if !w.forked {
		s := d.now.Load()
		for i := range s.Entries {
			before[s.Entries[i].Node.Key] = &s.Entries[i].Node
		}
		return before, nil
	}
	list, err := d.Store.NodesAt(ctx, *w.base)
	for i := range list {
		before[list[i].Key] = &list[i]
	}
	return before, err
}

// gone is a node that has left the list, which last held it at a moment.
func gone(n Node, last Moment) Node {
	n.State, n.Funded, n.Active, n.Swarm, n.LastSeen = Gone, false, false, NoSwarm, last
	return n
}

// change returns what is to be stored of n, and whether anything is. before is nil for a node that was never seen.
func change(before, n *Node) (Change, bool) {
	if before == nil {
		return Change{Node: *n}, true
	}
	a, b := *before, *n
	a.LastSeen = b.LastSeen
	if reflect.DeepEqual(a, b) {
		return Change{}, false
	}
	for _, x := range []*Node{&a, &b} {
		x.Credit, x.LastReward, x.LastRewardIndex, x.Proof = 0, 0, 0, time.Time{}
		x.StorageReach, x.LokinetReach = Reach{}, Reach{}
	}
	return Change{Node: *n, Fleeting: reflect.DeepEqual(a, b)}, true
}
