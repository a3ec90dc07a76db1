package snode_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"onsight/internal/snode"
)

const (
	messaging  = "../onion/testdata/messaging.json"
	libsession = "../../ons/testdata/libsession.json"
)

// read decodes a file of JSON.
func read(t testing.TB, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unbase64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parseID(t testing.TB, s string) snode.ID {
	t.Helper()
	id, err := snode.ParseID(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return id
}

func parseToken(t testing.TB, s string) snode.Token {
	t.Helper()
	token, err := snode.ParseToken(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return token
}

// vectors is what this package uses of messaging.json.
type vectors struct {
	Storage struct {
		Hashes []struct {
			Pubkey    string `json:"pubkey"`
			Namespace int16  `json:"namespace"`
			Data      []byte `json:"data_base64"`
			Hash      string `json:"hash"`
		} `json:"message_hash"`
		Positions []struct {
			Pubkey   string `json:"pubkey"`
			Position string `json:"position_hex"`
		} `json:"swarm_space"`
		Choice struct {
			Swarms []uint64 `json:"swarm_ids"`
			Cases  []struct {
				Position string `json:"position_hex"`
				Swarm    uint64 `json:"swarm_id"`
			} `json:"cases"`
		} `json:"swarm_choice"`
		Requests struct {
			Account   string `json:"account_session_id"`
			Key       string `json:"pubkey_ed25519"`
			Timestamp int64  `json:"timestamp_ms"`
			Expiry    int64  `json:"expiry_ms"`
			Hash1     string `json:"hash1"`
			Hash2     string `json:"hash2"`
			Cases     []struct {
				Name      string `json:"name"`
				Text      string `json:"text"`
				Signature []byte `json:"signature_base64"`
			} `json:"cases"`
		} `json:"request_signatures"`
		Revoke struct {
			Group             string `json:"group_pubkey"`
			Token             string `json:"token_hex"`
			Signed            string `json:"signed_bytes_hex"`
			Signature         []byte `json:"signature_base64"`
			UnrevokeSignature []byte `json:"unrevoke_signature_base64"`
		} `json:"revoke"`
		Reply struct {
			Key             string `json:"node_ed25519"`
			StoreSigns      string `json:"store_signs"`
			StoreSignature  []byte `json:"store_signature_base64"`
			DeleteSigns     string `json:"delete_signs"`
			DeleteSignature []byte `json:"delete_signature_base64"`
		} `json:"node_reply_signature"`
	} `json:"C_storage"`
	Groups struct {
		Subaccount struct {
			Group          string `json:"group_pk"`
			Key            string `json:"kT"`
			Token          string `json:"token_base64"`
			TokenSignature []byte `json:"token_signature_base64"`
			Text           string `json:"request_text"`
			Signature      []byte `json:"request_signature_base64"`
		} `json:"subaccount"`
	} `json:"F_groups"`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	var v vectors
	read(t, messaging, &v)
	return v
}
