package envelope

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"onsight/client/internal/envelope/wire"
)

func read(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
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

func keys(t testing.TB, seed string) *Keys {
	t.Helper()
	var b [32]byte // 16 bytes and zeros, or all 32
	copy(b[:], unhex(t, seed))
	return NewKeys(b)
}

func idOf(t testing.TB, s string) [33]byte {
	t.Helper()
	id, ok := readID(s)
	if !ok {
		t.Fatalf("%q is no id", s)
	}
	return id
}

// messaging is what is used of messaging.json.
type messaging struct {
	Accounts struct {
		Accounts []struct {
			Seed32    string `json:"seed32"`
			Ed25519   string `json:"ed25519_public"`
			X25519    string `json:"x25519_secret"`
			SessionID string `json:"session_id"`
		} `json:"accounts"`
	} `json:"A_accounts"`
	Messages struct {
		Deterministic struct {
			Seed      string `json:"sender_seed32"`
			Recipient string `json:"recipient_x25519"`
			Message   string `json:"message"`
			Ephemeral string `json:"ephemeral_seed"` // the secret is the first half of its SHA-512
			Nonce     string `json:"nonce"`
			Sealed    string `json:"sealed"`
		} `json:"deterministic_sealed_box"`
		Padding []struct {
			Content int `json:"content_len"`
			Padded  int `json:"padded_len_libsession"`
			Old     int `json:"padded_len_old_clients"`
		} `json:"padding"`
		OneToOne struct {
			Sender    struct{ Seed32 string }
			Recipient struct {
				Seed32    string
				SessionID string `json:"session_id"`
			}
			Fields struct {
				Body                     string
				DisplayName              string
				LastProfileUpdateSeconds uint64
				ExpirationTimer          uint32
				SigTimestamp             uint64
			}
			Content   string `json:"content_protobuf_hex"`
			Ephemeral string `json:"ephemeral_secret"`
			Sealed    string `json:"sealed_box_hex"`
			Envelope  string `json:"envelope_hex"`
			Decoy     string `json:"decoy_proSig_hex"`
			WebSocket string `json:"websocket_message_hex"`
			Data      []byte `json:"store_data_base64"`
		} `json:"one_to_one"`
		Minimal struct {
			WebSocket string `json:"websocket_message_hex"`
		} `json:"one_to_one_minimal_without_pro"`
		Samples map[string]string `json:"content_samples"`
	} `json:"E_messages"`
}

func vectors(t testing.TB) (v messaging) {
	t.Helper()
	read(t, "../../../internal/onion/testdata/messaging.json", &v)
	return v
}

func TestKeysVectors(t *testing.T) {
	t.Parallel()
	for _, a := range vectors(t).Accounts.Accounts {
		k := keys(t, a.Seed32)
		if got := hex.EncodeToString(k.Public()); got != a.Ed25519 {
			t.Errorf("Ed25519 key %s, want %s", got, a.Ed25519)
		}
		if id := k.ID(); hex.EncodeToString(id[:]) != a.SessionID {
			t.Errorf("id %x, want %s", id, a.SessionID)
		}
		if got := hex.EncodeToString(k.x.Bytes()); got != a.X25519 {
			t.Error("the X25519 secret differs")
		}
	}
}

func TestPadding(t *testing.T) {
	t.Parallel()
	for _, p := range vectors(t).Messages.Padding {
		content := bytes.Repeat([]byte{0x80}, p.Content) // marks in the content are not mistaken for the one at its end
		if got := len(pad(content)); got != p.Padded {
			t.Errorf("%d bytes are padded to %d, want %d", p.Content, got, p.Padded)
		}
		for _, size := range []int{p.Padded, p.Old} {
			padded := append(bytes.Clone(content), 0x80)
			padded = append(padded, make([]byte, size-len(padded))...)
			if got := unpad(padded); !bytes.Equal(got, content) {
				t.Errorf("%d bytes padded to %d are unpadded to %d", p.Content, size, len(got))
			}
		}
	}
	for _, bare := range []string{"", "\x00", "abc", "abc\x00\x00"} {
		if got := unpad([]byte(bare)); string(got) != bare {
			t.Errorf("%q has no mark, and is unpadded to %q", bare, got)
		}
	}
}

// TestDeterministicVector opens and makes a box of which libsession derives the ephemeral key. Its content is not padded.
func TestDeterministicVector(t *testing.T) {
	t.Parallel()
	v := vectors(t).Messages.Deterministic
	own := keys(t, "00112233445566778899aabbccddeeff") // Bob
	want := unhex(t, v.Sealed)
	content, sender, err := open(own, want)
	if err != nil || string(content) != v.Message {
		t.Fatalf("got %q, %v", content, err)
	}
	if id := keys(t, v.Seed).ID(); !bytes.Equal(sender[:], id[1:]) {
		t.Errorf("sender %x, want %x", sender, id[1:])
	}
	recipient := [32]byte(unhex(t, v.Recipient))
	if got := nonce([32]byte(want), recipient); hex.EncodeToString(got[:]) != v.Nonce {
		t.Errorf("nonce %x, want %s", got, v.Nonce)
	}
	secret := sha512.Sum512(unhex(t, v.Ephemeral))
	got, err := seal(pinned(secret[:32]), keys(t, v.Seed), recipient, []byte(v.Message))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v.Sealed, hex.EncodeToString(got)); diff != "" {
		t.Error(diff)
	}
}

// pinned is a source of randomness that says what it was given.
func pinned(parts ...[]byte) *bytes.Reader { return bytes.NewReader(bytes.Join(parts, nil)) }

func TestOneToOneVector(t *testing.T) {
	t.Parallel()
	v := vectors(t).Messages.OneToOne
	alice, bob := keys(t, v.Sender.Seed32), keys(t, v.Recipient.Seed32)
	want := Received{Sender: alice.ID(), Message: Message{
		Time:   v.Fields.SigTimestamp,
		Expire: Expire{Mode: AfterSend, Timer: v.Fields.ExpirationTimer},
		Body:   &Visible{Text: v.Fields.Body, Profile: &Profile{Name: v.Fields.DisplayName, Updated: v.Fields.LastProfileUpdateSeconds}},
	}}

	t.Run("Write", func(t *testing.T) {
		c, err := encode(alice.ID(), want.Message)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v.Content, hex.EncodeToString(marshal(c))); diff != "" {
			t.Errorf("content: %s", diff)
		}
		to := bob.ID()
		box, err := seal(pinned(unhex(t, v.Ephemeral)), alice, [32]byte(to[1:]), pad(marshal(c)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v.Sealed, hex.EncodeToString(box)); diff != "" {
			t.Errorf("box: %s", diff)
		}
		e := &wire.Envelope{Type: wire.Envelope_SESSION_MESSAGE.Enum(), Timestamp: &want.Time, SourceDevice: proto.Uint32(1), Content: box, ProSig: unhex(t, v.Decoy)}
		if diff := cmp.Diff(v.Envelope, hex.EncodeToString(marshal(e))); diff != "" {
			t.Errorf("envelope: %s", diff)
		}
		if diff := cmp.Diff(v.Data, wrap(e)); diff != "" {
			t.Errorf("data: %s", diff)
		}
	})
	t.Run("WriteWhole", func(t *testing.T) {
		data, err := Seal(pinned(unhex(t, v.Ephemeral), make([]byte, 128)), alice, bob.ID(), want.Message)
		if err != nil {
			t.Fatal(err)
		}
		// All but the decoy, which nobody can read back into its randomness.
		if n := len(data) - 64 - 2; !bytes.Equal(data[:n], v.Data[:n]) {
			t.Errorf("got %x\nwant %x", data, v.Data)
		}
	})
	for name, data := range map[string][]byte{"Read": v.Data, "ReadMinimal": unhex(t, vectors(t).Messages.Minimal.WebSocket)} {
		t.Run(name, func(t *testing.T) {
			got, err := Open(bob, data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// samples are the contents of messaging.json in our words. Alice writes them.
func samples(t testing.TB) map[string]Message {
	t.Helper()
	const time, earlier = 1700000000123, 1699999990000
	v := vectors(t)
	bob := idOf(t, v.Accounts.Accounts[1].SessionID)
	message := func(b Body) Message { return Message{Time: time, Body: b} }
	sync := message(&Visible{Text: "Hello Bob"})
	sync.SyncTarget = bob
	timer := message(&TimerChange{})
	timer.Expire = Expire{Mode: AfterSend, Timer: 86400}
	return map[string]Message{
		"typing_started":              message(&Typing{}),
		"read_receipt":                message(&Receipt{Read: []uint64{earlier, earlier + 1000}}),
		"unsend":                      message(&Unsend{Time: earlier}),
		"message_request_response":    message(&Approval{Profile: &Profile{Name: "Alice", Updated: 1699999999}}),
		"reaction":                    message(&Visible{Reaction: &Reaction{Ref: Ref{Time: earlier, Author: bob}, Emoji: "😂"}}),
		"quote":                       message(&Visible{Text: "reply", Quote: &Ref{Time: earlier, Author: bob}}),
		"expiration_timer_update":     timer,
		"sync_copy":                   sync,
		"call_offer":                  message(&Call{Kind: Offer, UUID: "7bc02b5c-4d5f-4b1e-9c4e-8a4f3b1c2d3e", Descriptions: []string{"v=0..."}}),
		"data_extraction_media_saved": message(&Extraction{Saved: earlier}),
	}
}

func TestContentSamples(t *testing.T) {
	t.Parallel()
	v := vectors(t)
	alice := idOf(t, v.Accounts.Accounts[0].SessionID)
	ours := samples(t)
	for name, sample := range v.Messages.Samples {
		t.Run(name, func(t *testing.T) {
			want, ok := ours[name]
			if !ok {
				t.Fatal("not in the list above")
			}
			got, err := parse(alice, alice, want.Time, unhex(t, sample))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("read: %s", diff)
			}
			c, err := encode(alice, want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sample, hex.EncodeToString(marshal(c))); diff != "" {
				t.Errorf("written: %s", diff)
			}
		})
	}
}

// TestSessionJS opens what session.js stored on real servers: the message, and the copy for the sender's other devices.
func TestSessionJS(t *testing.T) {
	t.Parallel()
	var v struct {
		Vectors []struct {
			Label     string
			Sender    string `json:"sender_seed_hex"`
			Recipient string `json:"recipient_seed_hex"`
			Text      string
			Timestamp uint64
			Data      []byte `json:"data_base64"`
			Sync      []byte `json:"sync_data_base64"`
		}
	}
	read(t, "testdata/sessionjs.json", &v)
	if len(v.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, c := range v.Vectors {
		t.Run(c.Label, func(t *testing.T) {
			from, to := keys(t, c.Sender), keys(t, c.Recipient)
			for _, side := range []struct {
				own  *Keys
				data []byte
				sync [33]byte
			}{{to, c.Data, [33]byte{}}, {from, c.Sync, to.ID()}} {
				got, err := Open(side.own, side.data)
				if c.Text == "" { // desktop drops what shows nothing, and so do we
					if !errors.Is(err, ErrRefused) {
						t.Fatalf("got %v, %v, want ErrRefused", got, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				want := Received{Sender: from.ID(), Message: Message{Time: c.Timestamp, SyncTarget: side.sync, Body: &Visible{Text: c.Text}}}
				if b, ok := got.Body.(*Visible); ok { // what profile there is, is the library's default
					b.Profile = nil
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
				if _, err := Open(keys(t, "0123456789abcdef0123456789abcdef"), side.data); !errors.Is(err, ErrOpen) {
					t.Errorf("another account got error %v", err)
				}
			}
		})
	}
}

// TestLibsession: boxes of libsession-util 1.2.0 with its randomness, both ways, and those it rejects. Its plaintexts are not
// padded.
func TestLibsession(t *testing.T) {
	t.Parallel()
	var v struct {
		Good []struct {
			Sender        string `json:"sender_seed"`
			SenderID      string `json:"sender_id"`
			Recipient     string `json:"recipient_seed"`
			Plain         string `json:"plaintext_hex"`
			Ephemeral     string `json:"ephemeral_x25519_sk"`
			Sealed        string `json:"ciphertext_hex"`
			Deterministic string `json:"deterministic_ciphertext_hex"`
		} `json:"dm_encrypt_for_recipient"`
		Bad []struct {
			Why       string
			Recipient string `json:"recipient_seed"`
			Sealed    string `json:"ciphertext_hex"`
		} `json:"dm_invalid"`
	}
	read(t, "../../../ons/testdata/libsession.json", &v)
	if len(v.Good) == 0 || len(v.Bad) == 0 {
		t.Fatal("no vectors")
	}
	for _, c := range v.Good {
		own := keys(t, c.Recipient)
		for _, sealed := range []string{c.Sealed, c.Deterministic} {
			content, x, err := open(own, unhex(t, sealed))
			if err != nil {
				t.Fatal(err)
			}
			if want := unpad(unhex(t, c.Plain)); !bytes.Equal(content, want) {
				t.Errorf("got %x, want %x", content, want)
			}
			if got := "05" + hex.EncodeToString(x[:]); got != c.SenderID {
				t.Errorf("sender %s, want %s", got, c.SenderID)
			}
		}
		id := own.ID()
		got, err := seal(pinned(unhex(t, c.Ephemeral)), keys(t, c.Sender), [32]byte(id[1:]), unhex(t, c.Plain))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.Sealed, hex.EncodeToString(got)); diff != "" {
			t.Error(diff)
		}
	}
	for _, c := range v.Bad {
		if _, _, err := open(keys(t, c.Recipient), unhex(t, c.Sealed)); !errors.Is(err, ErrOpen) && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: got error %v", c.Why, err)
		}
	}
}
