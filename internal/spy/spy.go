// Package spy is an HTTP proxy for tests that ends TLS itself and keeps all that is sent through it. No client of storage servers can
// notice it, since their certificates are signed by nobody: what it sees is what anybody on the way could.
package spy

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// authorization is that of the user "user" with the password "pass".
const authorization = "Basic dXNlcjpwYXNz"

// Spy is a running proxy. Close it.
type Spy struct {
	cert tls.Certificate
	l    net.Listener
	wg   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	seen   []Request
	open   map[net.Conn]bool
	closed bool
}

// Request is what was sent.
type Request struct {
	Host string // and port
	Path string
	Head string // all of the header, as fmt prints it
	Body []byte
}

// Start starts a proxy on a port of 127.0.0.1.
func Start() (*Spy, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("start spy: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("start spy: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start spy: %w", err)
	}
	s := &Spy{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, l: l, open: map[net.Conn]bool{}}
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.keep(conn)
			s.wg.Go(func() {
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	return s, nil
}

// Close ends all connections, and returns when nothing runs any more.
func (s *Spy) Close() error {
	err := s.l.Close()
	s.mu.Lock()
	for conn := range s.open {
		conn.Close()
	}
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

// keep has Close close a connection.
func (s *Spy) keep(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
	}
	s.open[conn] = true
}

// URL returns where it is, with the user and the password that it wants.
func (s *Spy) URL() *url.URL {
	return &url.URL{Scheme: "http", User: url.UserPassword("user", "pass"), Host: s.l.Addr().String()}
}

// Seen returns what was sent so far.
func (s *Spy) Seen() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.seen...)
}

func (s *Spy) serve(conn net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil || r.Method != http.MethodConnect {
		return
	}
	if r.Header.Get("Proxy-Authorization") != authorization {
		_, _ = io.WriteString(conn, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
		return
	}
	server, err := net.Dial("tcp", r.Host)
	if err != nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	defer server.Close()
	s.keep(server) // else Close would wait for an answer that a node withholds
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	in := bufio.NewReader(conn)
	first, err := in.Peek(1)
	if err != nil {
		return
	}
	var near, far io.ReadWriter = peeked{conn, in}, server
	if first[0] == 0x16 { // TLS
		near = tls.Server(peeked{conn, in}, &tls.Config{Certificates: []tls.Certificate{s.cert}})
		far = tls.Client(server, &tls.Config{InsecureSkipVerify: true}) // as all clients of storage servers do
	}
	s.relay(r.Host, near, far)
}

// relay hands requests on, one after the other.
func (s *Spy) relay(host string, near, far io.ReadWriter) {
	reader, back := bufio.NewReader(near), bufio.NewReader(far)
	for {
		q, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.seen = append(s.seen, Request{Host: host, Path: q.URL.Path, Head: fmt.Sprint(q.Header), Body: body})
		s.mu.Unlock()
		again, err := http.NewRequest(q.Method, "http://"+host+q.URL.Path, strings.NewReader(string(body)))
		if err != nil {
			return
		}
		again.Header = q.Header
		if again.Write(far) != nil {
			return
		}
		reply, err := http.ReadResponse(back, again)
		if err != nil {
			return
		}
		if reply.Write(near) != nil {
			return
		}
	}
}

// peeked is a connection of which some was read.
type peeked struct {
	net.Conn
	r io.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// Direct returns what is wrong with requests that a messenger may send to nobody directly, in words: whatever is neither an onion, nor
// a future guard's info, nor a request for the list of nodes, and whatever holds one of the secrets.
func Direct(seen []Request, secrets ...string) (wrong []string) {
	for _, q := range seen {
		switch q.Path {
		case "/onion_req/v2":
		case "/storage_rpc/v1":
			if string(q.Body) != `{"method":"info","params":{}}` {
				wrong = append(wrong, fmt.Sprintf("sent to a node directly: %s", q.Body))
			}
		case "/json_rpc":
			if !strings.Contains(string(q.Body), "get_n_service_nodes") {
				wrong = append(wrong, fmt.Sprintf("sent to a seed node: %s", q.Body))
			}
		default:
			wrong = append(wrong, fmt.Sprintf("sent to %s: %s", q.Path, q.Body))
		}
		for _, secret := range secrets {
			if strings.Contains(string(q.Body)+q.Head, secret) {
				wrong = append(wrong, fmt.Sprintf("%q was sent outside an onion to %s", secret, q.Path))
			}
		}
	}
	return wrong
}
