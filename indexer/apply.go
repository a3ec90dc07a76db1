package indexer

import (
	"context"
	"maps"

	"onsight/ons"
)

// runLimit is how many names a run remembers: some 50 MB.
const runLimit = 100_000

// run is what a row of ranges, each standing on the one before, carries along.
type run struct {
	digest ons.Txid               // running digest at the block the next range stands on
	known  map[ons.Key]ons.Record // newest records of names that were met, so that each is read from the store once
	all    bool                   // known holds every name there is: the run began before the first one
}

// newRun begins a run that stands on a block with the given running digest.
func newRun(digest ons.Txid) *run {
	return &run{digest: digest, known: map[ons.Key]ons.Record{}, all: digest == ons.Txid{}}
}

// meet makes sure that the newest records of p's names below base are known.
func (n *run) meet(ctx context.Context, s Store, base *Point, p page) error {
	if len(n.known) > runLimit {
		n.known, n.all = map[ons.Key]ons.Record{}, false
	}
	if n.all || base == nil {
		return nil
	}
	var keys []ons.Key
	for _, ops := range p.ops {
		for _, m := range ops {
			if _, ok := n.known[m.op.Key()]; !ok && m.err == nil {
				keys = append(keys, m.op.Key())
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	records, err := s.Current(ctx, keys, base.Height)
	maps.Copy(n.known, records)
	return err
}

// apply turns the operations of p into records and skips, on top of the records at base.
//
// An operation that does not apply is left out, counted and logged: a mined one has passed consensus, so either the daemon
// is wrong or this program is, and one name must not stop all others.
func (x *Indexer) apply(ctx context.Context, n *run, base *Point, rules ons.Rules, p page) error {
	if err := n.meet(ctx, x.Store, base, p); err != nil {
		return err
	}
	for i := range p.blocks {
		b := &p.blocks[i]
		for _, m := range p.ops[i] {
			r, err := m.apply(n.known, rules)
			if err != nil {
				x.Log.Warn("transaction skipped", "height", b.Height, "txid", m.at.Txid, "reason", err)
				b.Skips = append(b.Skips, Skip{Txid: m.at.Txid, Reason: err.Error()})
				continue
			}
			if prev, ok := n.known[r.Key()]; ok && r.Kind == ons.Update && r.Owner != prev.Owner {
				b.Moves = append(b.Moves, r.TxIndex)
			}
			n.known[r.Key()] = r
			b.Records = append(b.Records, r)
		}
		if len(b.Records) > 0 {
			n.digest = next(n.digest, *b)
			b.Digest = n.digest
		}
	}
	return nil
}

// apply gives the record that m makes of the newest one of its name.
func (m mined) apply(known map[ons.Key]ons.Record, rules ons.Rules) (ons.Record, error) {
	if m.err != nil {
		return ons.Record{}, m.err
	}
	if prev, ok := known[m.op.Key()]; ok {
		return ons.Apply(&prev, m.op, m.at, rules)
	}
	return ons.Apply(nil, m.op, m.at, rules)
}
