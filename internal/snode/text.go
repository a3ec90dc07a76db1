package snode

import (
	"maps"
	"slices"
	"strconv"
)

// text builds what is signed: words, decimal numbers and hashes one after the other, nothing between.
type text []byte

func (t text) int(n int64) text { return strconv.AppendInt(t, n, 10) }

func (t text) ints(n []int64) text {
	for _, n := range n {
		t = t.int(n)
	}
	return t
}

func (t text) namespace(ns int16) text { return appendNamespace(t, ns) }

// namespaces writes nil as all namespaces.
func (t text) namespaces(ns *int16) text {
	if ns == nil {
		return append(t, "all"...)
	}
	return t.namespace(*ns)
}

func (t text) strings(s []string) text {
	for _, s := range s {
		t = append(t, s...)
	}
	return t
}

func (t text) sorted(s []string) text { return t.strings(slices.Sorted(slices.Values(s))) }

func (t text) tokens(tokens []Token) text {
	for i := range tokens {
		t = append(t, tokens[i][:]...)
	}
	return t
}

// What clients sign (messaging.md C.5, C.6). Times are milliseconds.

// StoreText is what the signature of store covers. sigTimestamp is the request's sig_timestamp or else its timestamp.
func StoreText(namespace int16, sigTimestamp int64) []byte {
	return text("store").namespace(namespace).int(sigTimestamp)
}

// RetrieveText is what the signature of retrieve covers.
func RetrieveText(namespace int16, timestamp int64) []byte {
	return text("retrieve").namespace(namespace).int(timestamp)
}

// DeleteText is what the signature of delete covers: the hashes in the order of the request.
func DeleteText(hashes []string) []byte { return text("delete").strings(hashes) }

// DeleteAllText is what the signature of delete_all covers; a nil namespace means all.
func DeleteAllText(namespace *int16, timestamp int64) []byte {
	return text("delete_all").namespaces(namespace).int(timestamp)
}

// DeleteBeforeText is what the signature of delete_before covers; a nil namespace means all.
func DeleteBeforeText(namespace *int16, before int64) []byte {
	return text("delete_before").namespaces(namespace).int(before)
}

// ExpireText is what the signature of expire covers: mode is "shorten", "extend" or "", then all expiries, then all
// hashes, both in the order of the request.
func ExpireText(mode string, expiries []int64, hashes []string) []byte {
	return append(text("expire"), mode...).ints(expiries).strings(hashes)
}

// ExpireAllText is what the signature of expire_all covers; a nil namespace means all.
func ExpireAllText(namespace *int16, expiry int64) []byte {
	return text("expire_all").namespaces(namespace).int(expiry)
}

// GetExpiriesText is what the signature of get_expiries covers: the hashes in the order of the request.
func GetExpiriesText(timestamp int64, hashes []string) []byte {
	return text("get_expiries").int(timestamp).strings(hashes)
}

// RevokeText is what the signature of revoke_subaccount covers.
func RevokeText(timestamp int64, tokens []Token) []byte {
	return text("revoke_subaccount").int(timestamp).tokens(tokens)
}

// UnrevokeText is what the signature of unrevoke_subaccount covers.
func UnrevokeText(timestamp int64, tokens []Token) []byte {
	return text("unrevoke_subaccount").int(timestamp).tokens(tokens)
}

// RevokedText is what the signature of revoked_subaccounts covers.
func RevokedText(timestamp int64) []byte { return text("revoked_subaccounts").int(timestamp) }

// What nodes sign in the replies of recursive methods, each in its own entry (messaging.md C.6).

// StoredText is what a node signs when it has stored a message.
func StoredText(hash string) []byte { return []byte(hash) }

// DeletedText is what a node signs after delete: the hashes asked for in the order of the request, then the deleted
// ones sorted (they need not come sorted).
func DeletedText(id ID, requested, deleted []string) []byte {
	return text(id.String()).strings(requested).sorted(deleted)
}

// DeletedAllText is what a node signs after delete_all at timestamp, after delete_before with its before, and after
// expire_all with its expiry: the time, then the hashes of all namespaces sorted together (they need not come sorted).
func DeletedAllText(id ID, time int64, hashes []string) []byte {
	return text(id.String()).int(time).sorted(hashes)
}

// ExpiredText is what a node signs after expire: the expiries it replies with, the hashes asked for in the order of the
// request, the updated ones sorted (they need not come sorted), and the unchanged ones with their expiries, sorted by
// hash.
func ExpiredText(id ID, expiries []int64, requested, updated []string, unchanged map[string]int64) []byte {
	t := text(id.String()).ints(expiries).strings(requested).sorted(updated)
	for _, hash := range slices.Sorted(maps.Keys(unchanged)) {
		t = append(t, hash...).int(unchanged[hash])
	}
	return t
}

// TokensText is what a node signs after revoke_subaccount and unrevoke_subaccount.
func TokensText(id ID, timestamp int64, tokens []Token) []byte {
	return text(id.String()).int(timestamp).tokens(tokens)
}
