package devnet

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/onion"
)

// fileServer is a server that speaks v4 as real ones do: it answers each request with what it was asked.
func fileServer(t testing.TB, secret *ecdh.PrivateKey) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got := []string{r.Method, r.RequestURI, r.Header.Get("Content-Type"), r.UserAgent(), r.Header.Get("Accept-Encoding")}
		if diff := cmp.Diff([]string{"POST", "/oxen/v4/lsrpc", "application/octet-stream", "Oxen Storage Server/2.11.0", ""}, got); diff != "" {
			t.Errorf("a node asks (-want +got):\n%s", diff)
		}
		part, err := onion.ParsePart(body) // what stands beside the ciphertext is the last hop's whole control JSON
		if err != nil {
			t.Errorf("the posted bytes: %v", err)
			return
		}
		ephemeral, err := ecdh.X25519().NewPublicKey(part.Ephemeral[:])
		if err != nil {
			t.Error(err)
			return
		}
		key, err := onion.ServerKey(part.Encryption, secret, ephemeral)
		if err != nil {
			t.Error(err)
			return
		}
		plain, err := key.Open(part.Ciphertext)
		if err != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		request, err := onion.ParseRequest(plain)
		if err != nil {
			t.Error(err)
			return
		}
		sealed, err := key.Seal(nil, onion.EncodeResponse(onion.Response{
			Code: 200, Headers: map[string]string{"content-type": "application/octet-stream"},
			Body: append([]byte(request.Method+" "+request.Endpoint+" "), request.Body...),
		}))
		if err != nil {
			t.Error(err)
		}
		_, _ = rw.Write(sealed)
	}))
	t.Cleanup(s.Close)
	return s
}

func addrPort(t testing.TB, raw string) netip.AddrPort {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	a, err := netip.ParseAddrPort(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestProxyToServer(t *testing.T) {
	t.Parallel()
	w := newTown(t, 3)
	c := newClient(t)
	secret, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := addrPort(t, fileServer(t, secret).URL)
	w.change(func() { w.names = map[string]string{"filev2.getsession.org": at.String()} })
	large := strings.Repeat("x", 10_000_000) // the longest file there may be
	for _, e := range []onion.Encryption{onion.AESGCM, onion.XChaCha20} {
		for _, dest := range []onion.Server{
			{X25519: secret.PublicKey(), Host: "127.0.0.1", Target: "/oxen/v4/lsrpc", Protocol: "http", Port: at.Port()},
			{X25519: secret.PublicKey(), Host: "filev2.getsession.org", Target: "/oxen/v4/lsrpc", Protocol: "http"},
			{X25519: secret.PublicKey(), Host: "filev2.getsession.org", Target: "/oxen/v4/lsrpc", Protocol: "http", Port: 8080},
			{X25519: secret.PublicKey(), Host: "localhost", Target: "/oxen/v4/lsrpc", Protocol: "http", Port: at.Port()},
		} {
			payloads := []string{"", "hello"}
			if dest.Port == 8080 {
				payloads = append(payloads, large)
			}
			for _, payload := range payloads {
				t.Run(fmt.Sprint(e, dest.Host, dest.Port, len(payload)), func(t *testing.T) {
					request := onion.Request{Method: "POST", Endpoint: "/file?a=b", Body: []byte(payload)}
					if payload == "" {
						request.Method = "GET"
					}
					body, key, err := onion.WrapServer(nil, e, w.hops(t, 0, 1, 2), dest, onion.EncodeRequest(request))
					if err != nil {
						t.Fatal(err)
					}
					a := mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, body)
					if a.status != 200 {
						t.Fatal(a)
					}
					got, err := onion.OpenResponse(key, a.body)
					if want := request.Method + " /file?a=b " + payload; err != nil || got.Code != 200 || string(got.Body) != want {
						t.Errorf("got %d %.60q, %v, want 200 %.60q", got.Code, got.Body, err, want)
					}
				})
			}
		}
	}
}

func TestProxyRefusals(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	c := newClient(t)
	for _, control := range []string{
		`{"host":"127.0.0.1","target":"/not/allowed","port":9,"protocol":"http"%s}`, // recorded
		`{"host":"127.0.0.1","target":"/oxen/v4/lsrpc/","protocol":"http"%s}`,
		`{"host":"127.0.0.1","target":"/oxen/v4?/lsrpc","protocol":"http"%s}`,
		`{"host":"127.0.0.1","target":"oxen/v4/lsrpc","protocol":"http"%s}`,
		`{"host":"127.0.0.1","target":"/oxen/v4/lsrpc","protocol":"ftp"%s}`,
		`{"host":"127.0.0.1","target":"/oxen/v4/lsrpc","protocol":"HTTP"%s}`,
	} {
		body, key := sealFor(t, hop(t, w.nodes[0]), onion.Frame([]byte("x"), fmt.Appendf(nil, control, "")))
		wantInner(t, mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, body), key, 400, "Invalid url")
	}
}

// TestProxyAnswers: whatever the server says comes back as it is, and what goes wrong in the words of the real node's library.
func TestProxyAnswers(t *testing.T) {
	t.Parallel()
	w := newTown(t, 2)
	c := newClient(t)
	unblock := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		what, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/oxen/"), "/")
		switch what {
		case "redirect":
			http.Redirect(rw, r, "http://192.0.2.1/", http.StatusFound)
		case "stall":
			<-unblock
		case "cut":
			panic(http.ErrAbortHandler)
		case "huge":
			_, _ = rw.Write(make([]byte, maxRequest+1))
		case "empty":
		default:
			status, err := strconv.Atoi(what)
			if err != nil {
				t.Error(err)
			}
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte{0, 0xff, '<'})
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(unblock) })
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = silent()
	secure.StartTLS()
	t.Cleanup(secure.Close)
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().(*net.TCPAddr).Port
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	plain, tlsPort := int(addrPort(t, server.URL).Port()), int(addrPort(t, secure.URL).Port())
	for _, test := range []struct {
		what, host, protocol string
		port, status         int
		want                 string // a regular expression
	}{
		{"200", "127.0.0.1", "http", plain, 200, "^\x00\\C<$"},
		{"404", "127.0.0.1", "http", plain, 404, "^\x00\\C<$"},
		{"500", "127.0.0.1", "http", plain, 500, "^\x00\\C<$"},
		{"empty", "127.0.0.1", "http", plain, 200, `^$`},
		{"redirect", "127.0.0.1", "http", plain, 302, ``},
		{"stall", "127.0.0.1", "http", plain, 504, `^Operation timed out after 500 milliseconds`},
		{"cut", "127.0.0.1", "http", plain, 502, `^Failure when receiving data from the peer$`},
		{"huge", "127.0.0.1", "http", plain, 502, `^Maximum file size exceeded$`},
		{"closed", "127.0.0.1", "http", nobody, 502, fmt.Sprintf(`^Failed to connect to 127\.0\.0\.1 port %d after \d+ ms: Couldn't connect to server$`, nobody)},
		{"self-signed", "127.0.0.1", "https", tlsPort, 502, `^SSL peer certificate or SSH remote key was not OK$`},
		{"unknown", "example.org", "http", 80, 502, `^Could not resolve host: example\.org$`},
		{"outside", "192.0.2.1", "http", 80, 502, `^Could not resolve host: 192\.0\.2\.1$`},
		{"two-hosts", "127.0.0.1/oxen?", "http", plain, 502, `^URL using bad/illegal format or missing URL$`},
		{"two-users", "user@127.0.0.1", "http", plain, 502, `^URL using bad/illegal format or missing URL$`},
		{"no-host", "", "http", plain, 502, `^Could not resolve host: $`},
	} {
		t.Run(test.what, func(t *testing.T) {
			w.change(func() {
				w.patient = 30 * time.Second
				if test.what == "stall" {
					w.patient = 600 * time.Millisecond // and so half a second for a server
				}
			})
			dest := onion.Server{
				X25519: hop(t, w.nodes[0]).X25519, Host: test.host, Target: "/oxen/" + test.what + "/lsrpc", Protocol: test.protocol, Port: uint16(test.port),
			}
			body, _, err := onion.WrapServer(nil, onion.AESGCM, w.hops(t, 0, 1), dest, []byte("payload"))
			if err != nil {
				t.Fatal(err)
			}
			a := mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, body)
			if a.status != test.status || !regexp.MustCompile(strings.Replace(test.want, `\C`, `[^a]`, 1)).Match(a.body) {
				t.Errorf("got %v, want %d %s", a, test.status, test.want)
			}
			if got := a.header.Get("Location"); got != "" {
				t.Errorf("the server's header %q comes back", got)
			}
		})
	}
}

func FuzzProxyRequest(f *testing.F) {
	f.Add("http", "127.0.0.1", uint16(80), "/oxen/v4/lsrpc")
	f.Add("https", "example.org", uint16(8443), "/loki/v3/lsrpc")
	f.Add("http", "a@b", uint16(1), "/oxen/%2e%2e/#/lsrpc")
	f.Add("http", "[::1]", uint16(0), "/oxen/\r\nHost: x/lsrpc")
	f.Add("http", "127.0.0.1:9/oxen?", uint16(80), "/oxen/v4/lsrpc")
	f.Fuzz(func(t *testing.T, protocol, host string, port uint16, target string) {
		if !validTarget(protocol, target) {
			return
		}
		r, err := serverRequest(t.Context(), onion.Layer{Protocol: protocol, Host: host, Port: port, Target: target, Plain: []byte("x")})
		if err != nil {
			return
		}
		var b strings.Builder
		if err := r.Write(&b); err != nil {
			return // a host that cannot be written is not asked either
		}
		line, _, _ := strings.Cut(b.String(), "\r\n")
		if want := "POST " + target + " HTTP/1.1"; line != want || r.Method != http.MethodPost || r.URL.Hostname() != host || r.URL.Scheme != protocol {
			t.Errorf("%q %q %d %q asks %s for %q", protocol, host, port, target, r.URL, line)
		}
		if strings.Count(b.String(), "\r\n\r\n") != 1 || !strings.HasSuffix(b.String(), "\r\n\r\nx") {
			t.Errorf("%q %q %d %q writes %q", protocol, host, port, target, b.String())
		}
	})
}
