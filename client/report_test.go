package client_test

import (
	"errors"
	"testing"
	"time"

	"onsight/client"
	"onsight/internal/devnet"
)

// TestReports: what a client tells of the network is so, and telling it changes nothing.
func TestReports(t *testing.T) {
	quiet(t)
	n := startTown(t, devnet.Config{Seed: 81, Nodes: 24})
	r := n.client(1, func(c *client.Config) {
		c.Seeds = append(c.Seeds, client.SeedNode{URL: "http://127.0.0.1:1/"})
		c.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	})
	seeds := r.CheckSeeds(t.Context())
	if len(seeds) != 2 || seeds[0].Err != nil || seeds[0].Nodes != 24 || seeds[1].Err == nil {
		t.Errorf("got seeds %+v", seeds)
	}
	if list, _, err := r.Store.Pool(t.Context(), 1); err != nil || len(list) != 0 {
		t.Errorf("what seeds said was stored: %d nodes, %v", len(list), err)
	}
	r.connect(t)
	pool, err := r.CheckPool(t.Context())
	if err != nil || pool.Err != nil || pool.Nodes != 24 || pool.Listed != 24 || pool.Same != 24 || pool.Swarms == 0 || pool.At.IsZero() {
		t.Errorf("got pool %+v, %v", pool, err)
	}
	trip, err := r.Ping(t.Context())
	if err != nil || len(trip.Path) != 3 || trip.Took <= 0 {
		t.Fatalf("got trip %+v, %v", trip, err)
	}
	used := false
	for _, p := range r.Paths() {
		used = used || p[0] == trip.Path[0]
	}
	if !used {
		t.Error("it went by a guard that is none")
	}
	if err := r.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ahead, heard := r.Offset(); heard < 3 || (ahead-time.Hour).Abs() > 5*time.Second {
		t.Errorf("the network is %v ahead by the word of %d", ahead, heard)
	}
	swarm, members, err := r.Swarm(t.Context(), r.Account.ID())
	if err != nil || len(members) == 0 {
		t.Fatal(err)
	}
	list, _, err := r.Store.Pool(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	in := 0
	for _, node := range list {
		if node.Swarm == swarm {
			in++
		}
	}
	if in != len(members) {
		t.Errorf("%d members, %d are listed in the swarm", len(members), in)
	}

	guards, err := r.CheckGuards(t.Context())
	if err != nil || len(guards) != 2 {
		t.Fatalf("got guards %+v, %v", guards, err)
	}
	for _, g := range guards {
		if g.Err != nil || !g.Used || g.Took <= 0 || !g.Failing.IsZero() {
			t.Errorf("got guard %+v", g)
		}
	}
	if err := n.node(guards[0].Ed25519).Down(); err != nil {
		t.Fatal(err)
	}
	r.send(t, r.id(), "note")
	for range 3 {
		r.flush(t)
		r.poll(t)
	}
	if guards, err = r.CheckGuards(t.Context()); err != nil || guards[0].Err == nil || guards[0].Failing.IsZero() || guards[0].Rest.IsZero() || guards[0].Used {
		t.Errorf("got guards %+v, %v", guards, err)
	}

	n.inject("all:down")
	if _, err := r.Ping(t.Context()); err == nil {
		t.Error("nobody is there, yet somebody answered")
	}
	if pool, err = r.CheckPool(t.Context()); err != nil || pool.Err == nil {
		t.Errorf("got pool %+v, %v", pool, err)
	}
	stranger := n.client(2, func(c *client.Config) { c.Seeds = []client.SeedNode{{URL: "http://127.0.0.1:1/"}} })
	if _, err := stranger.CheckPool(t.Context()); !errors.Is(err, client.ErrSeeds) {
		t.Errorf("got error %v, want ErrSeeds", err)
	}
}
