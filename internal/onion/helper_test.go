package onion_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"onsight/internal/onion"
)

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

// hexed is bytes in hexadecimal.
type hexed []byte

func (h *hexed) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

func private(t testing.TB, secret []byte) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().NewPrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func public(t testing.TB, key []byte) *ecdh.PublicKey {
	t.Helper()
	k, err := ecdh.X25519().NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// encryption reads a spelling that must be known.
func encryption(t testing.TB, s string) onion.Encryption {
	t.Helper()
	e, err := onion.ParseEncryption(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return e
}

// node is a hop with its secret, or a server.
type node struct {
	Type          string `json:"type"`
	Ed25519       hexed  `json:"ed25519"`
	X25519        hexed  `json:"x25519"`
	Secret        hexed  `json:"x25519_secret"`
	Protocol      string `json:"protocol"`
	Host          string `json:"host"`
	Port          uint16 `json:"port"`
	Target        string `json:"target"`
	Method        string `json:"method"`
	LibsessionEd  hexed  `json:"ed25519_pk"`
	LibsessionX   hexed  `json:"x25519_pk"`
	LibsessionSec hexed  `json:"x25519_sk"`
}

// normal gives the nodes of both vector files the same names.
func (n node) normal() node {
	if n.LibsessionX != nil {
		n.Ed25519, n.X25519, n.Secret = n.LibsessionEd, n.LibsessionX, n.LibsessionSec
	}
	return n
}

func (n node) hop(t testing.TB) onion.Hop {
	t.Helper()
	return onion.Hop{Ed25519: [32]byte(n.Ed25519), X25519: public(t, n.X25519)}
}

func (n node) server(t testing.TB) onion.Server {
	t.Helper()
	return onion.Server{X25519: public(t, n.X25519), Host: n.Host, Target: n.Target, Protocol: n.Protocol, Port: n.Port}
}

func (n node) secret(t testing.TB) *ecdh.PrivateKey { t.Helper(); return private(t, n.Secret) }

// vectors is what this package uses of messaging.json.
type vectors struct {
	Single []struct {
		Client hexed  `json:"client_x25519_secret"`
		Server hexed  `json:"server_x25519_secret"`
		Plain  string `json:"plaintext"`
		GCM    hexed  `json:"aes_gcm"`
		XChaCh hexed  `json:"xchacha20"`
	} `json:"single_layer"`
	Hops     []node    `json:"hops"`
	Dest     node      `json:"destination_snode"`
	Requests []request `json:"snode_requests"`
	Server   struct {
		Server      node   `json:"server"`
		WithoutBody string `json:"request_without_body"`
		WithBody    string `json:"request_with_body"`
		request
		ReplyBody hexed `json:"reply_http_body_hex"`
	} `json:"server_v4"`
}

type request struct {
	EncType string `json:"enc_type"`
	Layers  []struct {
		For       string `json:"for"`
		Ephemeral hexed  `json:"ephemeral_secret"`
		Nonce     hexed  `json:"nonce"`
		Plain     hexed  `json:"plaintext_hex"`
		Sealed    hexed  `json:"ciphertext_hex"`
		Routing   string `json:"routing_json"`
	} `json:"layers"`
	Body       hexed  `json:"post_body_hex"`
	RPC        string `json:"inner_rpc"`
	ReplyPlain string `json:"reply_plaintext"`
	ReplyNonce hexed  `json:"reply_nonce"`
	Reply      string `json:"reply_http_body_base64"`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	var v struct {
		Onion vectors `json:"D_onion"`
	}
	read(t, "testdata/messaging.json", &v)
	if len(v.Onion.Single) == 0 || len(v.Onion.Requests) == 0 {
		t.Fatal("no vectors")
	}
	return v.Onion
}

// library is a request made by libsession.
type library struct {
	EncType    string `json:"enc_type"`
	Hops       []node `json:"hops"`
	Dest       node   `json:"destination"`
	Body       hexed  `json:"request_body_hex"`
	Randomness struct {
		Secrets []hexed `json:"ephemeral_x25519_sk"`
		Nonces  []hexed `json:"nonces"`
	} `json:"randomness"`
	Request hexed `json:"request_hex"`
	Layers  []struct {
		Blob    hexed  `json:"blob_hex"`
		Control string `json:"control_json"`
		Client  hexed  `json:"client_ephemeral_pk"`
	} `json:"layers"`
	Opened struct {
		Plain   hexed  `json:"decrypted_hex"`
		Control string `json:"control_json"`
		Head    string `json:"request_json"`
		Body    hexed  `json:"body_hex"`
	} `json:"destination_decrypted"`
	Response struct {
		Plain  hexed `json:"plaintext_hex"`
		Nonce  hexed `json:"nonce"`
		Sealed hexed `json:"ciphertext_hex"`
	} `json:"response"`
	Fallback struct {
		Sealed hexed `json:"ciphertext_hex"`
	} `json:"response_aes_gcm_fallback"`
}

func readLibsession(t testing.TB) []library {
	t.Helper()
	var v struct {
		Requests []library `json:"onion_requests"`
	}
	read(t, "../../ons/testdata/libsession.json", &v)
	if len(v.Requests) == 0 {
		t.Fatal("no vectors")
	}
	for i := range v.Requests {
		r := &v.Requests[i]
		r.Dest = r.Dest.normal()
		for j := range r.Hops {
			r.Hops[j] = r.Hops[j].normal()
		}
	}
	return v.Requests
}

// rand is the randomness of a vector: secret, nonce, secret, nonce …
func (l library) rand() *bytes.Reader {
	var b []byte
	for i, s := range l.Randomness.Secrets {
		b = append(append(b, s...), l.Randomness.Nonces[i]...)
	}
	return bytes.NewReader(b)
}
