package api

import (
	"encoding/hex"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"onsight/ons"
)

// pastsView is the histories in a range. Server.bucketHistory writes it.
type pastsView struct {
	Bits    int        `json:"bits" minimum:"0" maximum:"8"`
	Index   string     `json:"index" pattern:"^[0-9a-f]{1,2}$"`
	Ready   bool       `json:"ready" doc:"The index can tell what is not registered: what is not in the range"`
	Records []pastView `json:"records" nullable:"false" doc:"In order of hash and type, those of a name oldest first, all registrations"`
}

// pastView is a record of a name in a range: the state after one transaction. All that follows the first two fields is a
// rangedView. appendPast writes it.
type pastView struct {
	Kind             string  `json:"kind" enum:"buy,update,renew"`
	PrevTxid         *string `json:"prev_txid" pattern:"^[0-9a-f]{64}$" doc:"The transaction it changes; null for a buy"`
	Type             string  `json:"type" enum:"session,wallet,lokinet"`
	NameHash         string  `json:"name_hash" pattern:"^[0-9a-f]{64}$"`
	EncryptedValue   string  `json:"encrypted_value" pattern:"^([0-9a-f]{2})*$" doc:"Without the nonce"`
	Nonce            *string `json:"nonce" pattern:"^[0-9a-f]{48}$" doc:"null: the value has the form of 2020"`
	Owner            string  `json:"owner"`
	BackupOwner      *string `json:"backup_owner"`
	RegisterHeight   uint64  `json:"register_height"`
	RegisteredAt     *string `json:"registered_at" format:"date-time" doc:"Time of that block; null if the index does not know it"`
	UpdateHeight     uint64  `json:"update_height" doc:"Block of this transaction"`
	UpdatedAt        *string `json:"updated_at" format:"date-time" doc:"Time of that block; null if the index does not know it"`
	ExpirationHeight *uint64 `json:"expiration_height" doc:"Last height at which it lived; null if it never expires"`
	Txid             string  `json:"txid" pattern:"^[0-9a-f]{64}$" doc:"This transaction"`
}

func newPastView(r *ons.Record, m moment) pastView {
	v := newRangedView(r, m)
	past := pastView{
		Kind: r.Kind.String(), Type: v.Type, NameHash: v.NameHash, EncryptedValue: v.EncryptedValue, Nonce: v.Nonce,
		Owner: v.Owner, BackupOwner: v.BackupOwner,
		RegisterHeight: v.RegisterHeight, RegisteredAt: v.RegisteredAt, UpdateHeight: v.UpdateHeight, UpdatedAt: v.UpdatedAt,
		ExpirationHeight: v.ExpirationHeight, Txid: v.Txid,
	}
	if r.Prev != (ons.Txid{}) {
		past.PrevTxid = ref(r.Prev.String())
	}
	return past
}

// appendPast writes a pastView.
func appendPast(b []byte, r *ons.Record, m moment) []byte {
	b = append(b, `{"kind":"`...)
	b = append(b, r.Kind.String()...)
	b = append(b, `","prev_txid":`...)
	if r.Prev == (ons.Txid{}) {
		b = append(b, "null,"...)
	} else {
		b = append(b, '"')
		b = hex.AppendEncode(b, r.Prev[:])
		b = append(b, '"', ',')
	}
	brace := len(b)
	b = appendRanged(b, r, m)
	return append(b[:brace], b[brace+1:]...) // without the brace
}

func (d describer) bucketHistory() *huma.Operation {
	op := d.bucket()
	op.OperationID, op.Path = "rangeHistory", op.Path+"/history"
	op.Summary = "What happened to all names in a range of hashes, oldest first"
	op.Description = "As the range itself, of a size class of its own: it holds the newest records too, so that one request is enough. " +
		"A name as it was after block H is its newest record of at most that height."
	d.replies(op, "RangeHistory", pastsView{}, cacheHeaders(), examples{"bought and updated": exampleSealed(examplePasts())})
	return op
}

func examplePasts() pastsView {
	v := pastsView{Bits: 6, Ready: true}
	for _, r := range exampleChanges() {
		v.Index = strconv.FormatInt(int64(r.Hash[0]>>2), 16)
		v.Records = append(v.Records, newPastView(r, exampleMoment()))
	}
	return v
}
