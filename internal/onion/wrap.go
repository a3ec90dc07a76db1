package onion

import (
	"bytes"
	"crypto/ecdh"
	crand "crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Hop is a node as a client knows it.
type Hop struct {
	Ed25519 [32]byte // names it to the node before
	X25519  *ecdh.PublicKey
}

// Server is a destination that is no node: the last hop posts to it.
type Server struct {
	X25519   *ecdh.PublicKey
	Host     string
	Target   string // such as /oxen/v4/lsrpc
	Method   string // "" means POST
	Protocol string // "" means https
	Port     uint16 // 0 means 80 for http and 443 for others
}

// ErrPath means that a request to a server has no node to go through.
var ErrPath = errors.New("no path")

// finalControl is what libsession 1.2.0 puts beside a storage request (messaging.md N.9).
const finalControl = `{"headers":""}`

// The fields are in the order of libsession, which sorts keys (messaging.md N.9).
type partControl struct {
	EncType      string `json:"enc_type"`
	EphemeralKey string `json:"ephemeral_key"`
}

type relayControl struct {
	Destination string `json:"destination"`
	partControl
}

type proxyControl struct {
	partControl
	Host     string `json:"host"`
	Method   string `json:"method"`
	Port     uint16 `json:"port"`
	Protocol string `json:"protocol"`
	Target   string `json:"target"`
}

// Wrap makes the request that a client posts to the guard: rpc, {"method","params"}, for the node dest by way of path,
// guard first; with no path dest is the guard. reply opens the answer with OpenReply. From rand, nil for crypto/rand, it
// reads an ephemeral secret and a nonce a layer, the destination's first. The errors are rand's and those about keys.
func Wrap(rand io.Reader, e Encryption, path []Hop, dest Hop, rpc []byte) (body []byte, reply Key, err error) {
	w := wrapper{rand: rand, encryption: e}
	if reply, err = w.seal(dest.X25519, Frame(rpc, []byte(finalControl))); err != nil {
		return nil, Key{}, fmt.Errorf("seal for the destination: %w", err)
	}
	if body, err = w.relays(path, dest.Ed25519); err != nil {
		return nil, Key{}, err
	}
	return body, reply, nil
}

// WrapServer is Wrap for a payload (EncodeRequest) to a server. The last of path, which must not be empty (ErrPath),
// posts it. reply opens the answer with OpenResponse.
func WrapServer(rand io.Reader, e Encryption, path []Hop, dest Server, payload []byte) (body []byte, reply Key, err error) {
	if len(path) == 0 {
		return nil, Key{}, ErrPath
	}
	w := wrapper{rand: rand, encryption: e}
	if reply, err = w.seal(dest.X25519, payload); err != nil {
		return nil, Key{}, fmt.Errorf("seal for the server: %w", err)
	}
	last := path[len(path)-1]
	if _, err = w.seal(last.X25519, Frame(w.sealed, marshal(dest.control(w.part())))); err != nil {
		return nil, Key{}, fmt.Errorf("seal for hop %d: %w", len(path)-1, err)
	}
	if body, err = w.relays(path[:len(path)-1], last.Ed25519); err != nil {
		return nil, Key{}, err
	}
	return body, reply, nil
}

// control fills in the defaults: clients always send all members.
func (s Server) control(part partControl) proxyControl {
	c := proxyControl{part, s.Host, s.Method, s.Port, s.Protocol, s.Target}
	if c.Method == "" {
		c.Method = "POST"
	}
	if c.Protocol == "" {
		c.Protocol = "https"
	}
	if c.Port == 0 {
		c.Port = 443
		if c.Protocol == "http" {
			c.Port = 80
		}
	}
	return c
}

// wrapper holds the layer made last.
type wrapper struct {
	rand       io.Reader
	encryption Encryption
	sealed     []byte
	ephemeral  *ecdh.PublicKey
}

// seal makes a layer around plain.
func (w *wrapper) seal(to *ecdh.PublicKey, plain []byte) (Key, error) {
	// Not GenerateKey: since Go 1.26 it reads no rand of ours.
	rand := w.rand
	if rand == nil {
		rand = crand.Reader
	}
	var secret [32]byte
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return Key{}, fmt.Errorf("choose a key: %w", err)
	}
	own, err := ecdh.X25519().NewPrivateKey(secret[:])
	if err != nil {
		return Key{}, err
	}
	key, err := ClientKey(w.encryption, own, to)
	if err != nil {
		return Key{}, err
	}
	w.sealed, err = key.Seal(rand, plain)
	w.ephemeral = own.PublicKey()
	return key, err
}

func (w *wrapper) part() partControl {
	return partControl{w.encryption.String(), hex.EncodeToString(w.ephemeral.Bytes())}
}

// relays wraps what is sealed for next once for each of path and frames it for the guard.
func (w *wrapper) relays(path []Hop, next [32]byte) ([]byte, error) {
	for i := len(path) - 1; i >= 0; i-- {
		control := marshal(relayControl{hex.EncodeToString(next[:]), w.part()})
		if _, err := w.seal(path[i].X25519, Frame(w.sealed, control)); err != nil {
			return nil, fmt.Errorf("seal for hop %d: %w", i, err)
		}
		next = path[i].Ed25519
	}
	return Frame(w.sealed, marshal(w.part())), nil
}

// marshal writes JSON as others do, without escaping what only matters in HTML.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("onion: internal error: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
