package api

import (
	"encoding/hex"
	"time"

	"onsight/indexer"
	"onsight/ons"
)

// Every JSON shape we serve. The OpenAPI document is made from these: the field tags beside json are huma's. Hashes are
// lower-case hexadecimal, heights those of blocks, times RFC 3339 in UTC. All replies have as_of besides, which seal
// writes and withAsOf describes.

// Statuses of names in a batch beside those of ons.Status.
const (
	statusNotRegistered = "not_registered"
	statusBehind        = "behind"
)

// asOfView is the block of which a reply is true.
type asOfView struct {
	Height uint64 `json:"height" doc:"Height of the newest block of the index"`
	Hash   string `json:"hash" pattern:"^[0-9a-f]{64}$" doc:"Hash of that block"`
	Time   string `json:"time" format:"date-time" doc:"Time of that block"`
}

// problemView is an error (RFC 9457).
type problemView struct {
	Type   string `json:"type" doc:"Always about:blank: the code says more"`
	Title  string `json:"title" doc:"The status in words"`
	Status int    `json:"status" minimum:"400" maximum:"599"`
	Code   string `json:"code" doc:"What is wrong; the codes stay, the words may change"`
	Detail string `json:"detail" doc:"A sentence for people. It repeats nothing that was asked but names of query parameters"`
}

type healthView struct {
	Status string `json:"status" enum:"ok,ready"`
}

// nameView is the newest record of a name. appendName writes it.
type nameView struct {
	Type             string  `json:"type" enum:"session,wallet,lokinet"`
	NameHash         string  `json:"name_hash" pattern:"^[0-9a-f]{64}$" doc:"BLAKE2b-256 of the folded name"`
	Status           string  `json:"status" enum:"registered,expiring,expired,needs_update" doc:"expiring: at most a twelfth of the network's year is left; expired: anybody may buy it; needs_update: its value has the form of 2020, which clients no longer read"`
	Legacy           bool    `json:"legacy" doc:"The value has the form of 2020 and no nonce"`
	EncryptedValue   string  `json:"encrypted_value" pattern:"^([0-9a-f]{2})*$" doc:"What the name stands for, encrypted under a key derived from it; without the nonce"`
	Nonce            *string `json:"nonce" pattern:"^[0-9a-f]{48}$" doc:"null if legacy"`
	Owner            string  `json:"owner" doc:"Wallet address, or the 64 digits of an Ed25519 key"`
	BackupOwner      *string `json:"backup_owner" doc:"null if there is none"`
	RegisterHeight   uint64  `json:"register_height" doc:"Block of the purchase that began this registration"`
	RegisteredAt     *string `json:"registered_at" format:"date-time" doc:"Time of that block; null if the index does not know it"`
	Kind             string  `json:"kind" enum:"buy,update,renew" doc:"Of the last transaction"`
	UpdateHeight     uint64  `json:"update_height" doc:"Block of the last transaction"`
	UpdatedAt        *string `json:"updated_at" format:"date-time" doc:"Time of that block; null if the index does not know it"`
	ExpirationHeight *uint64 `json:"expiration_height" doc:"Last height at which it lives; null if it never expires"`
	ExpiresAt        *string `json:"expires_at" format:"date-time" doc:"When that is likely to be, at 120 seconds a block from as_of on, or with at_height from update_height on; null if never"`
	Txid             string  `json:"txid" pattern:"^[0-9a-f]{64}$" doc:"The last transaction"`
	Confirmations    uint64  `json:"confirmations" doc:"Blocks that hold or follow the last transaction"`
	Final            bool    `json:"final" doc:"The chain cannot take the last transaction back"`
}

// eventView is one transaction in a name's history, and the state after it.
type eventView struct {
	Kind             string  `json:"kind" enum:"buy,update,renew"`
	Height           uint64  `json:"height"`
	Time             *string `json:"time" format:"date-time" doc:"Of that block; null if the index does not know it"`
	Txid             string  `json:"txid" pattern:"^[0-9a-f]{64}$"`
	PrevTxid         *string `json:"prev_txid" pattern:"^[0-9a-f]{64}$" doc:"The transaction it changes; null for a buy"`
	Legacy           bool    `json:"legacy"`
	EncryptedValue   string  `json:"encrypted_value" pattern:"^([0-9a-f]{2})*$"`
	Nonce            *string `json:"nonce" pattern:"^[0-9a-f]{48}$"`
	Owner            string  `json:"owner"`
	BackupOwner      *string `json:"backup_owner"`
	RegisterHeight   uint64  `json:"register_height"`
	ExpirationHeight *uint64 `json:"expiration_height"`
	Confirmations    uint64  `json:"confirmations"`
	Final            bool    `json:"final"`
}

type historyView struct {
	Type     string      `json:"type" enum:"session,wallet,lokinet"`
	NameHash string      `json:"name_hash" pattern:"^[0-9a-f]{64}$"`
	Status   string      `json:"status" enum:"registered,expiring,expired,needs_update"`
	History  []eventView `json:"history" nullable:"false" doc:"Oldest first, all registrations"`
	Next     *string     `json:"next" doc:"Cursor of the next page; null: this is the last one"`
	AtHeight *uint64     `json:"at_height,omitempty" doc:"The block after which it was like this; left out if none was asked for"`
}

// ownedView is the names of an owner. Server.owned writes it.
type ownedView struct {
	Owner string     `json:"owner"`
	Names []nameView `json:"names" nullable:"false" doc:"In order of type and hash, expired ones included"`
	Next  *string    `json:"next" doc:"Cursor of the next page; null: this is the last one"`
}

// rangesView is which ranges there are.
type rangesView struct {
	Bits      int  `json:"bits" minimum:"0" maximum:"8" doc:"Most bits of a hash that a range may be asked for by"`
	K         int  `json:"k" doc:"Different hashes that each range of so many bits holds at least; with 0 bits there may be fewer"`
	Records   int  `json:"records" doc:"Newest records of all names, expired ones included"`
	Hashes    int  `json:"hashes" doc:"Different hashes among them"`
	SizeClass int  `json:"size_class" doc:"Size in bytes of every reply of so many bits"`
	Ready     bool `json:"ready" doc:"The index can tell what is not registered"`
}

// bucketView is a range. Server.bucket writes it.
type bucketView struct {
	Bits    int          `json:"bits" minimum:"0" maximum:"8"`
	Index   string       `json:"index" pattern:"^[0-9a-f]{1,2}$"`
	Ready   bool         `json:"ready" doc:"The index can tell what is not registered: what is not in the range"`
	Records []rangedView `json:"records" nullable:"false" doc:"In order of hash and type, expired ones included"`
}

// rangedView is the newest record of a name in a range: what does not change with every block. appendRanged writes it.
type rangedView struct {
	Type             string  `json:"type" enum:"session,wallet,lokinet"`
	NameHash         string  `json:"name_hash" pattern:"^[0-9a-f]{64}$"`
	EncryptedValue   string  `json:"encrypted_value" pattern:"^([0-9a-f]{2})*$" doc:"Without the nonce"`
	Nonce            *string `json:"nonce" pattern:"^[0-9a-f]{48}$" doc:"null: the value has the form of 2020"`
	Owner            string  `json:"owner"`
	BackupOwner      *string `json:"backup_owner"`
	RegisterHeight   uint64  `json:"register_height"`
	RegisteredAt     *string `json:"registered_at" format:"date-time" doc:"Time of that block; null if the index does not know it"`
	UpdateHeight     uint64  `json:"update_height"`
	UpdatedAt        *string `json:"updated_at" format:"date-time" doc:"Time of that block; null if the index does not know it"`
	ExpirationHeight *uint64 `json:"expiration_height" doc:"Last height at which it lives; expired if that is not above the height of as_of; null if it never expires"`
	Txid             string  `json:"txid" pattern:"^[0-9a-f]{64}$" doc:"The last transaction"`
}

// nameRefView asks for a name.
type nameRefView struct {
	Type string `json:"type" enum:"session,wallet,lokinet"`
	Hash string `json:"hash" pattern:"^([0-9A-Fa-f]{64}|[0-9A-Za-z+/_-]{43}=?)$" doc:"64 hexadecimal digits, or base64 of either alphabet with or without padding"`
}

type resolveView struct {
	Names []nameRefView `json:"names" nullable:"false" maxItems:"1000"`
}

// answerView is a name of a batch. appendCompact, appendFull and appendAbsent write it.
type answerView struct {
	Type   string    `json:"type" enum:"session,wallet,lokinet"`
	Hash   string    `json:"hash" pattern:"^[0-9a-f]{64}$"`
	Status string    `json:"status" enum:"registered,expiring,expired,needs_update,not_registered,behind" doc:"behind: there is no record, and the index cannot tell now whether that is so"`
	Value  *string   `json:"value,omitempty" nullable:"true" pattern:"^([0-9a-f]{2})*$" doc:"Encrypted, without the nonce; null if there is no record; left out with full=1"`
	Nonce  *string   `json:"nonce,omitempty" nullable:"true" pattern:"^[0-9a-f]{48}$" doc:"null if there is no record or it is legacy; left out with full=1"`
	Record *nameView `json:"record,omitempty" doc:"With full=1 only; null if there is no record"`
}

type answersView struct {
	Names []answerView `json:"names" nullable:"false" doc:"In the order of the request"`
}

type countsView struct {
	Session uint64 `json:"session" doc:"Names that live"`
	Wallet  uint64 `json:"wallet" doc:"Names that live"`
	Lokinet uint64 `json:"lokinet" doc:"Names that live"`
	Known   uint64 `json:"known" doc:"Names of all types that have a record, expired ones included"`
}

type upstreamView struct {
	URL     string  `json:"url"`
	Height  *uint64 `json:"height" doc:"Of its newest block; null if it never answered"`
	Error   *string `json:"error" doc:"Why it is not usable now"`
	AskedAt *string `json:"asked_at" format:"date-time"`
	Active  bool    `json:"active" doc:"The one that is followed now"`
}

type versionsView struct {
	Onsight string `json:"onsight"`
	Go      string `json:"go"`
}

type statusView struct {
	Network         *string        `json:"network" doc:"mainnet, testnet, devnet, …; null while the index is empty"`
	Phase           *string        `json:"phase" doc:"syncing, synced, or fork_below_final: the daemon contradicts a final block; null while the index is empty"`
	Ready           bool           `json:"ready" doc:"The index can tell what is not registered"`
	Reason          *string        `json:"reason" doc:"Why it cannot"`
	Height          *uint64        `json:"height"`
	Hash            *string        `json:"hash" pattern:"^[0-9a-f]{64}$"`
	TargetHeight    uint64         `json:"target_height" doc:"Of the newest block of the best daemon"`
	Lag             uint64         `json:"lag" doc:"Blocks from height to target_height"`
	ImmutableHeight *uint64        `json:"immutable_height" doc:"Highest block that the chain cannot take back"`
	StartHeight     *uint64        `json:"start_height" doc:"Where the index begins"`
	Digest          *string        `json:"digest" pattern:"^[0-9a-f]{64}$" doc:"Of all records up to height: equal digests, equal indexes"`
	AskedAt         *string        `json:"asked_at" format:"date-time" doc:"When the writer of the index last followed a daemon to its newest block; that one answers, as upstreams say, is less"`
	Names           countsView     `json:"names"`
	Upstreams       []upstreamView `json:"upstreams" nullable:"false"`
	Versions        versionsView   `json:"versions"`
}

// moment is what a record's fields depend on beside the record.
type moment struct {
	tip    uint64 // the block after which they are asked for
	past   bool   // that was asked for
	blocks uint64 // as get_info counts them: the height at which whoever asks then asks
	time   int64  // of the newest block there is, which the tip is unless an older state is asked for; Unix seconds
	final  uint64
	rules  ons.Rules
	times  timetable // nil: no times are known
}

// timetable tells when blocks were made, in Unix seconds; false if that is not known.
type timetable interface {
	Time(height uint64) (int64, bool)
}

// moment returns that of the block after which c is answered.
func (c *call) moment() moment {
	return momentIn(c.snap, c.state)
}

// momentIn returns that of a snapshot.
func momentIn(snap Snapshot, state indexer.State) moment {
	m := momentOf(state)
	m.times = snap
	return m
}

// at returns the moment after an older block. What is final stays as it is now.
func (m moment) at(height uint64) moment {
	m.tip, m.blocks, m.past = height, height+1, true
	return m
}

// date returns when a block was made, if that is known and can be written.
func (m moment) date(height uint64) (int64, bool) {
	if m.times == nil {
		return 0, false
	}
	at, ok := m.times.Time(height)
	return at, ok && at >= 0 && at <= lastSecond
}

// dateText is nil for a date that is not known.
func (m moment) dateText(height uint64) *string {
	at, ok := m.date(height)
	if !ok {
		return nil
	}
	return clock(time.Unix(at, 0))
}

// momentOf returns the moment of a state, which must have a tip unless there are no records.
func momentOf(s indexer.State) moment {
	if s.Tip == nil {
		return moment{}
	}
	return moment{
		tip: s.Tip.Height, blocks: s.Tip.Height + 1, time: s.TipTime, final: s.Final,
		rules: ons.Rules{Network: s.Network, Year: s.Year},
	}
}

// confirmations counts the blocks that hold or follow what was mined at a height.
func (m moment) confirmations(height uint64) uint64 {
	if height > m.tip {
		return 0
	}
	return m.blocks - height
}

// isFinal reports whether the chain cannot take back what was mined at a height.
func (m moment) isFinal(height uint64) bool { return height <= m.final }

// blockSeconds is how long a block takes (spec A.4).
const blockSeconds = 120

// lastSecond is the last one that RFC 3339 can write: of the year 9999.
const lastSecond = 253402300799

// expiry returns when a record is likely to expire, in Unix seconds, and whether it does at a time that can be written. Of now
// it is reckoned from the newest block; of the past, which may be kept for ever, from the record's own, as nothing said later moves that.
func (m moment) expiry(r *ons.Record) (int64, bool) {
	if r.Expires == 0 || r.Expires > lastSecond/blockSeconds {
		return 0, false
	}
	from, at := m.tip, m.time
	if m.past {
		var ok bool
		if at, ok = m.date(r.Updated); !ok {
			return 0, false
		}
		from = r.Updated
	}
	at += (int64(r.Expires) - int64(from)) * blockSeconds
	return at, at >= 0 && at <= lastSecond
}

func newNameView(r *ons.Record, m moment) nameView {
	v := nameView{
		Type: r.Type.String(), NameHash: r.Hash.String(), Status: string(r.Status(m.blocks, m.rules)), Legacy: r.Sealed.Legacy(),
		EncryptedValue: hex.EncodeToString(r.Sealed.Ciphertext), Nonce: nonce(r.Sealed),
		Owner: r.Owner.Text(m.rules.Network), BackupOwner: text(r.Backup.Text(m.rules.Network)),
		RegisterHeight: r.Registered, RegisteredAt: m.dateText(r.Registered), Kind: r.Kind.String(),
		UpdateHeight: r.Updated, UpdatedAt: m.dateText(r.Updated), ExpirationHeight: number(r.Expires),
		Txid: r.Txid.String(), Confirmations: m.confirmations(r.Updated), Final: m.isFinal(r.Updated),
	}
	if at, ok := m.expiry(r); ok {
		v.ExpiresAt = clock(time.Unix(at, 0))
	}
	return v
}

func newRangedView(r *ons.Record, m moment) rangedView {
	n := m.rules.Network
	return rangedView{
		Type: r.Type.String(), NameHash: r.Hash.String(), EncryptedValue: hex.EncodeToString(r.Sealed.Ciphertext), Nonce: nonce(r.Sealed),
		Owner: r.Owner.Text(n), BackupOwner: text(r.Backup.Text(n)),
		RegisterHeight: r.Registered, RegisteredAt: m.dateText(r.Registered), UpdateHeight: r.Updated, UpdatedAt: m.dateText(r.Updated),
		ExpirationHeight: number(r.Expires), Txid: r.Txid.String(),
	}
}

func newEventView(r *ons.Record, m moment) eventView {
	v := eventView{
		Kind: r.Kind.String(), Height: r.Updated, Time: m.dateText(r.Updated), Txid: r.Txid.String(), Legacy: r.Sealed.Legacy(),
		EncryptedValue: hex.EncodeToString(r.Sealed.Ciphertext), Nonce: nonce(r.Sealed),
		Owner: r.Owner.Text(m.rules.Network), BackupOwner: text(r.Backup.Text(m.rules.Network)),
		RegisterHeight: r.Registered, ExpirationHeight: number(r.Expires),
		Confirmations: m.confirmations(r.Updated), Final: m.isFinal(r.Updated),
	}
	if r.Prev != (ons.Txid{}) {
		v.PrevTxid = ref(r.Prev.String())
	}
	return v
}

// nonce is nil for a legacy value.
func nonce(s ons.Sealed) *string {
	if s.Legacy() {
		return nil
	}
	return ref(hex.EncodeToString(s.Nonce))
}

func ref(s string) *string { return &s }

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

// clock is nil for the zero time.
func clock(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return ref(t.UTC().Format(time.RFC3339))
}
