package snode_test

import (
	"context"
	"crypto/ecdh"
	"errors"
	"net/netip"
	"testing"
	"time"

	"onsight/internal/devnet"
	"onsight/internal/onion"
	"onsight/internal/snode"
)

// onionTo is an onion request for info to a node itself.
func onionTo(t testing.TB, n *devnet.Node) ([]byte, onion.Key) {
	t.Helper()
	x := n.X25519()
	key, err := ecdh.X25519().NewPublicKey(x[:])
	if err != nil {
		t.Fatal(err)
	}
	b, reply, err := onion.Wrap(nil, onion.AESGCM, nil, onion.Hop{Ed25519: n.Ed25519(), X25519: key}, []byte(`{"method":"info","params":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	return b, reply
}

// TestLink: a connection is used again, one that the server has closed is replaced, and one that cannot be made is told from others.
func TestLink(t *testing.T) {
	node := startNetwork(t, 4).Node(0)
	l := &snode.Link{Client: &snode.Client{Timeout: 3 * time.Second}, At: https(node)}
	defer l.Close()
	ask := func() (int, error) {
		request, key := onionTo(t, node)
		status, reply, err := l.Onion(t.Context(), request, nil)
		if err == nil && status == 200 {
			_, _, err = onion.OpenReply(key, reply)
		}
		return status, err
	}
	for range 3 {
		if status, err := ask(); err != nil || status != 200 {
			t.Fatalf("got %d, %v", status, err)
		}
	}
	// Its connections are cut while they wait.
	if err := errors.Join(node.Down(), node.Up()); err != nil {
		t.Fatal(err)
	}
	if status, err := ask(); err != nil || status != 200 {
		t.Errorf("after a cut: got %d, %v", status, err)
	}
	if status, body, err := l.Onion(t.Context(), []byte("nonsense"), nil); err != nil || status != 400 || len(body) == 0 {
		t.Errorf("got %d %q, %v for nonsense", status, body, err)
	}
	if status, err := ask(); err != nil || status != 200 {
		t.Errorf("after a refusal: got %d, %v", status, err)
	}

	if err := node.DropOnions(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	request, _ := onionTo(t, node)
	if _, _, err := l.Onion(ctx, request, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want the context's", err)
	}
	if err := node.Down(); err != nil {
		t.Fatal(err)
	}
	var connect *snode.ConnectError
	if _, err := ask(); !errors.As(err, &connect) {
		t.Errorf("got error %v, want a ConnectError", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(); !errors.Is(err, snode.ErrLinkClosed) {
		t.Errorf("got error %v, want ErrLinkClosed", err)
	}
}

// BenchmarkLink posts an onion request over a connection that is there.
func BenchmarkLink(b *testing.B) {
	node := startNetwork(b, 4).Node(0)
	l := &snode.Link{Client: &snode.Client{}, At: netip.AddrPortFrom(node.IP(), node.HTTPSPort())}
	defer l.Close()
	request, _ := onionTo(b, node)
	for b.Loop() {
		if _, _, err := l.Onion(b.Context(), request, nil); err != nil {
			b.Fatal(err)
		}
	}
}
