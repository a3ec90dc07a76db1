package storage

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"testing"
)

// vectors are those of messaging.json that a storage server answers to (see ../../onion/testdata/README.md).
type vectors struct {
	Storage struct {
		Hashes []struct {
			Pubkey    string
			Namespace int16
			Data      string `json:"data_base64"`
			Hash      string
		} `json:"message_hash"`
		Requests struct {
			Account   string `json:"account_session_id"`
			Ed25519   string `json:"pubkey_ed25519"`
			Timestamp int64  `json:"timestamp_ms"`
			Expiry    int64  `json:"expiry_ms"`
			Hash1     string
			Hash2     string
			Cases     []struct {
				Name      string
				Signature string `json:"signature_base64"`
			}
		} `json:"request_signatures"`
		Revoke struct {
			Group       string `json:"group_pubkey"`
			Token       string `json:"token_hex"`
			Signature   string `json:"signature_base64"`
			Unsignature string `json:"unrevoke_signature_base64"`
		}
		Node struct {
			Seed    string `json:"node_seed"`
			Stored  string `json:"store_signature_base64"`
			Deleted string `json:"delete_signature_base64"`
		} `json:"node_reply_signature"`
	} `json:"C_storage"`
	Groups struct {
		Subaccount struct {
			Group     string `json:"group_pk"`
			Token     string `json:"token_base64"`
			TokenSig  string `json:"token_signature_base64"`
			Signature string `json:"request_signature_base64"`
		}
	} `json:"F_groups"`
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	b, err := os.ReadFile("../../onion/testdata/messaging.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The server must take every signed request of the vectors, and none of them with one bit of its signature changed.
func TestVectorRequests(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	r := v.Storage.Requests
	at, hashes := r.Timestamp, []string{r.Hash1, r.Hash2}
	calls := map[string]struct {
		method string
		params object
	}{
		"store_ns2":                {"store", object{"namespace": 2, "data": "aGVsbG8=", "timestamp": at, "ttl": 60_000}},
		"store_ns0_only_if_signed": {"store", object{"data": "aGVsbG8=", "timestamp": at, "ttl": 60_000}},
		"retrieve_ns0":             {"retrieve", object{"timestamp": at}},
		"retrieve_ns5":             {"retrieve", object{"namespace": 5, "timestamp": at}},
		"retrieve_ns_minus11":      {"retrieve", object{"namespace": -11, "timestamp": at}},
		"delete":                   {"delete", object{"messages": hashes}},
		"delete_all_default_ns":    {"delete_all", object{"timestamp": at}},
		"delete_all_ns3":           {"delete_all", object{"namespace": 3, "timestamp": at}},
		"delete_all_everything":    {"delete_all", object{"namespace": "all", "timestamp": at}},
		"delete_before_all":        {"delete_before", object{"namespace": "all", "before": at}},
		"expire_all_all":           {"expire_all", object{"namespace": "all", "expiry": r.Expiry}},
		"expire_plain":             {"expire", object{"messages": hashes, "expiry": r.Expiry}},
		"expire_extend":            {"expire", object{"messages": r.Hash1, "expiry": []int64{r.Expiry}, "extend": true}},
		"expire_shorten":           {"expire", object{"messages": hashes[:1], "expiry": r.Expiry, "shorten": true}},
		"expire_multi":             {"expire", object{"messages": hashes, "expiry": []int64{r.Expiry, r.Expiry + 1000}}},
		"get_expiries":             {"get_expiries", object{"messages": hashes, "timestamp": at}},
	}
	w, swarms := newWorld(t, 2)
	w.clock = at
	for _, c := range r.Cases {
		call, ok := calls[c.Name]
		if !ok {
			if c.Name != "monitor" { // of OMQ, which devnet has not
				t.Errorf("%s: no request", c.Name)
			}
			continue
		}
		call.params = maps.Clone(call.params)
		maps.Copy(call.params, object{"pubkey": r.Account, "pubkey_ed25519": r.Ed25519, "signature": c.Signature})
		want(t, swarms[0][0], call.method, call.params)
		if c.Name == "store_ns0_only_if_signed" {
			continue // there a signature is not looked at
		}
		call.params["signature"] = spoiled(t, c.Signature)
		reply := swarms[0][0].Call(t.Context(), request(t, call.method, call.params))
		if reply.Status != 401 {
			t.Errorf("%s: got %d %s for a wrong signature, want 401", c.Name, reply.Status, reply.Body)
		}
	}
}

// spoiled is a signature with one bit changed.
func spoiled(t *testing.T, s string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	b[1] ^= 4
	return base64.StdEncoding.EncodeToString(b)
}

func TestVectorHashes(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t).Storage.Hashes {
		w, swarms := newWorld(t, 1)
		p := object{"pubkey": v.Pubkey, "namespace": v.Namespace, "data": v.Data, "timestamp": w.clock, "ttl": 60_000}
		if v.Namespace%10 != 0 {
			continue // needs a key nobody has told us
		}
		if got := want(t, swarms[0][0], "store", p)["hash"]; got != v.Hash {
			t.Errorf("got %v, want %s", got, v.Hash)
		}
	}
}

func TestVectorNodeSignatures(t *testing.T) {
	t.Parallel()
	v := readVectors(t).Storage
	w, _ := newWorld(t)
	w.clock = v.Requests.Timestamp
	seed, err := hex.DecodeString(v.Node.Seed)
	if err != nil {
		t.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := [32]byte(private.Public().(ed25519.PublicKey))
	w.members = []Member{{Ed25519: public}}
	s := New(Config{Key: private, Network: uplink{w}, Now: w.now})
	signature := func(reply object) any {
		return reply["swarm"].(object)[hex.EncodeToString(public[:])].(object)["signature"]
	}
	stored := want(t, s, "store", object{"pubkey": v.Requests.Account, "data": "aGVsbG8=", "timestamp": w.clock, "ttl": 60_000})
	if got := signature(stored); got != v.Node.Stored {
		t.Errorf("store: got %v, want %s", got, v.Node.Stored)
	}
	p := object{"pubkey": v.Requests.Account, "pubkey_ed25519": v.Requests.Ed25519, "messages": []string{v.Requests.Hash1, v.Requests.Hash2}}
	for _, c := range v.Requests.Cases {
		if c.Name == "delete" {
			p["signature"] = c.Signature
		}
	}
	if got := signature(want(t, s, "delete", p)); got != v.Node.Deleted {
		t.Errorf("delete: got %v, want %s", got, v.Node.Deleted)
	}
}

func TestVectorSubaccounts(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	w, swarms := newWorld(t, 3)
	s := swarms[0][0]
	sub := v.Groups.Subaccount
	w.clock = 1693340111000
	read := object{
		"pubkey": "03" + sub.Group, "namespace": 999, "timestamp": w.clock,
		"subaccount": sub.Token, "subaccount_sig": sub.TokenSig, "signature": sub.Signature,
	}
	want(t, s, "retrieve", read)

	r := v.Storage.Revoke
	w.clock = 1700000000000
	want(t, s, "revoke_subaccount", object{"pubkey": r.Group, "revoke": r.Token, "timestamp": w.clock, "signature": r.Signature})
	w.clock = 1693340111000
	refused(t, s, "retrieve", read, 401, "retrieve signature verification failed")
	refused(t, swarms[0][2], "retrieve", read, 401, "retrieve signature verification failed")
	w.clock = 1700000000000
	back := want(t, s, "unrevoke_subaccount", object{"pubkey": r.Group, "unrevoke": []string{r.Token}, "timestamp": w.clock, "signature": r.Unsignature})
	for node, e := range back["swarm"].(object) {
		if e.(object)["count"] != 1.0 {
			t.Errorf("%s: got %v, want count 1", node, e)
		}
	}
	w.clock = 1693340111000
	want(t, s, "retrieve", read)
}
