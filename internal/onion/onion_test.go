package onion_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/internal/onion"
)

var encryptions = []onion.Encryption{onion.AESGCM, onion.XChaCha20, onion.AESCBC}

// fixed is a key whose secret is one byte again and again.
func fixed(t testing.TB, b byte) *ecdh.PrivateKey {
	t.Helper()
	return private(t, bytes.Repeat([]byte{b}, 32))
}

// chain is a path and the secrets of its nodes; node i is named by i in all bytes of its Ed25519 key.
func chain(t testing.TB, n int) (hops []onion.Hop, secrets []*ecdh.PrivateKey) {
	t.Helper()
	for i := range n {
		k := fixed(t, byte(i+1))
		secrets = append(secrets, k)
		hops = append(hops, onion.Hop{Ed25519: [32]byte(bytes.Repeat([]byte{byte(i)}, 32)), X25519: k.PublicKey()})
	}
	return hops, secrets
}

func TestParseEncryption(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]onion.Encryption{
		"": onion.AESGCM, "aes-gcm": onion.AESGCM, "gcm": onion.AESGCM,
		"xchacha20": onion.XChaCha20, "xchacha20-poly1305": onion.XChaCha20,
		"aes-cbc": onion.AESCBC, "cbc": onion.AESCBC,
	} {
		if got, err := onion.ParseEncryption(s); got != want || err != nil {
			t.Errorf("%q: got %s, %v, want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"AES-GCM", "aes", " gcm", "xchacha", "none"} {
		if _, err := onion.ParseEncryption(s); !errors.Is(err, onion.ErrEncryption) {
			t.Errorf("%q: got %v", s, err)
		}
	}
	for _, e := range encryptions {
		if got, err := onion.ParseEncryption(e.String()); got != e || err != nil {
			t.Errorf("%s: got %s, %v", e, got, err)
		}
	}
	if _, err := onion.ClientKey(9, fixed(t, 1), fixed(t, 2).PublicKey()); !errors.Is(err, onion.ErrEncryption) {
		t.Errorf("got %v", err)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	for _, e := range encryptions {
		k, err := onion.ClientKey(e, fixed(t, 1), fixed(t, 2).PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 15, 16, 17, 1000} {
			plain := bytes.Repeat([]byte{'x'}, size)
			sealed, err := k.Seal(nil, plain)
			if err != nil {
				t.Fatal(err)
			}
			got, err := k.Open(sealed)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s, %d bytes: %q, %v", e, size, got, err)
			}
			if again, err := k.Seal(nil, plain); err != nil || bytes.Equal(again, sealed) {
				t.Errorf("%s: the nonce was used before, %v", e, err)
			}
			for n := range sealed {
				if got, err := k.Open(sealed[:n]); err == nil && (e != onion.AESCBC || bytes.Equal(got, plain)) || err != nil && !errors.Is(err, onion.ErrOpen) {
					t.Errorf("%s, %d of %d bytes: %q, %v", e, n, len(sealed), got, err)
				}
			}
			for i := range sealed {
				bad := bytes.Clone(sealed)
				bad[i] ^= 1
				if got, err := k.Open(bad); err == nil && (e != onion.AESCBC || size > 15 && bytes.Equal(got, plain)) {
					t.Errorf("%s: byte %d of %d does not matter", e, i, len(sealed))
				}
			}
		}
		if s := fmt.Sprintf("%v %+v %#v %s %q", k, onion.Layer{Reply: k}.Reply, k, k, k); strings.Count(s, e.String()) != 5 {
			t.Errorf("shows %s", s)
		}
		if _, err := k.Seal(iotest.ErrReader(io.ErrNoProgress), nil); !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("%s: got %v", e, err)
		}
	}
}

// The points of order 1, 2, 4 and 8 on Curve25519 and its twist, and encodings of them that are not canonical.
var lowOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

func TestLowOrder(t *testing.T) {
	t.Parallel()
	for _, text := range lowOrder {
		point, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		bad := public(t, point)
		good := onion.Hop{X25519: fixed(t, 2).PublicKey()}
		for _, e := range encryptions {
			if _, err := onion.ClientKey(e, fixed(t, 1), bad); err == nil {
				t.Errorf("%s: a key with %s", e, text)
			}
			if _, err := onion.ServerKey(e, fixed(t, 1), bad); err == nil {
				t.Errorf("%s: a key with %s", e, text)
			}
			if _, err := onion.Peel(fixed(t, 1), onion.Part{Ephemeral: [32]byte(point), Encryption: e, Ciphertext: make([]byte, 64)}); !errors.Is(err, onion.ErrCiphertext) {
				t.Errorf("%s, %s: got %v", e, text, err)
			}
			if _, _, err := onion.Wrap(nil, e, nil, onion.Hop{X25519: bad}, nil); err == nil {
				t.Errorf("%s: wrapped for %s", e, text)
			}
			if _, _, err := onion.Wrap(nil, e, []onion.Hop{{X25519: bad}}, good, nil); err == nil {
				t.Errorf("%s: wrapped by way of %s", e, text)
			}
			if _, _, err := onion.WrapServer(nil, e, []onion.Hop{good}, onion.Server{X25519: bad}, nil); err == nil {
				t.Errorf("%s: wrapped for the server %s", e, text)
			}
			if _, _, err := onion.WrapServer(nil, e, []onion.Hop{{X25519: bad}}, onion.Server{X25519: good.X25519}, nil); err == nil {
				t.Errorf("%s: wrapped by way of %s", e, text)
			}
		}
	}
}

func TestWrapRefuses(t *testing.T) {
	t.Parallel()
	hops, _ := chain(t, 3)
	if _, _, err := onion.WrapServer(nil, onion.AESGCM, nil, onion.Server{X25519: hops[0].X25519}, nil); !errors.Is(err, onion.ErrPath) {
		t.Errorf("got %v, want ErrPath", err)
	}
	if _, _, err := onion.Wrap(nil, 9, hops[:2], hops[2], nil); !errors.Is(err, onion.ErrEncryption) {
		t.Errorf("got %v, want ErrEncryption", err)
	}
	// Three layers of a secret and a nonce: any less randomness is an error.
	const need = 3 * (32 + 12)
	for n := range need {
		if _, _, err := onion.Wrap(io.LimitReader(rand.Reader, int64(n)), onion.AESGCM, hops[:2], hops[2], nil); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("of %d bytes: %v", n, err)
		}
	}
	if _, _, err := onion.Wrap(io.LimitReader(rand.Reader, need), onion.AESGCM, hops[:2], hops[2], nil); err != nil {
		t.Error(err)
	}
}

// TestWrapProperty: what is wrapped for a path of nodes, and only for them in their order, comes out at its end, and the
// answer comes back.
func TestWrapProperty(t *testing.T) {
	t.Parallel()
	const longest = 6
	hops, secrets := chain(t, longest)
	rapid.Check(t, func(rt *rapid.T) {
		e := rapid.SampledFrom(encryptions).Draw(rt, "encryption")
		n := rapid.IntRange(0, longest-1).Draw(rt, "relays")
		payload := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, "payload")
		answer := rapid.String().Draw(rt, "answer")
		toServer := n > 0 && rapid.Bool().Draw(rt, "server")
		server := onion.Server{
			X25519:   hops[n].X25519,
			Host:     rapid.String().Draw(rt, "host"),
			Target:   rapid.SampledFrom([]string{"/oxen/v4/lsrpc", "/a&b<c>"}).Draw(rt, "target"),
			Protocol: rapid.SampledFrom([]string{"", "http", "https"}).Draw(rt, "protocol"),
			Port:     rapid.Uint16().Draw(rt, "port"),
		}
		var body []byte
		var reply onion.Key
		var err error
		if toServer {
			body, reply, err = onion.WrapServer(nil, e, hops[:n], server, payload)
		} else {
			body, reply, err = onion.Wrap(nil, e, hops[:n], hops[n], payload)
		}
		if err != nil {
			rt.Fatal(err)
		}
		part, err := onion.ParsePart(body)
		if err != nil {
			rt.Fatal(err)
		}
		for i := 0; ; i++ {
			for j, other := range secrets {
				if _, err := onion.Peel(other, part); j != i && err == nil {
					rt.Fatalf("node %d opens the layer of %d", j, i)
				}
			}
			l, err := onion.Peel(secrets[i], part)
			if err != nil {
				rt.Fatal(err)
			}
			if part.Hop != i {
				rt.Fatalf("hop_no %d at node %d", part.Hop, i)
			}
			switch l.Kind {
			case onion.Relay:
				if l.Destination != hops[i+1].Ed25519 {
					rt.Fatalf("node %d sends to %x", i, l.Destination)
				}
				part = l.Next
				continue
			case onion.Proxy:
				if !toServer || i != n-1 {
					rt.Fatalf("node %d is a proxy", i)
				}
				want := server
				if want.Protocol == "" {
					want.Protocol = "https"
				}
				if want.Port == 0 {
					want.Port = map[string]uint16{"http": 80, "https": 443}[want.Protocol]
				}
				if l.Host != want.Host || l.Target != want.Target || l.Protocol != want.Protocol || l.Port != want.Port || l.Method != "POST" {
					rt.Fatalf("got %s %s://%s:%d%s", l.Method, l.Protocol, l.Host, l.Port, l.Target)
				}
				if part, err = onion.ParsePart(l.Plain); err != nil {
					rt.Fatal(err)
				}
				key, err := onion.ServerKey(part.Encryption, secrets[n], public(t, part.Ephemeral[:]))
				if err != nil {
					rt.Fatal(err)
				}
				if l.Plain, err = key.Open(part.Ciphertext); err != nil {
					rt.Fatal(err)
				}
				l.Blob, l.Reply = l.Plain, key
			case onion.Final:
				if toServer || i != n {
					rt.Fatalf("node %d is the destination", i)
				}
			}
			if !bytes.Equal(l.Blob, payload) || l.Reply != reply {
				rt.Fatalf("got %q", l.Blob)
			}
			checkAnswer(rt, l.Reply, reply, answer)
			return
		}
	})
}

// checkAnswer sends answer back in every form a client takes.
func checkAnswer(t *rapid.T, node, client onion.Key, answer string) {
	for _, r := range []any{
		map[string]any{"status": 201, "body": answer},
		map[string]any{"status_code": 201, "body": answer},
		map[string]any{"status": 201, "body": map[string]string{"a": answer}},
	} {
		plain, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		want := answer
		if m, ok := r.(map[string]any)["body"].(map[string]string); ok {
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			want = string(b)
		}
		sealed, err := node.Seal(nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		text := base64.StdEncoding.EncodeToString(sealed)
		for _, body := range []string{string(sealed), text, strings.TrimRight(text, "="), "\n" + text + "\n"} {
			status, reply, err := onion.OpenReply(client, []byte(body))
			if err != nil || status != 201 || string(reply) != want {
				t.Fatalf("%q: %d %q %v, want %q", plain, status, reply, err, want)
			}
		}
	}
}

func TestOpenReply(t *testing.T) {
	t.Parallel()
	_, k := sealed(t, onion.XChaCha20, nil)
	_, gcm := sealed(t, onion.AESGCM, nil)
	for _, tt := range []struct {
		plain, body string
		status      int
		err         error
	}{
		{plain: `{"status":200,"body":"{\"a\":1}"}`, status: 200, body: `{"a":1}`},
		{plain: `{"status":200,"body":{"a": 1}}`, status: 200, body: `{"a": 1}`},
		{plain: `{"status_code":404,"body":"no"}`, status: 404, body: "no"},
		{plain: `{"status":421,"status_code":404,"body":[]}`, status: 421, body: "[]"},
		{plain: `{"status":200}`, status: 200},
		{plain: `{"status":200,"body":null}`, status: 200},
		{plain: `{"status":200,"body":"\ud800"}`, status: 200, body: "\ufffd"},
		{plain: `{"body":"a"}`, err: onion.ErrReply},
		{plain: `{"status":"200","body":"a"}`, err: onion.ErrReply},
		{plain: `{"status":1e99}`, err: onion.ErrReply},
		{plain: `{"status":200} x`, err: onion.ErrReply},
		{plain: "", err: onion.ErrReply},
		{plain: strings.Repeat("[", 20_000), err: onion.ErrReply},
	} {
		for _, by := range []onion.Key{k, gcm} { // an answer in aes-gcm is accepted
			b, err := by.Seal(nil, []byte(tt.plain))
			if err != nil {
				t.Fatal(err)
			}
			status, body, err := onion.OpenReply(k, b)
			if status != tt.status || string(body) != tt.body || !errors.Is(err, tt.err) {
				t.Errorf("%.40q by %s: got %d %q %v", tt.plain, by, status, body, err)
			}
		}
	}
	b, err := k.Seal(nil, []byte(`{"status":200}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := onion.OpenReply(gcm, b); !errors.Is(err, onion.ErrOpen) {
		t.Errorf("an answer in xchacha20 to a request in aes-gcm: %v", err)
	}
	for _, body := range []string{"", "Next node not found: 00", "====", strings.Repeat("A", 200)} {
		if _, _, err := onion.OpenReply(k, []byte(body)); !errors.Is(err, onion.ErrOpen) {
			t.Errorf("%q: got %v", body, err)
		}
		if _, err := onion.OpenResponse(k, []byte(body)); !errors.Is(err, onion.ErrOpen) {
			t.Errorf("%q: got %v", body, err)
		}
	}
}

func TestV4(t *testing.T) {
	t.Parallel()
	head := func(s string) string { return fmt.Sprintf("l%d:%se", len(s), s) }
	for _, bad := range []string{
		"", "le", "i1e", "li1ee", "de", "l2:{}i1ee", "l2:{}0:0:e", head("{}"), head("null"), head(`{"method":"GET"}`),
		head(`{"method":"","endpoint":"/"}`), head(`{"method":1,"endpoint":"/"}`), head(`{"method":"GET","endpoint":"room"}`),
		head(`{"method":"GET","endpoint":"/","headers":null}`), head(`{"method":"GET","endpoint":"/","headers":{"a":1}}`),
		head(`{"Method":"GET","endpoint":"/"}`),
	} {
		if got, err := onion.ParseRequest([]byte(bad)); !errors.Is(err, onion.ErrRequest) {
			t.Errorf("%q: got %+v, %v", bad, got, err)
		}
	}
	for _, bad := range []string{"", "le", "l2:{}0:e", head(`{"code":"200"}`), head(`{"code":null}`), head(`{"code":200,"headers":[]}`), "l12:{\"code\":200}i1ee"} {
		if got, err := onion.ParseResponse([]byte(bad)); !errors.Is(err, onion.ErrReply) {
			t.Errorf("%q: got %+v, %v", bad, got, err)
		}
	}
	for _, tt := range []struct {
		r    onion.Request
		want string
	}{
		{onion.Request{Method: "GET", Endpoint: "/a?b&c"}, head(`{"endpoint":"/a?b&c","headers":{},"method":"GET"}`)},
		{onion.Request{Method: "POST", Endpoint: "/", Body: []byte{0}}, `l78:{"endpoint":"/","headers":{"Content-Type":"application/json"},"method":"POST"}1:` + "\x00e"},
		{onion.Request{Method: "POST", Endpoint: "/", Headers: map[string]string{"content-type": "a"}, Body: []byte{0}}, `l63:{"endpoint":"/","headers":{"content-type":"a"},"method":"POST"}1:` + "\x00e"},
	} {
		if d := cmp.Diff(tt.want, string(onion.EncodeRequest(tt.r))); d != "" {
			t.Error(d)
		}
	}
	if got, want := string(onion.EncodeResponse(onion.Response{Code: 404})), `l25:{"code":404,"headers":{}}0:e`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	large := onion.Request{Method: "POST", Endpoint: "/file", Headers: map[string]string{"Content-Type": "application/octet-stream"}, Body: make([]byte, 10_000_000)}
	got, err := onion.ParseRequest(onion.EncodeRequest(large))
	if err != nil || len(got.Body) != len(large.Body) {
		t.Errorf("%d bytes, %v", len(got.Body), err)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]fmt.Stringer{
		"final": onion.Final, "proxy": onion.Proxy, "relay": onion.Relay, "Kind(0)": onion.Kind(0), "Encryption(7)": onion.Encryption(7),
	} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
