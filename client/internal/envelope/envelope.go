package envelope

import (
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	"onsight/client/internal/envelope/wire"
	"onsight/internal/curve"
)

// What is in a swarm and cannot be shown. Each is the whole reason: reading again will not help.
var (
	ErrFormat    = errors.New("is not a message")                      // no protobuf, or parts are missing
	ErrNewer     = errors.New("is of a newer form")                    // the post-quantum one, which no released client writes
	ErrOpen      = errors.New("is not sealed for this account")        // or was changed since
	ErrSignature = errors.New("is not signed by who it says wrote it") // opened, but not to be believed
	ErrTime      = errors.New("was signed for another time")           // the envelope's is not the content's
	ErrRefused   = errors.New("must not be shown")                     // well-formed, but official clients drop it; a reason follows
)

// What cannot be sent.
var (
	ErrRecipient = errors.New("is not the id of an account")
	ErrText      = errors.New("is not valid UTF-8")
	ErrTooLong   = errors.New("text of more than 2,000 characters")
	ErrTooLarge  = errors.New("message of more than 76,800 bytes")
	ErrName      = errors.New("profile name of more than 100 bytes")
	ErrEmpty     = errors.New("message that says nothing")
)

const (
	// MaxData is the most that a storage server keeps as one message (messaging.md E.1).
	MaxData = 76_800
	// MaxText is the length of a text in code points that official clients let non-paying accounts send.
	MaxText = 2_000

	maxName        = 100
	maxAttachments = 32
	// maxTime is the last millisecond that JavaScript's dates can hold, in the year 275760.
	maxTime = 8_640_000_000_000_000
)

// Received is a message and who has verifiably written it.
type Received struct {
	Message
	Sender [33]byte
}

// Seal returns m from an account to another as storage servers keep it. A nil rand means crypto/rand, which everything but a
// test wants. The error is one of those above for what cannot be sent, with the part it is about, or that of rand.
func Seal(rand io.Reader, from *Keys, to [33]byte, m Message) ([]byte, error) {
	if rand == nil {
		rand = crand.Reader
	}
	if to[0] != Prefix {
		return nil, ErrRecipient
	}
	c, err := encode(from.id, m)
	if err != nil {
		return nil, err
	}
	box, err := seal(rand, from, [32]byte(to[1:]), pad(marshal(c)))
	if err != nil {
		return nil, err
	}
	decoy, err := curve.Decoy(rand)
	if err != nil {
		return nil, fmt.Errorf("choose a decoy: %w", err)
	}
	data := wrap(&wire.Envelope{
		Type:         wire.Envelope_SESSION_MESSAGE.Enum(),
		Timestamp:    &m.Time,
		SourceDevice: proto.Uint32(1),
		Content:      box,
		ProSig:       decoy[:],
	})
	if len(data) > MaxData {
		return nil, ErrTooLarge
	}
	return data, nil
}

// Open reads what lay in the swarm of the account own. Input never panics; the error is one of those above for what cannot
// be shown.
func Open(own *Keys, data []byte) (Received, error) {
	if len(data) > MaxData {
		return Received{}, ErrFormat
	}
	if len(data) >= 2 && data[0] == 0 && data[1] == 2 {
		return Received{}, ErrNewer
	}
	e, err := unwrap(data)
	if err != nil {
		return Received{}, err
	}
	content, x, err := open(own, e.Content)
	if err != nil {
		return Received{}, err
	}
	r := Received{Sender: [33]byte{Prefix}}
	copy(r.Sender[1:], x[:])
	r.Message, err = parse(own.id, r.Sender, e.GetTimestamp(), content)
	if err != nil {
		return Received{}, err
	}
	return r, nil
}

func wrap(e *wire.Envelope) []byte {
	return marshal(&wire.WebSocketMessage{
		Type: wire.WebSocketMessage_REQUEST.Enum(),
		Request: &wire.WebSocketRequestMessage{
			Verb: proto.String(""),
			Path: proto.String(""),
			Body: marshal(e),
			Id:   proto.Uint64(0),
		},
	})
}

// unwrap returns the envelope of a message between two accounts.
func unwrap(data []byte) (*wire.Envelope, error) {
	var w wire.WebSocketMessage
	if err := proto.Unmarshal(data, &w); err != nil || w.GetRequest().GetBody() == nil {
		return nil, ErrFormat
	}
	var e wire.Envelope
	if err := proto.Unmarshal(w.Request.Body, &e); err != nil || e.Content == nil || e.GetTimestamp() > maxTime {
		return nil, ErrFormat
	}
	if e.GetType() != wire.Envelope_SESSION_MESSAGE {
		return nil, fmt.Errorf("%w: not between two accounts", ErrRefused)
	}
	return &e, nil
}

// marshal writes known fields in the order of their numbers, as all clients do.
func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic("envelope: internal error: " + err.Error()) // a required field is missing
	}
	return b
}
