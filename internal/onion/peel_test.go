package onion_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/onion"
)

func TestParsePart(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("aB", 32)
	for _, tt := range []struct {
		what, control string
		want          onion.Part
		err           string
	}{
		{what: "Plain", control: `{"ephemeral_key":"` + key + `"}`},
		{what: "Spelling", control: `{"ephemeral_key":"` + key + `","enc_type":"gcm"}`},
		{what: "XChaCha20", control: `{"ephemeral_key":"` + key + `","enc_type":"xchacha20"}`, want: onion.Part{Encryption: onion.XChaCha20}},
		{what: "Hop", control: `{"ephemeral_key":"` + key + `","hop_no":15}`, want: onion.Part{Hop: 15}},
		{what: "Others", control: `{"a":[{"ephemeral_key":1}],"ephemeral_key":"` + key + `","EPHEMERAL_KEY":"x"}`},
		{what: "LastCounts", control: `{"ephemeral_key":7,"ephemeral_key":"` + key + `"}`},
		{what: "Empty", control: "", err: "Invalid json after the ciphertext"},
		{what: "NoObject", control: `"` + key + `"`, err: "Invalid json after the ciphertext"},
		{what: "Null", control: "null", err: "Invalid json after the ciphertext"},
		{what: "More", control: `{"ephemeral_key":"` + key + `"}{}`, err: "Invalid json after the ciphertext"},
		{what: "NotUTF8", control: `{"ephemeral_key":"` + key + `","a":"` + "\xff" + `"}`, err: "Invalid json after the ciphertext"},
		{what: "Deep", control: strings.Repeat(`{"a":`, 20_000), err: "Invalid json after the ciphertext"},
		{what: "Huge", control: `{"ephemeral_key":"` + key + `"` + strings.Repeat(" ", 64<<10) + `}`, err: "Invalid json after the ciphertext"},
		{what: "NoKey", control: `{}`, err: "Invalid ephemeral_key: expected 64 hex digits"},
		{what: "OtherCase", control: `{"Ephemeral_Key":"` + key + `"}`, err: "Invalid ephemeral_key: expected 64 hex digits"},
		{what: "KeyShort", control: `{"ephemeral_key":"` + key[2:] + `"}`, err: "Invalid ephemeral_key: expected 64 hex digits"},
		{what: "KeyNoHex", control: `{"ephemeral_key":"` + key[1:] + `x"}`, err: "Invalid ephemeral_key: expected 64 hex digits"},
		{what: "KeyNumber", control: `{"ephemeral_key":5}`, err: "Invalid ephemeral_key: expected 64 hex digits"},
		{what: "Encryption", control: `{"ephemeral_key":"` + key + `","enc_type":"rot13"}`, err: "Invalid encryption type"},
		{what: "EncryptionNull", control: `{"ephemeral_key":"` + key + `","enc_type":null}`, err: "Invalid encryption type"},
		{what: "HopText", control: `{"ephemeral_key":"` + key + `","hop_no":"1"}`, err: "Invalid hop_no"},
		{what: "HopBelow", control: `{"ephemeral_key":"` + key + `","hop_no":-1}`, err: "Invalid hop_no"},
		{what: "HopHuge", control: `{"ephemeral_key":"` + key + `","hop_no":1e99}`, err: "Invalid hop_no"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			got, err := onion.ParsePart(onion.Frame([]byte("blob"), []byte(tt.control)))
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("got %v, want %s", err, tt.err)
				}
				return
			}
			tt.want.Ciphertext = []byte("blob")
			tt.want.Ephemeral = [32]byte(bytes.Repeat([]byte{0xab}, 32))
			if d := cmp.Diff(tt.want, got); err != nil || d != "" {
				t.Errorf("%v %s", err, d)
			}
		})
	}
	for _, b := range []string{"", "\x01\x02", "\x00\x00\x00", "\x01\x00\x00\x00", "\xff\xff\xff\xff{}", "\x05\x00\x00\x00blob"} {
		if _, err := onion.ParsePart([]byte(b)); err == nil || !strings.HasPrefix(err.Error(), "Unexpected payload size") {
			t.Errorf("%q: got %v", b, err)
		}
	}
}

// sealed is plain as a part for the node with secret 2.
func sealed(t testing.TB, e onion.Encryption, plain []byte) (onion.Part, onion.Key) {
	t.Helper()
	client := fixed(t, 1)
	k, err := onion.ClientKey(e, client, fixed(t, 2).PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.Seal(nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	return onion.Part{Ciphertext: b, Ephemeral: [32]byte(client.PublicKey().Bytes()), Encryption: e}, k
}

func TestPeelControls(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("cd", 32)
	ephemeral := [32]byte(bytes.Repeat([]byte{0xcd}, 32))
	for _, tt := range []struct {
		what, control string
		want          onion.Layer // Kind 0: ErrControl
	}{
		{"Final", `{"headers":""}`, onion.Layer{Kind: onion.Final, Base64: true}},
		{"FinalNull", `{"headers":null}`, onion.Layer{Kind: onion.Final, Base64: true}},
		{"FinalWins", `{"host":1,"destination":2,"headers":{"a":[1]}}`, onion.Layer{Kind: onion.Final, Base64: true}},
		{"FinalOptions", `{"headers":{},"json":true,"base64":false}`, onion.Layer{Kind: onion.Final, JSON: true}},
		{"FinalJSONText", `{"headers":{},"json":"true"}`, onion.Layer{}},
		{"FinalBase64Null", `{"headers":{},"base64":null}`, onion.Layer{}},
		{"Proxy", `{"host":"h","target":"/t"}`, onion.Layer{Kind: onion.Proxy, Host: "h", Target: "/t", Method: "POST", Protocol: "https", Port: 443}},
		{"ProxyHTTP", `{"host":"h","target":"/t","protocol":"http","method":"GET","port":8080}`, onion.Layer{Kind: onion.Proxy, Host: "h", Target: "/t", Method: "GET", Protocol: "http", Port: 8080}},
		{"ProxyWins", `{"host":"h","target":"/t","destination":"x"}`, onion.Layer{Kind: onion.Proxy, Host: "h", Target: "/t", Method: "POST", Protocol: "https", Port: 443}},
		{"ProxyNoTarget", `{"host":"h"}`, onion.Layer{}},
		{"ProxyHostNumber", `{"host":1,"target":"/t"}`, onion.Layer{}},
		{"ProxyPortLarge", `{"host":"h","target":"/t","port":65536}`, onion.Layer{}},
		{"ProxyPortText", `{"host":"h","target":"/t","port":"80"}`, onion.Layer{}},
		{"Relay", `{"destination":"` + key + `","ephemeral_key":"` + key + `","enc_type":"cbc"}`, onion.Layer{Kind: onion.Relay, Destination: ephemeral, Next: onion.Part{Ciphertext: []byte("blob"), Ephemeral: ephemeral, Encryption: onion.AESCBC, Hop: 4}}},
		{"RelayHopIsOurs", `{"destination":"` + key + `","ephemeral_key":"` + key + `","hop_no":0}`, onion.Layer{Kind: onion.Relay, Destination: ephemeral, Next: onion.Part{Ciphertext: []byte("blob"), Ephemeral: ephemeral, Hop: 4}}},
		{"RelayNoKey", `{"destination":"` + key + `"}`, onion.Layer{}},
		{"RelayNoDestination", `{"ephemeral_key":"` + key + `"}`, onion.Layer{}},
		{"RelayEncryption", `{"destination":"` + key + `","ephemeral_key":"` + key + `","enc_type":"x"}`, onion.Layer{}},
		{"OtherCase", `{"Headers":""}`, onion.Layer{}},
		{"Nothing", `{}`, onion.Layer{}},
		{"NoJSON", `{nope`, onion.Layer{}},
		{"Array", `[]`, onion.Layer{}},
		{"Null", `null`, onion.Layer{}},
		{"Deep", `{"headers":` + strings.Repeat("[", 20_000), onion.Layer{}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			plain := onion.Frame([]byte("blob"), []byte(tt.control))
			part, reply := sealed(t, onion.XChaCha20, plain)
			part.Hop = 3
			got, err := onion.Peel(fixed(t, 2), part)
			tt.want.Plain, tt.want.Reply = plain, reply
			if tt.want.Kind == 0 {
				if !errors.Is(err, onion.ErrControl) || errors.Is(err, onion.ErrCiphertext) {
					t.Errorf("got %v, want ErrControl", err)
				}
			} else {
				tt.want.Blob, tt.want.Control = []byte("blob"), []byte(tt.control)
				if err != nil {
					t.Error(err)
				}
			}
			if d := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b onion.Key) bool { return a == b })); d != "" {
				t.Error(d)
			}
		})
	}
	for _, plain := range []string{"", "ab", "\xff\xff\xff\x7f{}"} {
		part, reply := sealed(t, onion.AESGCM, []byte(plain))
		if got, err := onion.Peel(fixed(t, 2), part); !errors.Is(err, onion.ErrControl) || got.Reply != reply {
			t.Errorf("%q: got %v", plain, err)
		}
	}
}

func TestPeelRefuses(t *testing.T) {
	t.Parallel()
	part, _ := sealed(t, onion.AESGCM, onion.Frame(nil, []byte(`{"headers":""}`)))
	if _, err := onion.Peel(fixed(t, 3), part); !errors.Is(err, onion.ErrCiphertext) {
		t.Errorf("another node: %v", err)
	}
	part.Hop = onion.MaxHop
	if _, err := onion.Peel(fixed(t, 2), part); err != nil {
		t.Errorf("the last hop: %v", err)
	}
	part.Hop++
	if _, err := onion.Peel(fixed(t, 2), part); !errors.Is(err, onion.ErrHops) {
		t.Errorf("one hop more: %v", err)
	}
	part.Hop = 0
	for _, e := range []onion.Encryption{onion.XChaCha20, onion.AESCBC, 9} {
		part.Encryption = e
		if _, err := onion.Peel(fixed(t, 2), part); !errors.Is(err, onion.ErrCiphertext) {
			t.Errorf("%s: %v", e, err)
		}
	}
	if _, err := onion.Peel(fixed(t, 2), onion.Part{Ephemeral: part.Ephemeral}); !errors.Is(err, onion.ErrCiphertext) {
		t.Errorf("nothing: %v", err)
	}
}
