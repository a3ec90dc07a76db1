package oxend

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Config says which daemon to talk to, and how. Only URL is needed.
type Config struct {
	// URL of the daemon: host:port, http://host:port or https://host:port, with or without /json_rpc (the default
	// path). It may carry user:password@ for HTTP Basic; neither is ever shown.
	URL string
	// AllowPlain permits plain HTTP to a host that is not loopback. Set it when the user named that URL.
	AllowPlain bool
	// PinSHA256 are the acceptable SHA-256 digests of the server's leaf certificate (32 bytes each). When given,
	// nothing else is verified: not the name, not the time, not the chain. Empty: ordinary verification.
	PinSHA256 [][]byte
	// HTTP replaces the client's own HTTP client. Redirects are refused all the same. It excludes PinSHA256.
	HTTP *http.Client
	// Timeout of one attempt, from sending to the last byte; waiting for the limits below is not counted. Zero: 30 s.
	Timeout time.Duration
	// MaxReply is the largest reply accepted, in bytes. Zero: 32 MiB.
	MaxReply int64
	// Connections is how many requests may be under way at once. Zero: 4 on loopback, 2 elsewhere.
	Connections int
	// Rate is how many requests a second may be sent. Zero: no limit on loopback, 4 elsewhere. Negative: no limit.
	Rate float64
	// Attempts is how often a request is tried when the transport fails or the daemon is busy. Zero: 3.
	Attempts int
	// Log receives one debug line per attempt. Nil: silent.
	Log *slog.Logger
	// Now is the clock of those lines. Nil: time.Now.
	Now func() time.Time
}

// Client talks to one daemon. Its methods may be used by many goroutines at once; each returns only after its
// request ended or its context did, and nothing keeps running afterwards.
type Client struct {
	url      string // what is posted to
	name     string // what is shown: no credentials, no query
	user     *url.Userinfo
	http     *http.Client
	timeout  time.Duration
	max      int64
	attempts int
	slots    chan struct{}
	limit    *rate.Limiter
	pause    time.Duration // before the second attempt; doubles after each
	log      *slog.Logger
	now      func() time.Time

	mu      sync.Mutex // guards what follows
	dialect Dialect    // zero: not known
	server  string     // Server header of the last reply: a change means another daemon answers
}

// New checks c and returns a client; it sends nothing yet.
func New(c Config) (*Client, error) {
	u, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	loop := loopback(u.Hostname())
	if u.Scheme == "http" && !loop && !c.AllowPlain {
		return nil, fmt.Errorf("%s: plain HTTP to another machine must be asked for: write http:// before the host if you accept that it is not encrypted", display(u))
	}
	if len(c.PinSHA256) > 0 && (c.HTTP != nil || u.Scheme != "https") {
		return nil, fmt.Errorf("%s: a pinned certificate needs https and excludes an HTTP client of one's own", display(u))
	}
	for _, p := range c.PinSHA256 {
		if len(p) != sha256.Size {
			return nil, fmt.Errorf("%s: a pin has %d bytes, want %d", display(u), len(p), sha256.Size)
		}
	}
	conns, persec := 2, 4.0
	if loop {
		conns, persec = 4, -1
	}
	if c.Connections > 0 {
		conns = c.Connections
	}
	persec = cmp.Or(c.Rate, persec)
	cl := &Client{
		name:     display(u),
		user:     u.User,
		timeout:  cmp.Or(c.Timeout, 30*time.Second),
		max:      cmp.Or(c.MaxReply, 32<<20),
		attempts: max(1, cmp.Or(c.Attempts, 3)),
		slots:    make(chan struct{}, conns),
		limit:    rate.NewLimiter(rate.Inf, 1),
		pause:    100 * time.Millisecond,
		log:      c.Log,
		now:      c.Now,
	}
	u.User = nil
	cl.url = u.String()
	if persec > 0 {
		cl.limit = rate.NewLimiter(rate.Limit(persec), max(1, int(persec)))
	}
	if cl.log == nil {
		cl.log = slog.New(slog.DiscardHandler)
	}
	if cl.now == nil {
		cl.now = time.Now
	}
	h := http.Client{Transport: transport(conns, c.PinSHA256)}
	if c.HTTP != nil {
		h = *c.HTTP
	}
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cl.http = &h
	return cl, nil
}

// String returns the daemon's URL without credentials and query.
func (c *Client) String() string { return c.name }

// CloseIdle closes connections that no request uses. The client stays usable.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

func parseURL(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		// The text of url.Parse's error quotes the URL, and with it the password.
		return nil, errors.New("daemon URL is malformed: want host:port or http://host:port/json_rpc")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("daemon URL has scheme %q: want http or https", oneLine(u.Scheme))
	}
	if u.Hostname() == "" {
		return nil, errors.New("daemon URL names no host: want host:port or http://host:port/json_rpc")
	}
	// oxend answers 404 to /json_rpc/ (recorded).
	if u.Path = strings.TrimRight(u.Path, "/"); u.Path == "" {
		u.Path = "/json_rpc"
	}
	u.RawPath, u.Fragment, u.RawFragment = "", "", ""
	return u, nil
}

func display(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// errPin is wrapped when a server shows a certificate that is not pinned. Asking again would not help.
var errPin = errors.New("the server's certificate is not the pinned one")

func transport(conns int, pins [][]byte) *http.Transport {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxConnsPerHost:     conns,
		MaxIdleConnsPerHost: conns,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true, // a compressed reply could be larger than it looks
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if len(pins) == 0 {
		return t
	}
	// The seeds show self-signed certificates (spec D.6). The handshake still proves possession of the key.
	t.TLSClientConfig.InsecureSkipVerify = true
	t.TLSClientConfig.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errPin
		}
		got := sha256.Sum256(s.PeerCertificates[0].Raw)
		for _, p := range pins {
			if subtle.ConstantTimeCompare(got[:], p) == 1 {
				return nil
			}
		}
		return errPin
	}
	return t
}
