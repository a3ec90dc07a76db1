package main

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"onsight/internal/oxend"
	"onsight/ons"
)

// What `-o json` prints. Hashes are lower-case hex, heights are block heights, times are RFC 3339 in UTC.

type versionView struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}

type indexedView struct {
	Network string  `json:"network"`
	Phase   string  `json:"phase"`
	Start   uint64  `json:"start_height"`
	Height  *uint64 `json:"height"` // null while there is no block
	Target  uint64  `json:"target_height"`
	Hash    *string `json:"hash"`
	Digest  *string `json:"digest"`
}

// asOfView says which state of the chain an answer describes.
type asOfView struct {
	Height uint64 `json:"height"`
	Hash   string `json:"hash,omitempty"`
	Time   string `json:"time,omitempty"`
}

type resolvedView struct {
	Name     string      `json:"name"`
	Type     string      `json:"type"`
	Value    string      `json:"value"`
	Record   *recordView `json:"record"` // null: a bundle has none
	AsOf     asOfView    `json:"as_of"`
	AtHeight *uint64     `json:"at_height,omitempty"` // the block after which this was so; left out: as_of
	Source   string      `json:"source"`              // index, daemon, range, exact or bundle
	Revealed string      `json:"revealed"`            // to whoever was asked
	Events   []eventView `json:"history,omitempty"`
}

// recordView is the current state of a name. What the source cannot know is null.
type recordView struct {
	Type             string  `json:"type"`
	NameHash         string  `json:"name_hash"`
	Status           string  `json:"status"`
	Legacy           bool    `json:"legacy"`
	EncryptedValue   string  `json:"encrypted_value"` // without the nonce
	Nonce            *string `json:"nonce"`
	Owner            string  `json:"owner"`
	BackupOwner      *string `json:"backup_owner"`
	RegisterHeight   *uint64 `json:"register_height"`
	RegisteredAt     *string `json:"registered_at"`
	UpdateHeight     uint64  `json:"update_height"`
	UpdatedAt        *string `json:"updated_at"`
	ExpirationHeight *uint64 `json:"expiration_height"`
	Txid             string  `json:"txid"`
}

// eventView is one change in a name's history. Its values are the state after it.
type eventView struct {
	Kind             string  `json:"kind"`
	Height           uint64  `json:"height"`
	Txid             string  `json:"txid"`
	Value            *string `json:"value"` // null when it does not open with this name
	Owner            string  `json:"owner"`
	BackupOwner      *string `json:"backup_owner"`
	ExpirationHeight *uint64 `json:"expiration_height"`
}

type statusView struct {
	Database string `json:"database"`
	Network  string `json:"network"`
	Genesis  string `json:"genesis"`
	Phase    string `json:"phase"` // syncing, synced, fork_below_final
	Start    uint64 `json:"start_height"`
	Height   uint64 `json:"height"`
	Hash     string `json:"hash"`
	Time     string `json:"time"`
	Target   uint64 `json:"target_height"`
	Lag      uint64 `json:"lag"`
	Final    uint64 `json:"final_height"`
	AskedAt  string `json:"asked_at"` // when a daemon last answered

	Live    countsView  `json:"live"`
	Names   uint64      `json:"names"`   // distinct, expired included
	Records uint64      `json:"records"` // changes of all names
	Skipped uint64      `json:"skipped"` // transactions that could not be applied
	Reorgs  uint64      `json:"reorgs"`
	Recent  []reorgView `json:"recent_reorgs,omitempty"`
	Left    []skipView  `json:"recent_skips,omitempty"`

	DigestHeight uint64 `json:"digest_height"`
	Digest       string `json:"digest"`
}

type countsView struct {
	Session uint64 `json:"session"`
	Wallet  uint64 `json:"wallet"`
	Lokinet uint64 `json:"lokinet"`
}

// skipView is a transaction that was left out, and why.
type skipView struct {
	Height uint64 `json:"height"`
	Txid   string `json:"txid"`
	Reason string `json:"reason"`
}

type reorgView struct {
	At      string `json:"at"`
	Fork    uint64 `json:"fork_height"`
	Blocks  uint64 `json:"blocks_undone"`
	Records uint64 `json:"records_undone"`
	OldHash string `json:"old_hash"`
}

type verifyView struct {
	Height      uint64           `json:"height"`
	Hash        string           `json:"hash"`
	Index       countsView       `json:"index_counts"`
	Daemon      countsView       `json:"daemon_counts"`
	Sampled     int              `json:"sampled"`
	Equal       bool             `json:"equal"`
	Differences []differenceView `json:"differences"`
}

type differenceView struct {
	What   string `json:"what"` // "counts", or type and name hash of a record
	Field  string `json:"field"`
	Index  string `json:"index"`
	Daemon string `json:"daemon"`
}

func (p program) printJSON(v any) error {
	enc := json.NewEncoder(p.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func newRecordView(r ons.Record, height uint64, rules ons.Rules) recordView {
	v := recordView{
		Type: r.Type.String(), NameHash: r.Hash.String(), Status: string(r.Status(height, rules)),
		Owner: r.Owner.Text(rules.Network), BackupOwner: text(r.Backup.Text(rules.Network)),
		RegisterHeight: number(r.Registered), UpdateHeight: r.Updated, ExpirationHeight: number(r.Expires), Txid: r.Txid.String(),
	}
	v.seal(r.Sealed)
	return v
}

// daemonRecordView is what a daemon tells of a name: all but when it was registered.
func daemonRecordView(r oxend.NameRecord, height uint64, rules ons.Rules) recordView {
	state := ons.Record{Type: r.Key.Type, Hash: r.Key.Hash, Sealed: r.Sealed, Expires: r.Expires}
	v := recordView{
		Type: r.Key.Type.String(), NameHash: r.Key.Hash.String(), Status: string(state.Status(height, rules)),
		Owner: r.Owner, BackupOwner: text(r.Backup),
		UpdateHeight: r.Updated, ExpirationHeight: number(r.Expires), Txid: r.Txid.String(),
	}
	v.seal(r.Sealed)
	return v
}

func (v *recordView) seal(s ons.Sealed) {
	v.Legacy, v.EncryptedValue = s.Legacy(), hex.EncodeToString(s.Ciphertext)
	if !s.Legacy() {
		nonce := hex.EncodeToString(s.Nonce)
		v.Nonce = &nonce
	}
}

// text is nil for "there is none".
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// number is nil for "there is none".
func number(n uint64) *uint64 {
	if n == 0 {
		return nil
	}
	return &n
}

func clock(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.RFC3339) }
