package snode_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"onsight/internal/devnet"
	"onsight/internal/snode"
)

func startNetwork(t testing.TB, nodes int) *devnet.Network {
	t.Helper()
	n, err := devnet.Start(devnet.Config{Seed: 1, Nodes: nodes, Past: 50})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func https(n *devnet.Node) netip.AddrPort { return netip.AddrPortFrom(n.IP(), n.HTTPSPort()) }

func TestClientInfo(t *testing.T) {
	node := startNetwork(t, 1).Node(0)
	if err := node.SetFaults(devnet.NodeFaults{Clock: -90 * time.Second, Delay: 30 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	var c snode.Client
	info, took, err := c.Info(t.Context(), https(node))
	if err != nil {
		t.Fatal(err)
	}
	if info.Version != [3]uint16{2, 11, 0} {
		t.Errorf("got %+v, want version 2.11.0 and fork 19 or later", info)
	}
	if off := info.Offset + 90*time.Second; off.Abs() > 5*time.Second {
		t.Errorf("got an offset of %v, want some -90 s", info.Offset)
	}
	if took.TCP <= 0 || took.TLS <= 0 || took.Request < 30*time.Millisecond {
		t.Errorf("got %+v, want times, that of the request at least 30 ms", took)
	}
	if d, err := c.Connect(t.Context(), netip.AddrPortFrom(node.IP(), node.OMQPort())); err != nil || d <= 0 {
		t.Errorf("got %v, %v from the OMQ port", d, err)
	}
}

// TestClientClock compares with the clock that was set, not with the machine's.
func TestClientClock(t *testing.T) {
	node := startNetwork(t, 1).Node(0)
	c := snode.Client{Now: func() time.Time { return time.Now().Add(time.Hour) }}
	info, _, err := c.Info(t.Context(), https(node))
	if err != nil {
		t.Fatal(err)
	}
	if (info.Offset + time.Hour).Abs() > 5*time.Second {
		t.Errorf("got an offset of %v, want some -1h", info.Offset)
	}
}

// TestClientFaults goes through what nodes do: the error says what, and the timings how far it came.
func TestClientFaults(t *testing.T) {
	node := startNetwork(t, 1).Node(0)
	for _, c := range []struct {
		name   string
		faults devnet.NodeFaults
		steps  int // that succeed
		want   func(error) bool
	}{
		{"down", devnet.NodeFaults{Down: true}, 0, is(syscall.ECONNREFUSED)},
		{"cut", devnet.NodeFaults{Loss: 1}, 2, is(io.ErrUnexpectedEOF)},
		{"slow", devnet.NodeFaults{Delay: time.Minute}, 2, is(os.ErrDeadlineExceeded)},
		{"not ready", devnet.NodeFaults{Status: 503}, 2, status(503, "not done syncing")},
		{"500", devnet.NodeFaults{Status: 500}, 2, status(500, "")},
		{"429", devnet.NodeFaults{Status: 429}, 2, status(429, "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := node.SetFaults(c.faults); err != nil {
				t.Fatal(err)
			}
			client := snode.Client{Timeout: 2 * time.Second}
			_, took, err := client.Info(t.Context(), https(node))
			if !c.want(err) {
				t.Errorf("got error %v", err)
			}
			if got := steps(took); got != c.steps {
				t.Errorf("got %+v, want %d steps", took, c.steps)
			}
		})
	}
}

func steps(t snode.Timings) (n int) {
	for _, d := range []time.Duration{t.TCP, t.TLS, t.Request} {
		if d >= 0 {
			n++
		}
	}
	return n
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func status(code int, reason string) func(error) bool {
	return func(err error) bool {
		var s *snode.StatusError
		return errors.As(err, &s) && s.Status == code && s.Reason == reason
	}
}

// stranger listens like a storage server that nobody wrote: each connection is handled by the function given.
func stranger(t testing.TB, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			handle(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return netip.MustParseAddrPort(l.Addr().String())
}

// overTLS lets a stranger do TLS first, and read the request.
func overTLS(t testing.TB, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	return overTLSWith(t, func(c net.Conn, _ string) { handle(c) })
}

func overTLSWith(t testing.TB, handle func(net.Conn, string)) netip.AddrPort {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(-time.Hour)} // and it is too old
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return stranger(t, func(raw net.Conn) {
		conn := tls.Server(raw, cfg)
		b := make([]byte, 1000)
		if n, err := conn.Read(b); err == nil {
			if conn.ConnectionState().ServerName != "" {
				t.Error("a name was sent")
			}
			handle(conn, string(b[:n]))
		}
		conn.Close()
	})
}

func says(s string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, s) } }

func body(s string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(s), s)
}

// endless writes a prefix and then the same again for as long as it is read.
func endless(prefix, more string) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, prefix)
		for err == nil {
			_, err = io.WriteString(c, more)
		}
	}
}

func TestClientStrangers(t *testing.T) {
	const good = `{"version":[2,11,0],"timestamp":1700000000000,"t":1700000000000,"hf":[19,3]}`
	for _, c := range []struct {
		name string
		at   netip.AddrPort
		want func(error) bool
	}{
		{"good", overTLS(t, says(body(good))), is(nil)},
		{"good until it hangs up", overTLS(t, says("HTTP/1.1 200 OK\r\n\r\n"+good)), is(nil)},
		{"good in chunks", overTLS(t, says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4c\r\n"+good+"\r\n0\r\n\r\n")), is(nil)},
		{"no version", overTLS(t, says(body(`{"timestamp":1}`))), is(nil)},
		{"no TLS", stranger(t, says("SSH-2.0-OpenSSH_9.6\r\n")), func(err error) bool {
			var record tls.RecordHeaderError
			return errors.As(err, &record)
		}},
		{"hangs up", stranger(t, func(net.Conn) {}), isAny(io.EOF, syscall.ECONNRESET)},
		{"hangs up after TLS", overTLS(t, func(net.Conn) {}), is(io.ErrUnexpectedEOF)},
		{"cut short", overTLS(t, says("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")), is(io.ErrUnexpectedEOF)},
		{"no HTTP", overTLS(t, says("220 mail ESMTP\r\n")), is(snode.ErrAnswer)},
		{"no JSON", overTLS(t, says(body("<html>"))), is(snode.ErrAnswer)},
		{"no time", overTLS(t, says(body(`{"version":[2,11,0]}`))), is(snode.ErrAnswer)},
		{"a list", overTLS(t, says(body(`[1]`))), is(snode.ErrAnswer)},
		{"version of four", overTLS(t, says(body(`{"version":[1,2,3,4],"timestamp":1}`))), is(snode.ErrAnswer)},
		{"version too big", overTLS(t, says(body(`{"version":[70000],"timestamp":1}`))), is(snode.ErrAnswer)},
		{"time too big", overTLS(t, says(body(`{"timestamp":9223372036854775807}`))), is(snode.ErrAnswer)},
		{"time below zero", overTLS(t, says(body(`{"timestamp":-1}`))), is(snode.ErrAnswer)},
		{"deep", overTLS(t, says(body(strings.Repeat("[", 12000)))), is(snode.ErrAnswer)},
		{"negative length", overTLS(t, says("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}")), is(snode.ErrAnswer)},
		{"redirect", overTLS(t, says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")), status(302, "")},
		{"continue", overTLS(t, says("HTTP/1.1 100 Continue\r\n\r\n"+body(good))), status(100, "")},
		{"its own words", overTLS(t, says("HTTP/1.1 503 x\r\nContent-Length: 9\r\n\r\nbuy my\x1b[0m")), status(503, "")},
		{"huge body", overTLS(t, endless("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", strings.Repeat("x", 1000))), is(snode.ErrTooLarge)},
		{"huge body without length", overTLS(t, endless("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 1000))), is(snode.ErrTooLarge)},
		{"endless header", overTLS(t, endless("HTTP/1.1 200 OK\r\n", "X: y\r\n")), is(snode.ErrTooLarge)},
		{"endless line", overTLS(t, endless("HTTP/1.1 200 OK\r\nX: ", "yyyyyyyyyyyyyyyyyyyy")), is(snode.ErrTooLarge)},
		{"huge error", overTLS(t, endless("HTTP/1.1 500 No\r\n\r\n", strings.Repeat("x", 1000))), is(snode.ErrTooLarge)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := snode.Client{Timeout: 9 * time.Second}
			_, took, err := client.Info(t.Context(), c.at)
			if !c.want(err) {
				t.Errorf("got error %v", err)
			}
			if (err == nil) != (took.Request >= 0) {
				t.Errorf("got %+v with error %v", took, err)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\x1b\n\r") {
				t.Errorf("error passes on control characters: %q", err)
			}
		})
	}
}

func isAny(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
}

// TestClientRequest is all that a server gets to see: nothing of it differs between two users.
func TestClientRequest(t *testing.T) {
	got := make(chan string, 1)
	at := overTLSWith(t, func(c net.Conn, request string) { got <- request })
	var c snode.Client
	if _, _, err := c.Info(t.Context(), at); err == nil {
		t.Fatal("got an answer from one that hangs up")
	}
	want := "POST /storage_rpc/v1 HTTP/1.1\r\nHost: " + at.String() + "\r\nContent-Type: application/json\r\nContent-Length: 29\r\n" +
		"Connection: close\r\n\r\n" + `{"method":"info","params":{}}`
	if g := <-got; g != want {
		t.Errorf("got %q, want %q", g, want)
	}
}

// TestClientCancel ends the context at each step. The call returns with its error, and leaves nothing running.
func TestClientCancel(t *testing.T) {
	hang := make(chan struct{}, 1)
	wait := func(c net.Conn) {
		hang <- struct{}{}
		_, _ = io.Copy(io.Discard, c) // until the other side hangs up
	}
	for _, c := range []struct {
		name string
		at   netip.AddrPort
	}{{"TLS", stranger(t, wait)}, {"info", overTLS(t, wait)}} {
		t.Run(c.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-hang; cancel() }()
			var client snode.Client
			if _, _, err := client.Info(ctx, c.at); !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v, want context.Canceled", err)
			}
			settle(t, before)
		})
	}
	t.Run("connect", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		client := snode.Client{Dial: dial}
		if _, err := client.Connect(ctx, netip.MustParseAddrPort("192.0.2.1:1")); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want context.Canceled", err)
		}
	})
}

// settle waits until no more goroutines run than did.
func settle(t *testing.T, most int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > most; runtime.Gosched() {
		if time.Now().After(end) {
			b := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, want %d:\n%s", runtime.NumGoroutine(), most, b[:runtime.Stack(b, true)])
		}
	}
}
