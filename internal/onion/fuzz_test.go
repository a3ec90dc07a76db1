package onion_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/onion"
)

func FuzzParsePart(f *testing.F) {
	v := readVectors(f)
	for _, r := range v.Requests {
		f.Add([]byte(r.Body))
	}
	paths, err := filepath.Glob("testdata/storage/onion_*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		var r recording
		read(f, path, &r)
		f.Add(r.Request.Wire)
	}
	f.Add([]byte{1, 2})
	node := fixed(f, 2)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		p, err := onion.ParsePart(b)
		if err != nil {
			if d := cmp.Diff(onion.Part{}, p); d != "" || err.Error() == "" {
				t.Fatalf("a part beside an error: %s", d)
			}
			return
		}
		blob, control, err := onion.Split(b)
		if err != nil || !bytes.Equal(blob, p.Ciphertext) || !bytes.Equal(onion.Frame(blob, control), b) {
			t.Fatalf("not what Split and Frame say: %v", err)
		}
		if l, err := onion.Peel(node, p); err == nil && l.Kind == 0 {
			t.Fatal("a layer of no kind")
		}
		if !bytes.Equal(before, b) {
			t.Fatal("the input changed")
		}
	})
}

// FuzzPeel seals what it is given, so that what a client may put into a layer is what is fuzzed.
func FuzzPeel(f *testing.F) {
	for _, s := range []string{
		`{"headers":"","json":true,"base64":false}`,
		`{"enc_type":"xchacha20","ephemeral_key":"3f3715a145214b7c37fe49db9576de1d24377af07757533dbaca53d2b4f99e45","host":"a","method":"POST","port":443,"protocol":"https","target":"/oxen/v4/lsrpc"}`,
		`{"destination":"0c1bd811074aa41b724d93625c66504248b173bef1da92751c7ff65341702a30","enc_type":"xchacha20","ephemeral_key":"18cffa12ecb25998a5a3510fc482807ba9b17e15a38a1174271b6e8a2e77b67a"}`,
		`{nope`,
	} {
		f.Add(onion.Frame([]byte("blob"), []byte(s)), uint8(1))
	}
	f.Add([]byte{255, 255, 255, 255}, uint8(2))
	node := fixed(f, 2)
	f.Fuzz(func(t *testing.T, plain []byte, e uint8) {
		part, reply := sealed(t, encryptions[int(e)%len(encryptions)], plain)
		l, err := onion.Peel(node, part)
		if l.Reply != reply || !bytes.Equal(l.Plain, plain) {
			t.Fatal("not what was sealed")
		}
		switch {
		case err != nil:
			if !errors.Is(err, onion.ErrControl) || l.Kind != 0 {
				t.Fatalf("%s, %v", l.Kind, err)
			}
		case l.Kind == onion.Relay:
			if !bytes.Equal(l.Next.Ciphertext, l.Blob) || l.Next.Hop != 1 {
				t.Fatalf("sends on %+v", l.Next)
			}
		case l.Kind != onion.Final && l.Kind != onion.Proxy:
			t.Fatalf("got %s", l.Kind)
		}
		if err == nil && !bytes.Equal(onion.Frame(l.Blob, l.Control), plain) {
			t.Fatal("the parts are not the whole")
		}
	})
}

// FuzzOpenReply gives a reply as it came and sealed as a node would.
func FuzzOpenReply(f *testing.F) {
	for _, s := range []string{`{"status":200,"body":"a"}`, `{"status_code":200,"body":{}}`, "AAAA", "l12:{\"code\":200}0:e"} {
		f.Add([]byte(s))
	}
	_, k := sealed(f, onion.XChaCha20, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := onion.OpenReply(k, b); !errors.Is(err, onion.ErrOpen) {
			t.Fatalf("opens: %v", err)
		}
		sealed, err := k.Seal(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, reply, err := onion.OpenReply(k, sealed); err != nil && (!errors.Is(err, onion.ErrReply) || reply != nil) {
			t.Fatalf("%q, %v", reply, err)
		}
		if _, err := onion.OpenResponse(k, sealed); err != nil && !errors.Is(err, onion.ErrReply) {
			t.Fatal(err)
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	v := readVectors(f).Server
	f.Add([]byte(v.WithBody))
	f.Add([]byte(v.WithoutBody))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := onion.ParseRequest(b)
		if err != nil {
			if !errors.Is(err, onion.ErrRequest) {
				t.Fatalf("unknown error: %v", err)
			}
			return
		}
		if len(r.Body) == 0 {
			r.Body = nil // written as no body
		}
		again, err := onion.ParseRequest(onion.EncodeRequest(r))
		if err != nil || again.Method != r.Method || again.Endpoint != r.Endpoint || !bytes.Equal(again.Body, r.Body) {
			t.Fatalf("%+v is read again as %+v, %v", r, again, err)
		}
		for k, v := range r.Headers {
			if again.Headers[k] != v {
				t.Fatalf("header %q is lost", k)
			}
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte(readVectors(f).Server.ReplyPlain))
	f.Add([]byte("l12:{\"code\":404}e"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := onion.ParseResponse(b)
		if err != nil {
			if !errors.Is(err, onion.ErrReply) {
				t.Fatalf("unknown error: %v", err)
			}
			return
		}
		again, err := onion.ParseResponse(onion.EncodeResponse(r))
		if r.Body == nil {
			r.Body = []byte{}
		}
		if d := cmp.Diff(r, again); err != nil || d != "" {
			t.Fatalf("%v %s", err, d)
		}
	})
}
