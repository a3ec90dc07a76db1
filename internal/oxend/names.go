package oxend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"onsight/ons"
)

// Lookup asks for the sealed value of a live name, by ons_resolve. It makes Client an ons.Source: the error wraps
// ons.ErrNotFound if and only if the daemon answered that it has no live record, and ons.ErrUnavailable otherwise.
func (c *Client) Lookup(ctx context.Context, t ons.Type, h ons.Hash) (ons.Sealed, error) {
	const method = "ons_resolve"
	type params struct {
		Type ons.Type `json:"type"`
		Hash string   `json:"name_hash"`
	}
	m, err := call[fields](ctx, c, request{method: method, params: params{t, h.Base64()}}, nil)
	if err != nil {
		return ons.Sealed{}, fmt.Errorf("%w: %w", ons.ErrUnavailable, err)
	}
	s, err := resolved(t, *m)
	if errors.Is(err, ons.ErrNotFound) {
		return ons.Sealed{}, fmt.Errorf("%s: %w", c.name, err)
	}
	if err != nil {
		return ons.Sealed{}, fmt.Errorf("%w: %s: %s: %w", ons.ErrUnavailable, c.name, method, err)
	}
	return s, nil
}

// resolved reads the result of ons_resolve: {} for no live record, encrypted_value without its nonce otherwise, and
// nonce beside it unless the value is sealed in the scheme of 2020. Nothing else counts as an answer.
func resolved(t ons.Type, m fields) (ons.Sealed, error) {
	var value, nonce wireHex
	for key, raw := range m {
		switch key {
		case "encrypted_value":
			if err := json.Unmarshal(raw, &value); err != nil {
				return ons.Sealed{}, err
			}
		case "nonce":
			if err := json.Unmarshal(raw, &nonce); err != nil {
				return ons.Sealed{}, err
			}
		case "status":
			if err := statusError(strings.Trim(string(raw), `"`), true); err != nil {
				return ons.Sealed{}, err
			}
		case "untrusted":
			if string(raw) != "false" {
				return ons.Sealed{}, ErrUntrusted
			}
		default:
			return ons.Sealed{}, errors.New("reply has an unknown field")
		}
	}
	if _, ok := m["encrypted_value"]; !ok {
		if _, ok := m["nonce"]; ok {
			return ons.Sealed{}, errors.New("reply has a nonce but no value")
		}
		return ons.Sealed{}, ons.ErrNotFound
	}
	if _, ok := m["nonce"]; ok && len(nonce) != 24 {
		return ons.Sealed{}, errors.New("nonce has not 24 bytes")
	}
	s, err := ons.ParseSealed(t, append(value, nonce...))
	if err == nil && s.Legacy() != (len(nonce) == 0) {
		err = errors.New("value and nonce do not fit")
	}
	return s, err
}

// NameRecord is what a daemon says of one name.
type NameRecord struct {
	Key     ons.Key
	Owner   string // as the daemon writes it: an address of its network, or 64 hex digits
	Backup  string // the same; empty: none
	Sealed  ons.Sealed
	Updated uint64 // height of the last operation
	Expires uint64 // last height at which it lives; 0: never
	Txid    ons.Txid
}

type wireRecord struct {
	Index   uint64   `json:"entry_index"` // 10.x
	Type    ons.Type `json:"type"`
	Hash    string   `json:"name_hash"`
	Owner   string   `json:"owner"`
	Backup  string   `json:"backup_owner"`
	Value   wireHex  `json:"encrypted_value"` // with its nonce
	Updated uint64   `json:"update_height"`
	Expires uint64   `json:"expiration_height"`
	Txid    wireHash `json:"txid"`
}

type wireRecords = list[wireRecord, recordLimit]

type recordLimit struct{}

// One record for each type of each hash.
func (recordLimit) most() int { return 3 * maxEntries }

// maxEntries is the most hashes a public 10.x daemon takes in one call; three types each are below its limit of 8.
const maxEntries = 256

// Names returns the daemon's records of the given keys; a name it does not know is not in the map. On 10.x
// includeExpired adds names that are not live any more and were not bought again. 11.x never tells of those, and is
// asked two questions a name, one name at a time: keep the list short there.
func (c *Client) Names(ctx context.Context, keys []ons.Key, includeExpired bool) (map[ons.Key]NameRecord, error) {
	d, err := c.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	if d == Dialect11 {
		return c.names11(ctx, keys)
	}
	return c.names10(ctx, keys, includeExpired)
}

// entry10 always names its types: without them 10.x answers nothing, whatever its documentation says.
type entry10 struct {
	Hash  string     `json:"name_hash"`
	Types []typeByte `json:"types"`
}

// typeByte keeps encoding/json from writing a list of types as base64.
type typeByte uint16

func (c *Client) names10(ctx context.Context, keys []ons.Key, includeExpired bool) (map[ons.Key]NameRecord, error) {
	var order []ons.Hash
	types := make(map[ons.Hash][]typeByte)
	asked := make(map[ons.Key]bool, len(keys))
	for _, k := range keys {
		if asked[k] {
			continue
		}
		asked[k] = true
		if types[k.Hash] == nil {
			order = append(order, k.Hash)
		}
		types[k.Hash] = append(types[k.Hash], typeByte(k.Type))
	}
	type params struct {
		Entries        []entry10 `json:"entries"`
		IncludeExpired bool      `json:"include_expired"`
	}
	type result struct {
		stated
		Entries wireRecords `json:"entries"`
	}
	out := make(map[ons.Key]NameRecord)
	for start := 0; start < len(order); start += maxEntries {
		batch := order[start:min(start+maxEntries, len(order))]
		entries := make([]entry10, len(batch))
		for i, h := range batch {
			entries[i] = entry10{h.Base64(), types[h]}
		}
		r, err := call[result](ctx, c, request{method: methodNames, params: params{entries, includeExpired}}, nil)
		if err != nil {
			return nil, err
		}
		for _, w := range r.Entries {
			rec, err := w.record()
			if err == nil && (w.Index >= uint64(len(batch)) || batch[w.Index] != rec.Key.Hash || !asked[rec.Key]) {
				err = shapef("a record came unasked")
			}
			if _, twice := out[rec.Key]; err == nil && twice {
				err = shapef("a record came twice")
			}
			if err == nil && r.Untrusted {
				err = ErrUntrusted
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", c.name, methodNames, err)
			}
			out[rec.Key] = rec
		}
	}
	return out, nil
}

const methodNames = "ons_names_to_owners"

// names11 asks ons_resolve first, because the second question kills the daemon when the name is not live.
func (c *Client) names11(ctx context.Context, keys []ons.Key) (map[ons.Key]NameRecord, error) {
	type params struct {
		Hash [1]string   `json:"name_hash"`
		Type [1]typeByte `json:"type"`
	}
	type result struct {
		stated
		Records wireRecords `json:"result"`
	}
	out := make(map[ons.Key]NameRecord)
	for _, k := range keys {
		if _, done := out[k]; done {
			continue
		}
		_, err := c.Lookup(ctx, k.Type, k.Hash)
		if errors.Is(err, ons.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p := params{[1]string{k.Hash.Base64()}, [1]typeByte{typeByte(k.Type)}}
		r, err := call[result](ctx, c, request{method: methodNames, params: p, once: true}, nil)
		if err != nil {
			return nil, err
		}
		var rec NameRecord
		if len(r.Records) != 1 {
			err = shapef("%d records came where 1 was due", len(r.Records))
		} else if rec, err = r.Records[0].record(); err == nil && rec.Key != k {
			err = shapef("a record came unasked")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", c.name, methodNames, err)
		}
		out[k] = rec
	}
	return out, nil
}

func (w *wireRecord) record() (NameRecord, error) {
	h, err := ons.ParseHash(w.Hash)
	if err != nil {
		return NameRecord{}, shapef("a record has a malformed name_hash")
	}
	if w.Updated >= maxHeight || w.Expires >= maxHeight {
		return NameRecord{}, shapef("a record's update_height or expiration_height is implausible")
	}
	r := NameRecord{
		Key: ons.Key{Type: w.Type, Hash: h}, Owner: w.Owner, Backup: w.Backup,
		Updated: w.Updated, Expires: w.Expires, Txid: ons.Txid(w.Txid),
	}
	if w.Owner == "" || r.Txid == (ons.Txid{}) {
		return NameRecord{}, shapef("a record has no owner or no txid")
	}
	if r.Sealed, err = ons.ParseSealed(w.Type, w.Value); err != nil {
		return NameRecord{}, shapef("a record's encrypted_value: %w", err)
	}
	return r, nil
}
