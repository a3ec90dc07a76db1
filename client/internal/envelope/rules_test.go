package envelope

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"onsight/client/internal/envelope/wire"
)

const now = 1700000000123

func alice(t testing.TB) *Keys { return keys(t, "0123456789abcdef0123456789abcdef") }
func bob(t testing.TB) *Keys   { return keys(t, "00112233445566778899aabbccddeeff") }

func hexID(k *Keys) string {
	id := k.ID()
	return hex.EncodeToString(id[:])
}

// TestRead: what a content says, or why it is not shown. Alice reads; Bob writes unless the row says that Alice did.
func TestRead(t *testing.T) {
	t.Parallel()
	a, b := alice(t), bob(t)
	text := func(s string) *wire.DataMessage { return &wire.DataMessage{Body: proto.String(s)} }
	attachments := func(n int) (all []*wire.AttachmentPointer) {
		for range n {
			all = append(all, &wire.AttachmentPointer{DeprecatedId: proto.Uint64(7)})
		}
		return all
	}
	time := proto.Uint64(now)
	for _, c := range []struct {
		name    string
		content *wire.Content
		own     bool // written by Alice
		want    Body
		err     error
	}{
		{"NotSigned", &wire.Content{DataMessage: text("hi")}, false, &Visible{Text: "hi"}, nil},
		{"AnotherTime", &wire.Content{DataMessage: text("hi"), SigTimestamp: proto.Uint64(now + 1)}, false, nil, ErrTime},
		{"Nothing", &wire.Content{SigTimestamp: time}, false, nil, ErrRefused},
		{"NothingToSee", &wire.Content{DataMessage: &wire.DataMessage{Profile: &wire.LokiProfile{DisplayName: proto.String("Bob")}}}, false, nil, ErrRefused},
		{"NotUTF8", &wire.Content{DataMessage: text("a\xffb")}, false, &Visible{Text: "a\uFFFDb"}, nil},
		{"FlagsZero", &wire.Content{DataMessage: &wire.DataMessage{Body: proto.String("hi"), Flags: proto.Uint32(0)}}, false, &Visible{Text: "hi"}, nil},
		{"FlagsTimer", &wire.Content{DataMessage: &wire.DataMessage{Body: proto.String("hi"), Flags: proto.Uint32(2)}}, false, &TimerChange{}, nil},
		{"FlagsUnknown", &wire.Content{DataMessage: &wire.DataMessage{Body: proto.String("hi"), Flags: proto.Uint32(1)}}, false, nil, ErrRefused},
		{"Attachments32", &wire.Content{DataMessage: &wire.DataMessage{Attachments: attachments(32)}}, false, &Visible{Attachments: sevens(32)}, nil},
		{"Attachments33", &wire.Content{DataMessage: &wire.DataMessage{Attachments: attachments(33)}}, false, nil, ErrRefused},
		{"CopyOfAnother", &wire.Content{DataMessage: &wire.DataMessage{Body: proto.String("hi"), SyncTarget: proto.String(hexID(a))}}, false, nil, ErrRefused},
		{"CopyToGroup", &wire.Content{DataMessage: &wire.DataMessage{Body: proto.String("hi"), SyncTarget: proto.String("03" + hexID(b)[2:])}}, true, nil, ErrRefused},
		{"CopyToNobody", &wire.Content{DataMessage: &wire.DataMessage{Body: proto.String("hi"), SyncTarget: proto.String("bob")}}, true, nil, ErrRefused},
		{"QuoteOfNobody", &wire.Content{DataMessage: &wire.DataMessage{Body: proto.String("hi"), Quote: &wire.Quote{Id: time, Author: proto.String("x")}}}, false, &Visible{Text: "hi"}, nil},
		{"GroupUpdate", &wire.Content{DataMessage: &wire.DataMessage{GroupUpdateMessage: &wire.GroupUpdateMessage{}}}, false, &Group{}, nil},
		{"DataBeforeTyping", &wire.Content{DataMessage: text("hi"), TypingMessage: &wire.TypingMessage{Timestamp: time, Action: wire.TypingMessage_STARTED.Enum()}}, false, &Visible{Text: "hi"}, nil},
		{"ReceiptForDelivery", &wire.Content{ReceiptMessage: &wire.ReceiptMessage{Type: wire.ReceiptMessage_DELIVERY.Enum(), Timestamp: []uint64{1}}}, false, nil, ErrRefused},
		{"ReceiptForNothing", &wire.Content{ReceiptMessage: &wire.ReceiptMessage{Type: wire.ReceiptMessage_READ.Enum()}}, false, nil, ErrRefused},
		{"TypingStopped", &wire.Content{TypingMessage: &wire.TypingMessage{Timestamp: time, Action: wire.TypingMessage_STOPPED.Enum()}}, false, &Typing{Stopped: true}, nil},
		{"TypingAtAnotherTime", &wire.Content{TypingMessage: &wire.TypingMessage{Timestamp: proto.Uint64(1), Action: wire.TypingMessage_STARTED.Enum()}}, false, nil, ErrRefused},
		{"UnsendOfAnother", &wire.Content{UnsendRequest: &wire.UnsendRequest{Timestamp: time, Author: proto.String(hexID(a))}}, false, nil, ErrRefused},
		{"UnsendUpperCase", &wire.Content{UnsendRequest: &wire.UnsendRequest{Timestamp: time, Author: proto.String(strings.ToUpper(hexID(b)))}}, false, &Unsend{Time: now}, nil},
		{"ApprovalOfNothing", &wire.Content{MessageRequestResponse: &wire.MessageRequestResponse{IsApproved: proto.Bool(false)}}, false, nil, ErrRefused},
		{"ApprovalWithoutProfile", &wire.Content{MessageRequestResponse: &wire.MessageRequestResponse{IsApproved: proto.Bool(true)}}, false, &Approval{}, nil},
		{"CallUnknown", &wire.Content{CallMessage: &wire.CallMessage{Type: wire.CallMessage_Type(7).Enum(), Uuid: proto.String("")}}, false, nil, ErrRefused},
		{"Screenshot", &wire.Content{DataExtractionNotification: &wire.DataExtractionNotification{Type: wire.DataExtractionNotification_SCREENSHOT.Enum()}}, false, &Extraction{}, nil},
		{"SavedNothing", &wire.Content{DataExtractionNotification: &wire.DataExtractionNotification{Type: wire.DataExtractionNotification_MEDIA_SAVED.Enum()}}, false, nil, ErrRefused},
		{"LongName", &wire.Content{MessageRequestResponse: &wire.MessageRequestResponse{IsApproved: proto.Bool(true), ProfileKey: []byte("short"),
			Profile: &wire.LokiProfile{DisplayName: proto.String(strings.Repeat("ä", 60))}}}, false, &Approval{Profile: &Profile{Name: strings.Repeat("ä", 50)}}, nil},
		{"LongNameOddly", &wire.Content{MessageRequestResponse: &wire.MessageRequestResponse{IsApproved: proto.Bool(true),
			Profile: &wire.LokiProfile{DisplayName: proto.String("x" + strings.Repeat("ä", 60))}}}, false, &Approval{Profile: &Profile{Name: "x" + strings.Repeat("ä", 49)}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := b
			if c.own {
				from = a
			}
			got, err := parse(a.id, from.id, now, marshal(c.content))
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if diff := cmp.Diff(c.want, got.Body); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func sevens(n int) (all []Attachment) {
	for range n {
		all = append(all, Attachment{ID: 7})
	}
	return all
}

// TestReadRaw: contents that our protobuf would not write.
func TestReadRaw(t *testing.T) {
	t.Parallel()
	field := func(n protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), v)
	}
	packed := field(5, append([]byte{8, 1}, field(2, []byte{1, 2, 3})...))
	for _, c := range []struct {
		name    string
		content []byte
		want    Body
		err     error
	}{
		{"NotProtobuf", []byte{0xff}, nil, ErrFormat},
		{"QuoteWithoutAuthor", field(1, field(8, []byte{8, 1})), nil, ErrFormat},
		{"ReceiptPacked", packed, &Receipt{Read: []uint64{1, 2, 3}}, nil},
		{"Configuration", field(7, field(3, []byte("Bob"))), nil, ErrRefused}, // session.js changes its name with it
		{"UnknownField", append(field(1, field(1, []byte("hi"))), field(99, []byte("?"))...), &Visible{Text: "hi"}, nil},
		{"QuoteWithText", field(1, append(field(1, []byte("hi")), field(3, []byte("legacy"))...)), &Visible{Text: "hi"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(alice(t).id, bob(t).id, now, c.content)
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if diff := cmp.Diff(c.want, got.Body); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestOpen: what stands around the content.
func TestOpen(t *testing.T) {
	t.Parallel()
	a, b := alice(t), bob(t)
	to := a.ID()
	hello := marshal(&wire.Content{DataMessage: &wire.DataMessage{Body: proto.String("hi")}, SigTimestamp: proto.Uint64(now)})
	box := func(own *Keys, content []byte) []byte {
		t.Helper()
		out, err := seal(rand.Reader, own, [32]byte(to[1:]), content)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	envelope := func(kind wire.Envelope_Type, time uint64, content []byte) *wire.Envelope {
		return &wire.Envelope{Type: &kind, Timestamp: &time, Content: content, Source: proto.String("")}
	}
	const session = wire.Envelope_SESSION_MESSAGE
	good := wrap(envelope(session, now, box(b, pad(hello))))
	flipped := bytes.Clone(good)
	flipped[len(flipped)-5] ^= 1
	forged := *b
	forged.ed = ed25519.PrivateKey(append(bytes.Clone(a.ed[:32]), b.ed[32:]...)) // says it is Bob, and signs with another key
	lowOrder := append(make([]byte, 32), box(b, pad(hello))[32:]...)
	for _, c := range []struct {
		name string
		data []byte
		err  error
	}{
		{"OK", good, nil},
		{"NotPadded", wrap(envelope(session, now, box(b, hello))), nil},
		{"Empty", nil, ErrFormat},
		{"Rubbish", []byte("rubbish"), ErrFormat},
		{"TooLarge", make([]byte, MaxData+1), ErrFormat},
		{"Newer", []byte{0, 2, 1}, ErrNewer},
		{"NoRequest", marshal(&wire.WebSocketMessage{Type: wire.WebSocketMessage_REQUEST.Enum()}), ErrFormat},
		{"NoContent", wrap(envelope(session, now, nil)), ErrFormat},
		{"NoTime", marshal(&wire.WebSocketMessage{Request: &wire.WebSocketRequestMessage{Body: []byte{8, 6, 66, 1, 0}}}), ErrFormat},
		{"FarFuture", wrap(envelope(session, maxTime+1, box(b, pad(hello)))), ErrFormat},
		{"ClosedGroup", wrap(envelope(wire.Envelope_CLOSED_GROUP_MESSAGE, now, box(b, pad(hello)))), ErrRefused},
		{"AnotherTime", wrap(envelope(session, now+1, box(b, pad(hello)))), ErrTime},
		{"ShortBox", wrap(envelope(session, now, make([]byte, 143))), ErrOpen},
		{"Changed", flipped, ErrOpen},
		{"LowOrderKey", wrap(envelope(session, now, lowOrder)), ErrOpen},
		{"Forged", wrap(envelope(session, now, box(&forged, pad(hello)))), ErrSignature},
		{"NoContentAtAll", wrap(envelope(session, now, box(b, nil))), ErrRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Open(a, c.data)
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			want := Received{}
			if c.err == nil {
				want = Received{Sender: b.ID(), Message: Message{Time: now, Body: &Visible{Text: "hi"}}}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	visible := func(v Visible) Message { return Message{Time: now, Body: &v} }
	to := bob(t).ID()
	group, low := to, [33]byte{Prefix}
	group[0] = 3
	for _, c := range []struct {
		name string
		to   [33]byte
		m    Message
		rand io.Reader
		err  error
	}{
		{"Group", group, visible(Visible{Text: "hi"}), nil, ErrRecipient},
		{"LowOrder", low, visible(Visible{Text: "hi"}), nil, ErrRecipient},
		{"Empty", to, visible(Visible{Profile: &Profile{Name: "Alice"}}), nil, ErrEmpty},
		{"NotUTF8", to, visible(Visible{Text: "\xff"}), nil, ErrText},
		{"TooLong", to, visible(Visible{Text: strings.Repeat("ä", MaxText+1)}), nil, ErrTooLong},
		{"NameTooLong", to, visible(Visible{Text: "hi", Profile: &Profile{Name: strings.Repeat("ä", 51)}}), nil, ErrName},
		{"NameNotUTF8", to, Message{Body: &Approval{Profile: &Profile{Name: "\xff"}}}, nil, ErrText},
		{"TooManyAttachments", to, visible(Visible{Attachments: sevens(33)}), nil, ErrTooLarge},
		{"TooLarge", to, Message{Body: &Receipt{Read: make([]uint64, 40_000)}}, nil, ErrTooLarge},
		{"NoRandomness", to, visible(Visible{Text: "hi"}), strings.NewReader(""), io.EOF},
		{"LittleRandomness", to, visible(Visible{Text: "hi"}), io.LimitReader(rand.Reader, 32), io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			if data, err := Seal(c.rand, alice(t), c.to, c.m); !errors.Is(err, c.err) || data != nil {
				t.Errorf("got %d bytes, error %v, want %v", len(data), err, c.err)
			}
		})
	}
	if _, err := Seal(nil, alice(t), to, visible(Visible{Text: strings.Repeat("😀", MaxText)})); err != nil {
		t.Errorf("the longest text: %v", err)
	}
}

// TestSizes: what a server sees of a text is how many blocks it fills.
func TestSizes(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for n := 1; n <= 100; n++ {
		data, err := Seal(nil, alice(t), bob(t).ID(), Message{Time: now, Body: &Visible{Text: strings.Repeat("x", n)}})
		if err != nil {
			t.Fatal(err)
		}
		seen[len(data)] = true
	}
	if len(seen) != 1 {
		t.Errorf("texts of 1 to 100 bytes have sizes %v, want one", seen)
	}
}

func TestSyncCopy(t *testing.T) {
	t.Parallel()
	a, b := alice(t), bob(t)
	m := Message{Time: now, Expire: Expire{Mode: AfterRead, Timer: 60}, Body: &Visible{Text: "hi", Profile: &Profile{Name: "Alice"}}}
	copied, ok := m.SyncCopy(b.ID())
	if !ok {
		t.Fatal("there is no copy of a text")
	}
	data, err := Seal(nil, a, a.ID(), copied)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(a, data)
	want := Received{Sender: a.ID(), Message: Message{Time: now, Expire: m.Expire, SyncTarget: b.ID(), Body: &Visible{Text: "hi"}}}
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v: %s", err, cmp.Diff(want, got))
	}
	if m.Body.(*Visible).Profile == nil {
		t.Error("the copy changed the message")
	}
	if _, ok := (Message{Body: &Typing{}}).SyncCopy(b.ID()); ok {
		t.Error("there is a copy of typing")
	}
}

func TestKeysHide(t *testing.T) {
	t.Parallel()
	k := alice(t)
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k)} {
		if s != "envelope.Keys" {
			t.Errorf("printed as %q", s)
		}
	}
}
