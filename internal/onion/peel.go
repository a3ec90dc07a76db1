package onion

import (
	"crypto/ecdh"
	"errors"
	"fmt"
)

// What a node cannot do with a part (messaging.md D.7). Each has its own answer, so callers branch on them.
var (
	// ErrHops means that the part has passed too many nodes: 400 "onion request max path length exceeded".
	ErrHops = errors.New("too many hops")
	// ErrCiphertext means that the part is not sealed to this node: 400 "Invalid ciphertext".
	ErrCiphertext = errors.New("invalid ciphertext")
	// ErrControl means that what the part holds is not understood: 400 "Invalid json", sealed with Layer.Reply.
	ErrControl = errors.New("invalid control")
)

// Kind is what a node has to do with a layer.
type Kind uint8

// The kinds, by the key that decides (messaging.md D.3).
const (
	Final Kind = iota + 1 // "headers": Blob is a storage request for this node
	Proxy                 // "host": Plain is to be posted to a server
	Relay                 // neither: Next is for the node Destination
)

// String returns the kind in lower case.
func (k Kind) String() string {
	switch k {
	case Final:
		return "final"
	case Proxy:
		return "proxy"
	case Relay:
		return "relay"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Layer is an opened part. Its byte slices share one memory.
type Layer struct {
	Kind    Kind
	Plain   []byte // all that was sealed: what a proxy posts
	Blob    []byte
	Control []byte
	Reply   Key // seals the answer, if this node is the one to answer

	Next        Part     // of a Relay: what to send on, Hop already counted
	Destination [32]byte // of a Relay: the Ed25519 key of the next node

	// Of a Proxy, with the defaults of messaging.md D.3. Whether the URL is allowed is for the proxy to check.
	Host, Target, Method, Protocol string
	Port                           uint16

	JSON   bool // of a Final: the reply's body is JSON and not a string of it
	Base64 bool // of a Final: the sealed reply is sent in base64; true unless asked otherwise
}

// Peel opens a part with the node's X25519 key. The errors are ErrHops, ErrCiphertext, also for an ephemeral key of low
// order, and ErrControl, with which Layer has Reply and Plain. It costs little more than one X25519.
func Peel(secret *ecdh.PrivateKey, p Part) (Layer, error) {
	if p.Hop > MaxHop {
		return Layer{}, ErrHops
	}
	ephemeral, err := ecdh.X25519().NewPublicKey(p.Ephemeral[:])
	if err != nil {
		return Layer{}, fmt.Errorf("%w: %w", ErrCiphertext, err)
	}
	key, err := ServerKey(p.Encryption, secret, ephemeral)
	if err != nil {
		return Layer{}, fmt.Errorf("%w: %w", ErrCiphertext, err)
	}
	return open(key, p)
}

// open is Peel with the key made.
func open(key Key, p Part) (Layer, error) {
	plain, err := key.Open(p.Ciphertext)
	if err != nil {
		return Layer{}, fmt.Errorf("%w: %w", ErrCiphertext, err)
	}
	l, err := parseLayer(plain)
	if err != nil {
		return Layer{Plain: plain, Reply: key}, fmt.Errorf("%w: %w", ErrControl, err)
	}
	l.Plain, l.Reply = plain, key
	if l.Kind == Relay {
		l.Next.Hop = p.Hop + 1
	}
	return l, nil
}

// parseLayer reads what was sealed for a node.
func parseLayer(plain []byte) (Layer, error) {
	blob, control, err := Split(plain)
	if err != nil {
		return Layer{}, err
	}
	f, err := parseFields(control)
	if err != nil {
		return Layer{}, err
	}
	l := Layer{Blob: blob, Control: control}
	switch {
	case f.has("headers"):
		err = l.final(f)
	case f.has("host"):
		err = l.proxy(f)
	default:
		err = l.relay(f)
	}
	return l, err
}

func (l *Layer) final(f fields) (err error) {
	l.Kind = Final
	if l.JSON, err = field(f, "json", false); err != nil {
		return fmt.Errorf("json: %w", err)
	}
	if l.Base64, err = field(f, "base64", true); err != nil {
		return fmt.Errorf("base64: %w", err)
	}
	return nil
}

func (l *Layer) proxy(f fields) (err error) {
	l.Kind = Proxy
	if !f.has("target") {
		return errors.New("no target")
	}
	for _, m := range []struct {
		key    string
		to     *string
		absent string
	}{
		{"host", &l.Host, ""},
		{"target", &l.Target, ""},
		{"method", &l.Method, "POST"},
		{"protocol", &l.Protocol, "https"},
	} {
		if *m.to, err = field(f, m.key, m.absent); err != nil {
			return fmt.Errorf("%s: %w", m.key, err)
		}
	}
	if l.Port, err = field(f, "port", uint16(443)); err != nil {
		return fmt.Errorf("port: %w", err)
	}
	return nil
}

func (l *Layer) relay(f fields) (err error) {
	l.Kind = Relay
	if l.Destination, err = f.key("destination"); err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	l.Next, err = f.part(l.Blob)
	return err
}
