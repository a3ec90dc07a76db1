package api

import (
	"encoding/hex"
	"strconv"
	"time"

	"onsight/indexer"
	"onsight/ons"
)

// The append encoders write what encoding/json would make of the views, without reflection or garbage. Nothing they
// write needs escaping: it is digits, base58 and words of ours. A test compares both.

// appendName writes the fields of nameView, without braces.
func appendName(b []byte, r *ons.Record, m moment) []byte {
	b = append(b, `"type":"`...)
	b = append(b, r.Type.String()...)
	b = append(b, `","name_hash":"`...)
	b = hex.AppendEncode(b, r.Hash[:])
	b = append(b, `","status":"`...)
	b = append(b, r.Status(m.blocks, m.rules)...)
	b = append(b, `","legacy":`...)
	b = strconv.AppendBool(b, r.Sealed.Legacy())
	b = append(b, `,"encrypted_value":"`...)
	b = hex.AppendEncode(b, r.Sealed.Ciphertext)
	b = append(b, `","nonce":`...)
	b = appendNonce(b, r.Sealed)
	b = append(b, `,"owner":"`...)
	b = append(b, r.Owner.Text(m.rules.Network)...)
	b = append(b, `","backup_owner":`...)
	b = appendText(b, r.Backup.Text(m.rules.Network))
	b = append(b, `,"register_height":`...)
	b = strconv.AppendUint(b, r.Registered, 10)
	b = append(b, `,"registered_at":`...)
	from := len(b)
	b = m.appendDate(b, r.Registered)
	to := len(b)
	b = append(b, `,"kind":"`...)
	b = append(b, r.Kind.String()...)
	b = append(b, `","update_height":`...)
	b = strconv.AppendUint(b, r.Updated, 10)
	b = append(b, `,"updated_at":`...)
	if r.Updated == r.Registered { // most names never change
		b = append(b, b[from:to]...)
	} else {
		b = m.appendDate(b, r.Updated)
	}
	b = append(b, `,"expiration_height":`...)
	if r.Expires == 0 {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendUint(b, r.Expires, 10)
	}
	b = append(b, `,"expires_at":`...)
	if at, ok := m.expiry(r); ok {
		b = appendTime(b, at)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"txid":"`...)
	b = hex.AppendEncode(b, r.Txid[:])
	b = append(b, `","confirmations":`...)
	b = strconv.AppendUint(b, m.confirmations(r.Updated), 10)
	b = append(b, `,"final":`...)
	return strconv.AppendBool(b, m.isFinal(r.Updated))
}

// appendRanged writes a rangedView.
func appendRanged(b []byte, r *ons.Record, m moment) []byte {
	n := m.rules.Network
	b = append(b, `{"type":"`...)
	b = append(b, r.Type.String()...)
	b = append(b, `","name_hash":"`...)
	b = hex.AppendEncode(b, r.Hash[:])
	b = append(b, `","encrypted_value":"`...)
	b = hex.AppendEncode(b, r.Sealed.Ciphertext)
	b = append(b, `","nonce":`...)
	b = appendNonce(b, r.Sealed)
	b = append(b, `,"owner":"`...)
	b = append(b, r.Owner.Text(n)...)
	b = append(b, `","backup_owner":`...)
	b = appendText(b, r.Backup.Text(n))
	b = append(b, `,"register_height":`...)
	b = strconv.AppendUint(b, r.Registered, 10)
	b = append(b, `,"registered_at":`...)
	b = m.appendDate(b, r.Registered)
	b = append(b, `,"update_height":`...)
	b = strconv.AppendUint(b, r.Updated, 10)
	b = append(b, `,"updated_at":`...)
	b = m.appendDate(b, r.Updated)
	b = append(b, `,"expiration_height":`...)
	if r.Expires == 0 {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendUint(b, r.Expires, 10)
	}
	b = append(b, `,"txid":"`...)
	b = hex.AppendEncode(b, r.Txid[:])
	return append(b, '"', '}')
}

// appendCompact writes an answerView with value and nonce.
func appendCompact(b []byte, r *ons.Record, m moment) []byte {
	b = appendAnswer(b, r.Key(), string(r.Status(m.blocks, m.rules)))
	b = append(b, `,"value":"`...)
	b = hex.AppendEncode(b, r.Sealed.Ciphertext)
	b = append(b, `","nonce":`...)
	b = appendNonce(b, r.Sealed)
	return append(b, '}')
}

// appendFull writes an answerView with a record.
func appendFull(b []byte, r *ons.Record, m moment) []byte {
	b = appendAnswer(b, r.Key(), string(r.Status(m.blocks, m.rules)))
	b = append(b, `,"record":{`...)
	b = appendName(b, r, m)
	return append(b, '}', '}')
}

// appendAbsent writes an answerView of a name without a record.
func appendAbsent(b []byte, k ons.Key, status string, full bool) []byte {
	b = appendAnswer(b, k, status)
	if full {
		return append(b, `,"record":null}`...)
	}
	return append(b, `,"value":null,"nonce":null}`...)
}

func appendAnswer(b []byte, k ons.Key, status string) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, k.Type.String()...)
	b = append(b, `","hash":"`...)
	b = hex.AppendEncode(b, k.Hash[:])
	b = append(b, `","status":"`...)
	b = append(b, status...)
	return append(b, '"')
}

// appendAsOf writes an asOfView; null while there is no block.
func appendAsOf(b []byte, s indexer.State) []byte {
	if s.Tip == nil {
		return append(b, "null"...)
	}
	b = append(b, `{"height":`...)
	b = strconv.AppendUint(b, s.Tip.Height, 10)
	b = append(b, `,"hash":"`...)
	b = hex.AppendEncode(b, s.Tip.Hash[:])
	b = append(b, `","time":`...)
	b = appendTime(b, s.TipTime)
	return append(b, '}')
}

func appendNonce(b []byte, s ons.Sealed) []byte {
	if s.Legacy() {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = hex.AppendEncode(b, s.Nonce)
	return append(b, '"')
}

// appendText writes a text that needs no escaping; null if it is empty.
func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendDate writes when a block was made; null if that is not known.
func (m moment) appendDate(b []byte, height uint64) []byte {
	at, ok := m.date(height)
	if !ok {
		return append(b, "null"...)
	}
	return appendTime(b, at)
}

func appendTime(b []byte, unix int64) []byte {
	b = append(b, '"')
	b = time.Unix(unix, 0).UTC().AppendFormat(b, time.RFC3339)
	return append(b, '"')
}
