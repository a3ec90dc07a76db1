package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"onsight/indexer"
	"onsight/ons"
)

// The examples of the document are what the code makes of a few invented records. The value of the session name opens
// with the name "example".

type examples map[string]json.RawMessage

func (e examples) wrap() map[string]*huma.Example {
	out := map[string]*huma.Example{}
	for name, value := range e {
		out[name] = &huma.Example{Value: value}
	}
	return out
}

// exampleState is an index after one block.
func exampleState() indexer.State {
	return indexer.State{
		Network: ons.Mainnet, Start: 496969, Final: 1500008, Target: 1500020, Phase: indexer.Synced,
		Asked: time.Unix(1735689650, 0), Tip: &indexer.Point{Height: 1500020, Hash: ons.Txid(fill(32, 11))}, TipTime: 1735689600,
		Digest: ons.Txid(fill(32, 13)),
	}
}

// exampleMoment is the one after it.
func exampleMoment() moment {
	m := momentOf(exampleState())
	m.times = exampleTimes{}
	return m
}

// exampleTimes are those of a chain that never was late.
type exampleTimes struct{}

func (exampleTimes) Time(height uint64) (int64, bool) {
	s := exampleState()
	return s.TipTime - blockSeconds*int64(s.Tip.Height-height), true
}

// exampleSealed is a view as a reply.
func exampleSealed(view any) json.RawMessage {
	return seal(must(json.Marshal(view)), appendAsOf(nil, exampleState()))
}

// exampleEmpty is a view as the reply of an empty index.
func exampleEmpty(view any) json.RawMessage {
	return seal(must(json.Marshal(view)), emptyFrame.asOf)
}

// exampleRecord is a record with 10 confirmations.
func exampleRecord(t ons.Type) *ons.Record {
	name := must(ons.ParseName(t, "example"))
	value := ons.Value{Type: t, Bytes: append([]byte{5}, fill(32, 3)...)}
	switch t {
	case ons.Wallet:
		value.Bytes = append([]byte{0}, fill(64, 3)...)
	case ons.Lokinet:
		value.Bytes = fill(32, 3)
	}
	return &ons.Record{
		Type: t, Hash: name.Hash(), Kind: ons.Buy, Owner: ons.Owner{Kind: ons.OwnerEd25519, Key: [32]byte(fill(32, 5))},
		Sealed: must(name.Seal(value, bytes.NewReader(fill(24, 7)))), Registered: 1400000, Updated: 1500011, Txid: ons.Txid(fill(32, 17)),
	}
}

// exampleLegacy is a value of 2020, which does not open.
func exampleLegacy() ons.Sealed { return must(ons.ParseSealed(ons.Session, fill(49, 19))) }

// exampleNames has one record in each status.
func exampleNames() examples {
	rules := ons.Rules{Network: ons.Mainnet}
	blocks := exampleState().Tip.Height + 1
	lokinet := func(left int64) *ons.Record {
		r := exampleRecord(ons.Lokinet)
		r.Updated, r.Txid = r.Registered, ons.Txid(fill(32, 23))
		r.Backup = ons.Owner{Kind: ons.OwnerWallet, Key: [32]byte(fill(32, 29)), View: [32]byte(fill(32, 31))}
		r.Expires = uint64(int64(blocks) + left)
		return r
	}
	old := exampleRecord(ons.Session)
	old.Sealed = exampleLegacy()
	ex := examples{}
	for _, r := range []*ons.Record{exampleRecord(ons.Session), lokinet(int64(rules.Blocks(2)) / 12), lokinet(-1), old} {
		v := newNameView(r, exampleMoment())
		ex[v.Status] = exampleSealed(v)
	}
	r := lokinet(-1)
	then := exampleMoment().at(r.Expires)
	ex["at_height"] = exampleSealed(struct {
		nameView
		AtHeight uint64 `json:"at_height"`
	}{newNameView(r, then), then.tip})
	return ex
}

// exampleChanges is a name that was bought and updated.
func exampleChanges() [2]*ons.Record {
	bought, updated := exampleRecord(ons.Session), exampleRecord(ons.Session)
	bought.Updated, bought.Txid = bought.Registered, ons.Txid(fill(32, 23))
	updated.Kind, updated.Prev = ons.Update, bought.Txid
	return [2]*ons.Record{bought, updated}
}

func exampleHistory() historyView {
	at := momentOf(exampleState())
	changes := exampleChanges()
	newest := changes[1]
	return historyView{
		Type: "session", NameHash: newest.Hash.String(), Status: string(newest.Status(at.blocks, at.rules)),
		History: []eventView{newEventView(changes[0], at), newEventView(newest, at)},
	}
}

func exampleOwned() ownedView {
	r := exampleRecord(ons.Session)
	return ownedView{
		Owner: r.Owner.Text(ons.Mainnet), Names: []nameView{newNameView(r, exampleMoment())},
		Next: ref(formatCursor(r.Key())),
	}
}

func exampleRanges() rangesView {
	return rangesView{Bits: 6, K: rangeK, Records: 10_040, Hashes: 10_000, SizeClass: 131072, Ready: true}
}

func exampleBucket() bucketView {
	r := exampleRecord(ons.Session)
	return bucketView{Bits: 6, Index: strconv.FormatInt(int64(r.Hash[0]>>2), 16), Ready: true, Records: []rangedView{newRangedView(r, exampleMoment())}}
}

func exampleResolve() examples {
	known, unknown := exampleRecord(ons.Session).Key(), exampleRecord(ons.Lokinet).Key()
	return examples{"two names": must(json.Marshal(resolveView{Names: []nameRefView{
		{Type: "session", Hash: known.Hash.String()}, {Type: "lokinet", Hash: unknown.Hash.Base64()},
	}}))}
}

func exampleAnswers() examples {
	at, r, unknown := exampleMoment(), exampleRecord(ons.Session), exampleRecord(ons.Lokinet).Key()
	answers := func(a, b []byte) json.RawMessage {
		return seal(fmt.Appendf(nil, `{"names":[%s,%s]}`, a, b), appendAsOf(nil, exampleState()))
	}
	return examples{
		"compact": answers(appendCompact(nil, r, at), appendAbsent(nil, unknown, statusNotRegistered, false)),
		"full":    answers(appendFull(nil, r, at), appendAbsent(nil, unknown, statusNotRegistered, true)),
		"behind":  answers(appendCompact(nil, r, at), appendAbsent(nil, unknown, statusBehind, false)),
	}
}

func exampleStatus() statusView {
	s := exampleState()
	asked := clock(s.Asked)
	return statusView{
		Network: ref(string(s.Network)), Phase: ref(string(s.Phase)), Ready: true, Height: &s.Tip.Height, Hash: ref(s.Tip.Hash.String()),
		TargetHeight: s.Target, ImmutableHeight: &s.Final, StartHeight: &s.Start, Digest: ref(s.Digest.String()), AskedAt: asked,
		Names:     countsView{Session: 9000, Wallet: 40, Lokinet: 300, Known: 9500},
		Upstreams: []upstreamView{{URL: "http://127.0.0.1:22023", Height: &s.Target, AskedAt: asked, Active: true}},
		Versions:  versionsView{Onsight: "v1.0.0", Go: "go1.26.8"},
	}
}

func exampleEmptyStatus() statusView {
	return statusView{
		Reason: ref(behind(indexer.State{}, nil, time.Time{})), Upstreams: []upstreamView{},
		Versions: versionsView{Onsight: "v1.0.0", Go: "go1.26.8"},
	}
}

// exampleError returns an error as the handlers wrap it.
func exampleError(err error) error {
	switch err {
	case errUnknownParameter:
		return fmt.Errorf("%w: %s", err, quote("limt"))
	case errParameter:
		return fmt.Errorf("%w: limit must be 1 to %d", err, maxLimit)
	case errHeight:
		return fmt.Errorf("%w: the newest one is %d", err, exampleState().Tip.Height)
	case errRange:
		return fmt.Errorf("%w: bits must be 0 to 6", err)
	case errBody:
		return fmt.Errorf("%w: names is missing", err)
	case errTooMany:
		return fmt.Errorf("%w: %d, at most %d", err, maxBatch+1, maxBatch)
	case errTooLarge:
		return fmt.Errorf("%w: at most %d bytes", err, maxBody)
	case errBehind:
		return fmt.Errorf("%w: the index is 5 blocks below the chain", err)
	}
	return err
}

func exampleEmptyError() error {
	return fmt.Errorf("%w: %s", errBehind, behind(indexer.State{}, nil, time.Time{}))
}

// fill returns n bytes that look like nothing.
func fill(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((i+seed)*(seed*2+1)*37 + i*i)
	}
	return b
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("api: internal error: " + err.Error())
	}
	return v
}
