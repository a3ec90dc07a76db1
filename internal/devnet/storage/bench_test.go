package storage

import (
	"fmt"
	"testing"

	"onsight/internal/snode"
)

// One server without peers: what a request costs beside its signatures, of which store has one to make (the node's own).
func BenchmarkStoreRetrieve(b *testing.B) {
	w, swarms := newWorld(b, 1)
	s := swarms[0][0]
	s.box.maxMessages = 1 << 30
	u := newUser(b, s, snode.Session, 0)
	last := ""
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		data := fmt.Appendf(nil, "message %d", i)
		store := marshal(object{"method": "store", "params": object{
			"pubkey": u.id.String(), "namespace": -10, "data": data, "timestamp": w.clock, "ttl": 60_000,
		}})
		if r := s.Call(b.Context(), store); r.Status != 200 {
			b.Fatalf("%d %s", r.Status, r.Body)
		}
		retrieve := marshal(object{"method": "retrieve", "params": object{"pubkey": u.id.String(), "namespace": -10, "last_hash": last}})
		if r := s.Call(b.Context(), retrieve); r.Status != 200 {
			b.Fatalf("%d %s", r.Status, r.Body)
		}
		last = snode.Hash(u.id, -10, data)
	}
}

// The box alone, 10,000 messages deep.
func BenchmarkBox(b *testing.B) {
	x := newBox(1<<30, 1<<40)
	id := snode.ID{5}
	hashes := make([]string, 10_000)
	for i := range hashes {
		hashes[i] = snode.Hash(id, 0, fmt.Append(nil, i))
		if _, _, err := x.store(Message{Account: id, Hash: hashes[i], Expiry: 1 << 60}, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h := hashes[i%len(hashes)]
		if _, _, err := x.store(Message{Account: id, Hash: h, Expiry: 1 << 60}, 0); err != nil {
			b.Fatal(err)
		}
		x.after(id, 0, h, 0, func(Message) bool { return false })
	}
}

// A signed store in a swarm of eight: nine signatures checked or made on each member's part.
func BenchmarkSwarmStore(b *testing.B) {
	w, swarms := newWorld(b, 8)
	s := swarms[0][0]
	u := newUser(b, s, snode.Group, 0)
	body := request(b, "store", u.store(2, "x", w.clock, day24))
	for b.Loop() {
		if r := s.Call(b.Context(), body); r.Status != 200 {
			b.Fatalf("%d %s", r.Status, r.Body)
		}
	}
}
