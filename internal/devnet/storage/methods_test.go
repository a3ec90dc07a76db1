package storage

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"onsight/internal/snode"
)

func TestActiveNodes(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 2, 1)
	old := w.add(Member{Swarm: 1 << 63, Legacy: [32]byte{1}}, [3]uint16{2, 8, 0})
	w.add(Member{Swarm: snode.NoSwarm, Legacy: [32]byte{2}}, [3]uint16{2, 11, 0})
	r := swarms[0][0].Call(t.Context(), request(t, "active_nodes_bin", object{}))
	if r.Status != 200 || r.Type != Binary || len(r.Body) != 4*51 {
		t.Fatalf("got %d, type %d, %d bytes", r.Status, r.Type, len(r.Body))
	}
	third := r.Body[2*51:]
	if [32]byte(third) != swarms[1][0].key || binary.BigEndian.Uint64(third[32:]) != 1<<63 ||
		!bytes.Equal(third[40:51], []byte{127, 0, 0, 1, 21023 >> 8, 21023 & 255, 21024 >> 8, 21024 & 255, 2, 11, 255}) {
		t.Errorf("got %x", third[:51])
	}
	if fourth := r.Body[3*51:]; [32]byte(fourth) != old.key || !bytes.Equal(fourth[40:], make([]byte, 11)) {
		t.Errorf("got %x, want no contact and no version", fourth)
	}
	batch := want(t, swarms[0][0], "batch", object{"requests": []any{object{"method": "active_nodes_bin", "params": object{}}}})
	body := batch["results"].([]any)[0].(object)["body"]
	if body != base64.StdEncoding.EncodeToString(r.Body) {
		t.Errorf("got %v, want base64", body)
	}
	refused(t, old, "active_nodes_bin", object{}, 400, "no method active_nodes_bin")
	refused(t, old, "revoked_subaccounts", object{}, 400, "no method revoked_subaccounts")
	// Without contact data a node is in no swarm's list.
	if got := want(t, old, "get_swarm", object{"pubkey": "058" + strings.Repeat("0", 63)}); len(got["snodes"].([]any)) != 1 {
		t.Errorf("got %v, want the one with contact data", got)
	}
}

func TestOxend(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 1)
	s := swarms[0][0]
	const sealed = `{"encrypted_value":"00ff","nonce":"11"}`
	for _, test := range []struct {
		name   string
		result string
		err    error
		lies   bool
		status int
		want   string
	}{
		{"good", sealed, nil, false, 200, `{"hf":[19,6],"result":` + sealed + `,"t":1800000000000}`},
		{"a lie", sealed, nil, true, 200, `{"hf":[19,6],"result":{"encrypted_value":"01ff","nonce":"11"},"t":1800000000000}`},
		{"no lie about what is not there", "{}", nil, true, 200, `{"hf":[19,6],"result":{},"t":1800000000000}`},
		{"no object", "[]", nil, true, 200, `{"hf":[19,6],"result":[],"t":1800000000000}`},
		{"refused", "", fmt.Errorf("ask: %w", &DaemonError{-5, "no"}), false, 400, "RPC error -5: no"},
		{"down", "", errors.New("x"), false, 400, "Unknown oxend error"},
		{"garbage", "{", nil, false, 502, "oxend returned unparsable data"},
	} {
		w.lies.ONS = test.lies
		w.oxend = func(endpoint string, params json.RawMessage) (json.RawMessage, error) {
			if endpoint != "ons_resolve" || string(params) != `{"type":0}` {
				t.Errorf("got %s %s", endpoint, params)
			}
			return json.RawMessage(test.result), test.err
		}
		r := s.Call(t.Context(), request(t, "oxend_request", object{"endpoint": "ons_resolve", "params": object{"type": 0}}))
		if r.Status != test.status || string(r.Body) != test.want {
			t.Errorf("%s: got %d %s, want %d %s", test.name, r.Status, r.Body, test.status, test.want)
		}
	}
	refused(t, s, "oxend_request", object{"endpoint": "ons_resolve", "params": "x"}, 400,
		"invalid request: Invalid value given for 'params': expected object")
}

func TestLies(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 2, 3)
	s := swarms[0][0]
	u := newUser(t, s, snode.Session, 0)
	w.lies = Lies{Swarm: true, Signature: true}
	got := want(t, s, "get_swarm", object{"pubkey": u.id.String()})
	if len(got["snodes"].([]any)) != 3 || got["swarm"] != "0" {
		t.Errorf("got %v, want the other swarm's nodes", got)
	}
	reply := want(t, s, "store", u.store(0, "x", w.clock, day24))
	hash := reply["hash"].(string)
	sig, err := base64.StdEncoding.DecodeString(entryOf(reply, s)["signature"].(string))
	if err != nil || ed25519.Verify(s.key[:], snode.StoredText(hash), sig) {
		t.Error("the liar's signature verifies")
	}
	verifies(t, swarms[0][1], entryOf(reply, swarms[0][1]), snode.StoredText(hash))
}

func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	_, swarms := newWorld(t, 1)
	s := swarms[0][0]
	for _, text := range []string{fmt.Sprintf("%v %+v", s.config, s.config), fmt.Sprintf("%v %+v", s, s)} {
		for _, secret := range []string{fmt.Sprint(s.config.Key[:8]), hex.EncodeToString(s.config.Key[:8])} {
			if strings.Contains(text, strings.Trim(secret, "[]")) {
				t.Errorf("%s shows %s", text, secret)
			}
		}
	}
}
