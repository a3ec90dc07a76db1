package client

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

// ErrProxy means that a proxy is of no kind that is known, or would not connect us.
var ErrProxy = errors.New("proxy")

// dial connects to host:port. It heeds its context.
type dial func(ctx context.Context, network, address string) (net.Conn, error)

// newDial returns how connections are made: directly, or by way of a proxy, which is told the names of hosts, so that nobody else is.
func newDial(by *url.URL) (dial, error) {
	direct := &net.Dialer{KeepAlive: -1} // questions are asked more often than it would ask
	if by == nil {
		return direct.DialContext, nil
	}
	if by.Hostname() == "" {
		return nil, fmt.Errorf("%w: no host: write socks5://host:port or http://host:port", ErrProxy)
	}
	switch by.Scheme {
	case "socks5", "socks5h":
		var auth *proxy.Auth
		if by.User != nil {
			password, _ := by.User.Password()
			auth = &proxy.Auth{User: by.User.Username(), Password: password}
		}
		d, err := proxy.SOCKS5("tcp", hostPort(by, "1080"), auth, direct)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrProxy, err)
		}
		return d.(proxy.ContextDialer).DialContext, nil
	case "http":
		return tunnel{direct, hostPort(by, "3128"), by.User}.dial, nil
	}
	return nil, fmt.Errorf("%w: no kind %q: use socks5 or http", ErrProxy, by.Scheme)
}

func hostPort(u *url.URL, port string) string {
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// tunnel is an HTTP proxy that is asked to CONNECT.
type tunnel struct {
	direct *net.Dialer
	at     string
	user   *url.Userinfo
}

func (t tunnel) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.direct.DialContext(ctx, network, t.at)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProxy, err)
	}
	if err := t.connect(ctx, conn, address); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func (t tunnel) connect(ctx context.Context, conn net.Conn, address string) error {
	defer interrupt(ctx, conn)()
	head := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if t.user != nil {
		password, _ := t.user.Password()
		head += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(t.user.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return cause(ctx, fmt.Errorf("%w: %w", ErrProxy, err))
	}
	if err := readConnect(conn); err != nil {
		return cause(ctx, err)
	}
	return nil
}

// readConnect reads a proxy's answer to CONNECT, and nothing of what follows.
func readConnect(conn io.Reader) error {
	// Byte by byte up to the empty line: what follows is the server's.
	r := bufio.NewReaderSize(&slow{r: io.LimitReader(conn, 16<<10)}, 16)
	reply, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return fmt.Errorf("%w: no answer to CONNECT", ErrProxy)
	}
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: answered %d to CONNECT", ErrProxy, reply.StatusCode)
	}
	return nil
}

// slow reads one byte at a time.
type slow struct{ r io.Reader }

func (s *slow) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	return s.r.Read(b[:1])
}

// interrupt makes whatever waits on conn give up when ctx ends. What it returns undoes that.
func interrupt(ctx context.Context, conn net.Conn) (stop func()) {
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	done := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !unhook() {
			<-done
		}
		if ctx.Err() == nil {
			_ = conn.SetDeadline(time.Time{})
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
