package devnet

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"time"
)

// seeds are the two seed nodes: public ports of a daemon, over plain HTTP and over TLS with a certificate to pin (spec messaging.md B.1).
type seeds struct {
	plain  *Daemon
	server *http.Server
	url    string
	pin    string
	done   chan struct{}
}

func serveSeeds(c *Chain, now time.Time) (*seeds, error) {
	plain, err := Serve(c, Options{Public: true})
	if err != nil {
		return nil, err
	}
	s := &seeds{plain: plain, done: make(chan struct{})}
	cert, err := newCertificate(now, "localhost")
	if err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	sum := sha256.Sum256(cert.Certificate[0])
	s.pin = hex.EncodeToString(sum[:])
	s.url = fmt.Sprintf("https://localhost:%d/", l.Addr().(*net.TCPAddr).Port)
	s.server = &http.Server{
		Handler: plain.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 1 << 16, ErrorLog: noLog,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	}
	go func() {
		defer close(s.done)
		_ = s.server.ServeTLS(l, "", "") // ErrServerClosed, by close
	}()
	return s, nil
}

func (s *seeds) close() error {
	err := s.plain.Close()
	if s.server != nil {
		_ = s.server.Close() // its listener is the only thing that could fail, and it is gone either way
		<-s.done
	}
	return err
}

// Seed returns the URL of the seed node over plain HTTP, with a slash at its end, as clients append json_rpc to it.
func (n *Network) Seed() string { return n.seeds.plain.URL() + "/" }

// SeedTLS returns the URL of the seed node over TLS and the SHA-256 of its certificate in DER, hex: the pin.
func (n *Network) SeedTLS() (url, pin string) { return n.seeds.url, n.seeds.pin }
