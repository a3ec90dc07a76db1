package indexer

import (
	"context"

	"onsight/ons"
)

// apply turns the operations of p into records and skips, on top of the records at base, and returns the running digest
// after p.
//
// An operation that does not apply is left out, counted and logged: a mined one has passed consensus, so either the daemon
// is wrong or this program is, and one name must not stop all others.
func (x *Indexer) apply(ctx context.Context, st State, base *Point, p *page) (ons.Txid, error) {
	var keys []ons.Key
	for _, ops := range p.ops {
		for _, m := range ops {
			if m.err == nil {
				keys = append(keys, ons.Key{Type: m.op.Type, Hash: m.op.Hash})
			}
		}
	}
	digest, current := st.Digest, map[ons.Key]ons.Record{}
	if base != nil {
		var err error
		if st.Tip != nil && *base != *st.Tip { // what stands above base is being replaced
			if digest, err = x.Store.DigestAt(ctx, base.Height); err != nil {
				return ons.Txid{}, err
			}
		}
		if len(keys) > 0 {
			if current, err = x.Store.Current(ctx, keys, base.Height); err != nil {
				return ons.Txid{}, err
			}
		}
	}
	rules := ons.Rules{Network: st.Network, Year: st.Year}
	for i := range p.blocks {
		b := &p.blocks[i]
		for _, m := range p.ops[i] {
			r, err := m.apply(current, rules)
			if err != nil {
				x.Log.Warn("transaction skipped", "height", b.Height, "txid", m.at.Txid, "reason", err)
				b.Skips = append(b.Skips, Skip{Txid: m.at.Txid, Reason: err.Error()})
				continue
			}
			current[r.Key()] = r
			b.Records = append(b.Records, r)
		}
		if len(b.Records) > 0 {
			digest = next(digest, *b)
			b.Digest = digest
		}
	}
	return digest, nil
}

// apply gives the record that m makes of the current one of its name.
func (m mined) apply(current map[ons.Key]ons.Record, rules ons.Rules) (ons.Record, error) {
	if m.err != nil {
		return ons.Record{}, m.err
	}
	if prev, ok := current[ons.Key{Type: m.op.Type, Hash: m.op.Hash}]; ok {
		return ons.Apply(&prev, m.op, m.at, rules)
	}
	return ons.Apply(nil, m.op, m.at, rules)
}
