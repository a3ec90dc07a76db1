package onion_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/onion"
)

func TestSingleLayerVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t).Single {
		client, server := private(t, v.Client), private(t, v.Server)
		for e, sealed := range map[onion.Encryption]hexed{onion.AESGCM: v.GCM, onion.XChaCha20: v.XChaCh} {
			ours, err := onion.ClientKey(e, client, server.PublicKey())
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := onion.ServerKey(e, server, client.PublicKey())
			if err != nil || theirs != ours {
				t.Fatalf("%s: the keys differ, %v", e, err)
			}
			plain, err := theirs.Open(sealed)
			if err != nil || string(plain) != v.Plain {
				t.Errorf("%s: opens as %q, %v", e, plain, err)
			}
			nonce := sealed[:len(sealed)-len(v.Plain)-16]
			again, err := ours.Seal(bytes.NewReader(nonce), []byte(v.Plain))
			if d := cmp.Diff([]byte(sealed), again); err != nil || d != "" {
				t.Errorf("%s: %v %s", e, err, d)
			}
		}
	}
}

// peel opens what a guard gets, hop by hop, and checks the controls of the relays.
func peel(t *testing.T, body []byte, hops []node) onion.Layer {
	t.Helper()
	part, err := onion.ParsePart(body)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range hops {
		l, err := onion.Peel(n.secret(t), part)
		if err != nil {
			t.Fatalf("hop %d: %v", i, err)
		}
		if i == len(hops)-1 {
			return l
		}
		if l.Kind != onion.Relay || l.Destination != [32]byte(hops[i+1].Ed25519) || l.Next.Hop != i+1 {
			t.Fatalf("hop %d: %s to %x, hop_no %d", i, l.Kind, l.Destination, l.Next.Hop)
		}
		part = l.Next
	}
	t.Fatal("no hops")
	return onion.Layer{}
}

// TestDesktopVectors: complete requests in the form of Session Desktop, which differs from libsession's in its controls.
func TestDesktopVectors(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	for _, r := range v.Requests {
		t.Run(r.EncType, func(t *testing.T) {
			e := encryption(t, r.EncType)
			path := append(append([]node{}, v.Hops...), v.Dest)
			l := peel(t, r.Body, path)
			if l.Kind != onion.Final || string(l.Blob) != r.RPC || l.JSON || !l.Base64 {
				t.Errorf("got %s %q", l.Kind, l.Blob)
			}
			if d := cmp.Diff([]byte(r.Layers[0].Plain), l.Plain); d != "" {
				t.Error(d)
			}
			client, err := onion.ClientKey(e, private(t, r.Layers[0].Ephemeral), public(t, v.Dest.X25519))
			if err != nil {
				t.Fatal(err)
			}
			if client != l.Reply {
				t.Error("the reply's keys differ")
			}
			sealed, err := l.Reply.Seal(bytes.NewReader(r.ReplyNonce), []byte(r.ReplyPlain))
			if err != nil || base64.StdEncoding.EncodeToString(sealed) != r.Reply {
				t.Errorf("reply %x, %v", sealed, err)
			}
			checkReply(t, client, []byte(r.Reply), []byte(r.ReplyPlain))

			// Built again by hand, layer by layer, it is the same.
			var blob []byte
			for i, layer := range r.Layers {
				to := path[len(path)-1-i]
				k, err := onion.ClientKey(e, private(t, layer.Ephemeral), public(t, to.X25519))
				if err != nil {
					t.Fatal(err)
				}
				plain := []byte(layer.Plain)
				if i > 0 {
					plain = onion.Frame(blob, []byte(layer.Routing))
				}
				if blob, err = k.Seal(bytes.NewReader(layer.Nonce), plain); err != nil {
					t.Fatal(err)
				}
			}
			got, _, err := onion.Split(r.Body)
			if d := cmp.Diff(blob, got); err != nil || d != "" {
				t.Errorf("%v %s", err, d)
			}
		})
	}
}

// checkReply opens a reply and compares it with its plaintext.
func checkReply(t *testing.T, k onion.Key, body, plain []byte) {
	t.Helper()
	var want struct {
		Status int             `json:"status"`
		Body   json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(plain, &want); err != nil {
		t.Fatal(err)
	}
	wantBody := []byte(want.Body)
	var s string
	if json.Unmarshal(want.Body, &s) == nil {
		wantBody = []byte(s)
	}
	status, reply, err := onion.OpenReply(k, body)
	if err != nil || status != want.Status {
		t.Errorf("status %d, %v, want %d", status, err, want.Status)
	}
	if d := cmp.Diff(compact(wantBody), compact(reply)); d != "" {
		t.Error(d)
	}
}

// compact takes the blanks out of JSON: the recordings were written anew.
func compact(b []byte) string {
	var v any
	if json.Unmarshal(b, &v) != nil {
		return string(b)
	}
	again, err := json.Marshal(v)
	if err != nil {
		return string(b)
	}
	return string(again)
}

func TestDesktopServerVector(t *testing.T) {
	t.Parallel()
	all := readVectors(t)
	v := all.Server
	l := peel(t, v.Body, all.Hops)
	if l.Kind != onion.Proxy || l.Host != "filev2.getsession.org" || l.Target != "/oxen/v4/lsrpc" || l.Method != "POST" || l.Protocol != "http" || l.Port != 80 {
		t.Errorf("got %s %s %s://%s:%d%s", l.Kind, l.Method, l.Protocol, l.Host, l.Port, l.Target)
	}
	// The server gets what the last hop opened, and reads it as a node reads its HTTP body.
	part, err := onion.ParsePart(l.Plain)
	if err != nil {
		t.Fatal(err)
	}
	k, err := onion.ServerKey(part.Encryption, v.Server.secret(t), public(t, part.Ephemeral[:]))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := k.Open(part.Ciphertext)
	if err != nil || string(payload) != v.WithBody {
		t.Fatalf("payload %q, %v", payload, err)
	}
	got, err := onion.ParseRequest(payload)
	want := onion.Request{Method: "POST", Endpoint: "/file", Headers: map[string]string{"X-FS-TTL": "60"}, Body: []byte("hello")}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	got, err = onion.ParseRequest([]byte(v.WithoutBody))
	want = onion.Request{Method: "GET", Endpoint: "/capabilities", Headers: map[string]string{}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}

	answer := onion.Response{Code: 200, Headers: map[string]string{"content-type": "application/json"}, Body: []byte(`{"id":"1234","expires":1701209600.5}`)}
	if d := cmp.Diff(v.ReplyPlain, string(onion.EncodeResponse(answer))); d != "" {
		t.Error(d)
	}
	sealed, err := k.Seal(bytes.NewReader(v.ReplyNonce), []byte(v.ReplyPlain))
	if d := cmp.Diff([]byte(v.ReplyBody), sealed); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	client, err := onion.ClientKey(onion.AESGCM, private(t, v.Layers[0].Ephemeral), public(t, v.Server.X25519))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := onion.OpenResponse(client, v.ReplyBody)
	if d := cmp.Diff(answer, opened); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
}

// TestLibsessionVectors: requests of libsession 1.2.0, made again byte for byte and opened.
func TestLibsessionVectors(t *testing.T) {
	t.Parallel()
	for i, r := range readLibsession(t) {
		e := encryption(t, r.EncType)
		path := make([]onion.Hop, len(r.Hops))
		for j, n := range r.Hops {
			path[j] = n.hop(t)
		}
		hops := r.Hops
		var body []byte
		var reply onion.Key
		var err error
		if r.Dest.Type == "server" {
			body, reply, err = onion.WrapServer(r.rand(), e, path, r.Dest.server(t), r.Opened.Plain)
		} else {
			body, reply, err = onion.Wrap(r.rand(), e, path, r.Dest.hop(t), r.Body)
			hops = append(append([]node{}, r.Hops...), r.Dest)
		}
		if d := cmp.Diff(hex.EncodeToString(r.Request), hex.EncodeToString(body)); err != nil || d != "" {
			t.Errorf("%d: %v %s", i, err, d)
			continue
		}
		part, err := onion.ParsePart(r.Request)
		if err != nil {
			t.Fatal(err)
		}
		for j, want := range r.Layers {
			l, err := onion.Peel(r.Hops[j].secret(t), part)
			if err != nil {
				t.Fatalf("%d, hop %d: %v", i, j, err)
			}
			if !bytes.Equal(want.Client, part.Ephemeral[:]) || !bytes.Equal(want.Blob, l.Blob) || want.Control != string(l.Control) {
				t.Errorf("%d, hop %d: %x %s", i, j, l.Blob, l.Control)
			}
			part = l.Next
		}
		l := peel(t, r.Request, hops)
		answer := l.Reply
		if r.Dest.Type == "server" {
			answer = checkServer(t, r, l)
		} else if l.Kind != onion.Final || !bytes.Equal(l.Blob, r.Body) || string(l.Control) != r.Opened.Control || !bytes.Equal(l.Plain, r.Opened.Plain) {
			t.Errorf("%d: %s %q %s", i, l.Kind, l.Blob, l.Control)
		}
		if answer != reply {
			t.Errorf("%d: the reply's keys differ", i)
		}
		sealed, err := answer.Seal(bytes.NewReader(r.Response.Nonce), r.Response.Plain)
		if d := cmp.Diff([]byte(r.Response.Sealed), sealed); err != nil || d != "" {
			t.Errorf("%d: %v %s", i, err, d)
		}
		for _, sealed := range []hexed{r.Response.Sealed, r.Fallback.Sealed} {
			if r.Dest.Type != "server" {
				checkReply(t, reply, sealed, r.Response.Plain)
				checkReply(t, reply, []byte(" "+base64.StdEncoding.EncodeToString(sealed)+"\r\n"), r.Response.Plain)
				continue
			}
			want, err := onion.ParseResponse(r.Response.Plain)
			if err != nil {
				t.Fatal(err)
			}
			got, err := onion.OpenResponse(reply, sealed)
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Errorf("%d: %v %s", i, err, d)
			}
			if !bytes.Equal(onion.EncodeResponse(got), r.Response.Plain) {
				t.Errorf("%d: written %q", i, onion.EncodeResponse(got))
			}
		}
	}
}

// checkServer opens and makes again the payload of a server; it returns the key of its answer.
func checkServer(t *testing.T, r library, l onion.Layer) onion.Key {
	t.Helper()
	if l.Kind != onion.Proxy || l.Host != r.Dest.Host || l.Target != r.Dest.Target || l.Protocol != r.Dest.Protocol {
		t.Errorf("got %s %s://%s:%d%s", l.Kind, l.Protocol, l.Host, l.Port, l.Target)
	}
	part, err := onion.ParsePart(l.Plain)
	if err != nil {
		t.Fatal(err)
	}
	k, err := onion.ServerKey(part.Encryption, r.Dest.secret(t), public(t, part.Ephemeral[:]))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := k.Open(part.Ciphertext)
	if d := cmp.Diff([]byte(r.Opened.Plain), plain); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	got, err := onion.ParseRequest(plain)
	if err != nil || got.Method != r.Dest.Method || !bytes.Equal(got.Body, r.Opened.Body) || compact([]byte(r.Opened.Head)) != r.Opened.Head {
		t.Errorf("got %+v, %v", got, err)
	}
	if again := onion.EncodeRequest(got); !bytes.Equal(again, plain) {
		t.Errorf("written %q, want %q", again, plain)
	}
	if typ := got.Headers["Content-Type"]; typ == "application/json" { // libsession has added it
		delete(got.Headers, "Content-Type")
		if again := onion.EncodeRequest(got); len(got.Body) > 0 && !bytes.Equal(again, plain) {
			t.Errorf("written %q, want %q", again, plain)
		}
	}
	return k
}

// recording is a call of shared/recordings/rpc/storage/onion_*.
type recording struct {
	Request struct {
		Hops    []hexed         `json:"hops_ed25519"`
		EncType string          `json:"enc_type"`
		Control json.RawMessage `json:"final_hop_json"`
		Body    string          `json:"final_hop_body"`
		Wire    []byte          `json:"wire_payload_base64"`
		Secrets []hexed         `json:"ephemeral_secret_keys_x25519_hex"`
		Keys    []hexed         `json:"hop_x25519_pubkeys"`
		Raw     string          `json:"raw"`
	} `json:"request"`
	Response  string          `json:"response"`
	Decrypted json.RawMessage `json:"response_decrypted"`
	Status    int             `json:"http_status"`
}

// TestRecordings opens what was sent to real nodes with the client's own secrets, which make the same keys, and the
// replies of those nodes.
func TestRecordings(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/storage/onion_*.json")
	if err != nil || len(paths) != 18 {
		t.Fatalf("%d recordings, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			var r recording
			read(t, path, &r)
			if r.Request.Wire == nil {
				checkRefused(t, r)
				return
			}
			e := encryption(t, r.Request.EncType)
			part, err := onion.ParsePart(r.Request.Wire)
			if err != nil || part.Encryption != e || part.Hop != 0 {
				t.Fatalf("got %s, hop %d, %v", part.Encryption, part.Hop, err)
			}
			var reply onion.Key
			for i := range r.Request.Hops {
				// The secrets are in the order they were made: the last hop's first, or the guard's.
				var own *hexed
				for j := range r.Request.Secrets {
					if bytes.Equal(private(t, r.Request.Secrets[j]).PublicKey().Bytes(), part.Ephemeral[:]) {
						own = &r.Request.Secrets[j]
					}
				}
				if own == nil {
					t.Fatalf("hop %d: no secret of %x", i, part.Ephemeral)
				}
				l, err := onion.PeelWith(private(t, *own), public(t, r.Request.Keys[i]), part)
				if err != nil {
					t.Fatalf("hop %d: %v", i, err)
				}
				if last := i == len(r.Request.Hops)-1; !last {
					want := hex.EncodeToString(r.Request.Hops[i+1])
					if unknown, ok := strings.CutPrefix(r.Response, "Next node not found: "); ok {
						want = unknown // recorded with a wrong name, the right keys
					}
					if l.Kind != onion.Relay || hex.EncodeToString(l.Destination[:]) != want {
						t.Fatalf("hop %d: %s to %x", i, l.Kind, l.Destination)
					}
					part = l.Next
					continue
				}
				checkLast(t, r, l)
				reply = l.Reply
			}
			if string(r.Decrypted) == "null" {
				if _, _, err := onion.OpenReply(reply, []byte(r.Response)); err == nil || r.Status == 200 {
					t.Errorf("%q opens", r.Response)
				}
				return
			}
			// The raw reply was recorded with a character a byte.
			body := make([]byte, 0, len(r.Response))
			for _, c := range r.Response {
				body = append(body, byte(c))
			}
			checkReply(t, reply, body, r.Decrypted)
		})
	}
}

// checkLast compares what the last hop opens with what was to be sent.
func checkLast(t *testing.T, r recording, l onion.Layer) {
	t.Helper()
	var want struct {
		Headers *json.RawMessage `json:"headers"`
		JSON    bool             `json:"json"`
		Base64  *bool            `json:"base64"`
		Host    string           `json:"host"`
		Target  string           `json:"target"`
		Proto   string           `json:"protocol"`
		Port    uint16           `json:"port"`
	}
	if err := json.Unmarshal(r.Request.Control, &want); err != nil {
		t.Fatal(err)
	}
	if string(l.Blob) != r.Request.Body || compact(l.Control) != compact(r.Request.Control) {
		t.Errorf("got %q %s", l.Blob, l.Control)
	}
	if want.Headers != nil {
		if l.Kind != onion.Final || l.JSON != want.JSON || l.Base64 != (want.Base64 == nil || *want.Base64) {
			t.Errorf("got %s, json %v, base64 %v", l.Kind, l.JSON, l.Base64)
		}
		return
	}
	if l.Kind != onion.Proxy || l.Host != want.Host || l.Target != want.Target || l.Protocol != want.Proto || l.Port != want.Port || l.Method != "POST" {
		t.Errorf("got %s %s %s://%s:%d%s", l.Kind, l.Method, l.Protocol, l.Host, l.Port, l.Target)
	}
}

// checkRefused: what a node did not take, and why.
func checkRefused(t *testing.T, r recording) {
	t.Helper()
	raw := []byte(r.Request.Raw)
	if r.Request.Raw == "0x0102" {
		raw = []byte{1, 2}
	}
	_, err := onion.ParsePart(raw)
	if detail, ok := strings.CutPrefix(r.Response, "Error parsing onion request: "); ok {
		if err == nil || err.Error() != detail {
			t.Errorf("got %v, want %q", err, detail)
		}
	}
}
