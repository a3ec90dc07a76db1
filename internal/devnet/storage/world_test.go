package storage

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"testing"
	"time"

	"onsight/internal/curve"
	"onsight/internal/snode"
)

// start is when these tests' worlds begin, in milliseconds.
const start = 1_800_000_000_000

// world joins real servers in memory.
type world struct {
	mu      sync.Mutex // guards what follows
	clock   int64
	members []Member
	servers map[[32]byte]*Server // by Ed25519 key
	fork    [2]int
	height  uint64
	lies    Lies // of the first server
	oxend   func(endpoint string, params json.RawMessage) (json.RawMessage, error)
	wire    map[[32]byte]func(Reply) (Reply, error) // what becomes of a peer's answer
	asked   int                                     // how often a peer was
}

// uplink is what one server sees of the world.
type uplink struct{ *world }

func (w uplink) Members() []Member {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.members
}

func (w uplink) Fork() [2]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fork
}

func (w uplink) Height() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.height
}

func (w uplink) Oxend(_ context.Context, endpoint string, params json.RawMessage) (json.RawMessage, error) {
	return w.oxend(endpoint, params)
}

func (w uplink) Forward(ctx context.Context, to [32]byte, method string, params json.RawMessage) (Reply, error) {
	w.mu.Lock()
	s, wire := w.servers[to], w.wire[to]
	w.asked++
	w.mu.Unlock()
	if s == nil {
		return Reply{}, errors.New("nobody there")
	}
	reply := s.Forwarded(ctx, method, params)
	if wire != nil {
		return wire(reply)
	}
	return reply, ctx.Err()
}

// newWorld makes servers in swarms; their first is servers[0]. The swarms are spread evenly from 0 on.
func newWorld(t testing.TB, sizes ...int) (*world, [][]*Server) {
	t.Helper()
	w := &world{clock: start, fork: [2]int{19, 6}, height: 335, servers: map[[32]byte]*Server{}, wire: map[[32]byte]func(Reply) (Reply, error){}}
	swarms := make([][]*Server, len(sizes))
	for i, size := range sizes {
		for range size {
			n := len(w.members)
			m := Member{
				Legacy: sha256.Sum256([]byte{byte(n), 1}), X25519: sha256.Sum256([]byte{byte(n), 2}), IP: netip.MustParseAddr("127.0.0.1"),
				HTTPS: uint16(21003 + 10*n), OMQ: uint16(21004 + 10*n), Swarm: uint64(i) * (1 << 63 / uint64(len(sizes)) * 2), Version: [3]uint16{2, 11, 300},
			}
			swarms[i] = append(swarms[i], w.add(m, [3]uint16{2, 11, 0}))
		}
	}
	return w, swarms
}

// add starts the server of a member; its Ed25519 key is made from the legacy one.
func (w *world) add(m Member, version [3]uint16) *Server {
	seed := sha256.Sum256(m.Legacy[:])
	private := ed25519.NewKeyFromSeed(seed[:])
	m.Ed25519 = [32]byte(private.Public().(ed25519.PublicKey))
	first := len(w.members) == 0
	s := New(Config{Key: private, Legacy: m.Legacy, Version: version, Network: uplink{w}, Now: w.now, Lies: func() Lies {
		w.mu.Lock()
		defer w.mu.Unlock()
		if first {
			return w.lies
		}
		return Lies{}
	}})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members = append(w.members[:len(w.members):len(w.members)], m)
	w.servers[m.Ed25519] = s
	return s
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.UnixMilli(w.clock)
}

// advance moves the clock of all servers.
func (w *world) advance(d time.Duration) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock += d.Milliseconds()
	return w.clock
}

// change replaces the members by changed copies.
func (w *world) change(f func(i int, m *Member)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	members := append([]Member(nil), w.members...)
	for i := range members {
		f(i, &members[i])
	}
	w.members = members
}

// user owns an account.
type user struct {
	key ed25519.PrivateKey
	id  snode.ID
}

// newUser is the nth user of a kind, snode.Session or snode.Group, whose account lies in the swarm of the server.
func newUser(t testing.TB, s *Server, prefix byte, nth int) user {
	t.Helper()
	for i := 0; ; i++ {
		seed := sha256.Sum256(fmt.Append(nil, nth, i))
		u := user{key: ed25519.NewKeyFromSeed(seed[:])}
		public := [32]byte(u.key.Public().(ed25519.PublicKey))
		if prefix == snode.Session {
			x, err := curve.PublicX25519(public[:])
			if err != nil {
				t.Fatal(err)
			}
			public = x
		}
		u.id = snode.ID(append([]byte{prefix}, public[:]...))
		if s.view().mine(u.id) {
			return u
		}
	}
}

type object = map[string]any

// with are the parameters of the user's request, signed.
func (u user) with(signed []byte, more object) object {
	p := object{"pubkey": u.id.String(), "signature": base64.StdEncoding.EncodeToString(ed25519.Sign(u.key, signed))}
	if u.id.Prefix() == snode.Session {
		p["pubkey_ed25519"] = hex.EncodeToString(u.key.Public().(ed25519.PublicKey))
	}
	maps.Copy(p, more)
	return p
}

func (u user) store(ns int16, data string, now int64, ttl time.Duration) object {
	return u.with(snode.StoreText(ns, now), object{
		"namespace": ns, "data": base64.StdEncoding.EncodeToString([]byte(data)), "timestamp": now, "ttl": ttl.Milliseconds(),
	})
}

func (u user) retrieve(ns int16, now int64, more object) object {
	p := u.with(snode.RetrieveText(ns, now), object{"namespace": ns, "timestamp": now})
	maps.Copy(p, more)
	return p
}

// request is a client's body.
func request(t testing.TB, method string, params any) []byte {
	t.Helper()
	b, err := json.Marshal(object{"method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask calls a server and wants JSON.
func ask(t testing.TB, s *Server, method string, params any) (int, object) {
	t.Helper()
	r := s.Call(t.Context(), request(t, method, params))
	if r.Type != JSON {
		t.Fatalf("%s: %d %s", method, r.Status, r.Body)
	}
	var o object
	if err := json.Unmarshal(r.Body, &o); err != nil {
		t.Fatalf("%s: %s: %v", method, r.Body, err)
	}
	return r.Status, o
}

// want calls a server and wants success.
func want(t testing.TB, s *Server, method string, params any) object {
	t.Helper()
	status, o := ask(t, s, method, params)
	if status != 200 {
		t.Fatalf("%s: %d %v", method, status, o)
	}
	return o
}

// refused calls a server and wants a text.
func refused(t testing.TB, s *Server, method string, params any, status int, wantText string) {
	t.Helper()
	r := s.Call(t.Context(), request(t, method, params))
	if r.Status != status || string(r.Body) != wantText || r.Type != Text {
		t.Errorf("%s: got %d %s, want %d %s", method, r.Status, r.Body, status, wantText)
	}
}

// texts are the data of retrieve's messages.
func texts(t testing.TB, reply object) []string {
	t.Helper()
	list := []string{}
	for _, m := range reply["messages"].([]any) {
		b, err := base64.StdEncoding.DecodeString(m.(object)["data"].(string))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(b))
	}
	return list
}

const day24 = 24 * time.Hour

// entry is a node's entry in a recursive method's answer.
func entryOf(reply object, s *Server) object {
	return reply["swarm"].(object)[hex.EncodeToString(s.key[:])].(object)
}
