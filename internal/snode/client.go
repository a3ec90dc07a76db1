package snode

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

var (
	// ErrAnswer means that what came back is not a storage server's answer.
	ErrAnswer = errors.New("not a storage server's answer")
	// ErrTooLarge means that an answer went on beyond what is read of one.
	ErrTooLarge = errors.New("answer is too large")
)

// StatusError is an answer that is not 200. Reason is one of messaging.md C.1's for a node that is not ready, else "": what
// else a server writes there is its own invention.
type StatusError struct {
	Status int
	Reason string
}

func (e *StatusError) Error() string {
	if e.Reason != "" {
		return fmt.Sprintf("answered %d: %s", e.Status, e.Reason)
	}
	return fmt.Sprintf("answered %d", e.Status)
}

// ReasonNoSwarm is the StatusError.Reason of a server that the chain gives nothing to keep: its node is not staked, or decommissioned.
const ReasonNoSwarm = "not in any swarm"

// unready are the reasons a server gives for not being ready.
var unready = [...]string{"not yet on hardfork 19.3", ReasonNoSwarm, "not done syncing", "shutting down"}

// Client asks storage servers over HTTPS, one connection a question. It knows no names, proxies, redirects or cookies, and
// says nothing of itself. The zero Client is ready; it may be used by many goroutines at once, and nothing keeps running
// when a method has returned.
type Client struct {
	// Dial connects. Nil: a net.Dialer. It must heed its context.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Timeout of one question, from the first packet to the last byte. Zero: 5 s, what official clients give info.
	Timeout time.Duration
	// MaxReply is how many bytes of an answer are read, its header included. Zero: 16 KiB.
	MaxReply int64
	// Now is the clock that a server's is compared with. Nil: time.Now. Times that pass are always the real ones.
	Now func() time.Time
}

// Timings are how long the steps of a question took, each by itself. Those that were not come to, or failed, are -1.
type Timings struct {
	TCP     time.Duration // to an open connection
	TLS     time.Duration // handshake
	Request time.Duration // from sending the request to the last byte of the answer
}

// Info is what a storage server says of itself. Nobody vouches for any of it, nor for who said it: see TLSConfig.
type Info struct {
	Version [3]uint16
	Offset  time.Duration // its clock less ours, assuming that it read it half-way through the request
}

// TLSConfig is how all connections to storage servers are made. Their certificates are of their own making, for any key and
// the name localhost, and say nothing of the node's keys (messaging.md C.1), so nothing could be verified: TLS keeps what is
// sent from those who only listen. What must be authentic is signed or sealed within; anything else may be anybody's word. No
// name is sent, and no session is kept by which a server would know us again.
func TLSConfig() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}
}

// The request that asks for info, but for the host.
const (
	infoHead = "POST /storage_rpc/v1 HTTP/1.1\r\nHost: "
	infoTail = "\r\nContent-Type: application/json\r\nContent-Length: 29\r\nConnection: close\r\n\r\n" + `{"method":"info","params":{}}`
)

// Info asks a server for info. The timings are those of the steps that succeeded, whatever the error. The error wraps
// ErrAnswer, ErrTooLarge, a *StatusError, or what the network said: os.ErrDeadlineExceeded or context.DeadlineExceeded when
// the server took too long, the context's own error when that ended.
func (c *Client) Info(ctx context.Context, at netip.AddrPort) (Info, Timings, error) {
	took := Timings{TCP: -1, TLS: -1, Request: -1}
	end := time.Now().Add(c.timeout())
	begun := time.Now()
	raw, err := c.dial(ctx, at, end)
	if err != nil {
		return Info{}, took, fmt.Errorf("connect: %w", err)
	}
	defer raw.Close()
	took.TCP = time.Since(begun)
	if err := raw.SetDeadline(end); err != nil {
		return Info{}, took, fmt.Errorf("connect: %w", err)
	}
	defer interrupt(ctx, raw)()

	begun = time.Now()
	conn := tls.Client(raw, TLSConfig())
	if err := conn.Handshake(); err != nil { // the context ends it through raw, for which TLS would start a goroutine
		return Info{}, took, fmt.Errorf("TLS: %w", cause(ctx, err))
	}
	took.TLS = time.Since(begun)

	sent := c.now()
	begun = time.Now()
	reply, err := c.exchange(conn, infoHead+at.String()+infoTail)
	if err != nil {
		return Info{}, took, fmt.Errorf("info: %w", cause(ctx, err))
	}
	passed := time.Since(begun)
	info, err := parseInfo(reply, sent.Add(passed/2))
	if err != nil {
		return Info{}, took, fmt.Errorf("info: %w", err)
	}
	took.Request = passed
	return info, took, nil
}

// Connect opens a connection and closes it again, and returns how long opening it took.
func (c *Client) Connect(ctx context.Context, at netip.AddrPort) (time.Duration, error) {
	begun := time.Now()
	conn, err := c.dial(ctx, at, begun.Add(c.timeout()))
	if err != nil {
		return -1, fmt.Errorf("connect: %w", err)
	}
	took := time.Since(begun)
	_ = conn.Close() // there was nothing to lose
	return took, nil
}

func (c *Client) timeout() time.Duration { return cmp.Or(c.Timeout, 5*time.Second) }

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) dial(ctx context.Context, at netip.AddrPort, end time.Time) (net.Conn, error) {
	whole := ctx
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: -1}).DialContext // no connection lives long enough for it
	}
	conn, err := dial(ctx, "tcp", at.String())
	if err != nil {
		return nil, cause(whole, err)
	}
	return conn, nil
}

// interrupt makes whatever waits on conn give up when ctx ends. What it returns undoes that.
func interrupt(ctx context.Context, conn net.Conn) (stop func()) {
	done := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !unhook() {
			<-done
		}
	}
}

// cause is the context's error where that is why an operation failed.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// exchange sends a request and returns the body of a 200.
func (c *Client) exchange(conn io.ReadWriter, request string) ([]byte, error) {
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: conn, N: cmp.Or(c.MaxReply, 16<<10)}
	body, err := readReply(bufio.NewReaderSize(limited, 1<<10))
	if limited.N <= 0 {
		return nil, ErrTooLarge
	}
	return body, err
}

func readReply(r *bufio.Reader) ([]byte, error) {
	reply, err := http.ReadResponse(r, &http.Request{Method: http.MethodPost})
	if err != nil {
		return nil, wireError(err)
	}
	defer reply.Body.Close() // reads no more than what is limited
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return nil, wireError(err)
	}
	if reply.StatusCode == http.StatusOK {
		return body, nil
	}
	refused := &StatusError{Status: reply.StatusCode}
	for _, reason := range unready {
		if strings.Contains(string(body), reason) {
			refused.Reason = reason
		}
	}
	return nil, refused
}

// wireError tells an answer that makes no sense from a connection that failed. The words for the former would quote it.
func wireError(err error) error {
	var network net.Error
	var record tls.RecordHeaderError
	if errors.As(err, &network) || errors.As(err, &record) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return ErrAnswer
}

// maxMillis is the end of the year 9999, beyond which no clock is taken at its word.
const maxMillis = 253402300799999

func parseInfo(body []byte, now time.Time) (Info, error) {
	var v struct {
		Version   []uint16 `json:"version"`
		Timestamp *int64   `json:"timestamp"`
	}
	if err := json.Unmarshal(body, &v); err != nil || v.Timestamp == nil || *v.Timestamp < 0 || *v.Timestamp > maxMillis ||
		len(v.Version) > len(Info{}.Version) {
		return Info{}, ErrAnswer
	}
	var info Info
	copy(info.Version[:], v.Version)
	info.Offset = time.UnixMilli(*v.Timestamp).Sub(now) // at most some 292 years, more does not fit
	return info, nil
}
