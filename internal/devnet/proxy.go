package devnet

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"onsight/internal/devnet/storage"
	"onsight/internal/onion"
)

// errNoHost says that a server's name leads nowhere.
var errNoHost = errors.New("no such host")

// newProxy makes the client with which a last hop asks servers (spec D.6). Names lead where the world says and nowhere else: a
// devnet asks no resolver and never leaves loopback, whatever a request names. Connections are not kept: nor does the real node.
func newProxy(w world) *http.Client {
	var dialer net.Dialer
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				host, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				if mapped, ok := w.host(host); ok {
					return dialer.DialContext(ctx, "tcp4", mapped)
				}
				if host == "localhost" {
					host = "127.0.0.1"
				}
				ip, err := netip.ParseAddr(host)
				if err != nil || !ip.Is4() || !ip.IsLoopback() {
					return nil, errNoHost
				}
				return dialer.DialContext(ctx, "tcp4", net.JoinHostPort(host, port))
			},
		},
	}
}

// askServer passes a layer on to a server and its answer back as it is (spec D.6).
func (n *Node) askServer(ctx context.Context, l onion.Layer) (storage.Reply, error) {
	if !validTarget(l.Protocol, l.Target) {
		return wrap(l.Reply, text(http.StatusBadRequest, "Invalid url"), false, true), nil
	}
	// The server gets 25 s where a next hop would get 30.
	limit := n.world.onionTimeout() * 25 / 30
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := serverRequest(within, l)
	if err != nil {
		return text(http.StatusBadGateway, "URL using bad/illegal format or missing URL"), nil
	}
	r.Header.Set("User-Agent", n.agent)
	begun := time.Now()
	reply, err := n.exchange(r)
	switch {
	case err == nil:
		return reply, nil
	case ctx.Err() != nil: // this node's own asker has gone
		return storage.Reply{}, ctx.Err()
	case within.Err() != nil:
		return text(http.StatusGatewayTimeout, fmt.Sprintf("Operation timed out after %d milliseconds", limit.Milliseconds())), nil
	}
	return text(http.StatusBadGateway, transportText(err, l, time.Since(begun))), nil
}

// serverRequest is what a layer has the node post. It goes to the layer's host and target and nowhere else, whatever these contain.
func serverRequest(ctx context.Context, l onion.Layer) (*http.Request, error) {
	address := l.Protocol + "://" + l.Host
	if l.Protocol == "https" && l.Port != 443 || l.Protocol == "http" && l.Port != 80 {
		address += ":" + strconv.Itoa(int(l.Port))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address+l.Target, bytes.NewReader(l.Plain))
	if err != nil {
		return nil, err
	}
	if r.URL.Hostname() != l.Host || r.URL.EscapedPath() != l.Target || r.URL.RawQuery != "" || r.URL.Fragment != "" || r.URL.User != nil {
		return nil, errors.New("the URL names something else")
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	return r, nil
}

// errTooLong says that a server's answer is longer than a client's request may be.
var errTooLong = errors.New("answer is too long")

// exchange sends a request to a server and reads its answer.
func (n *Node) exchange(r *http.Request) (storage.Reply, error) {
	response, err := n.proxy.Do(r)
	if err != nil {
		return storage.Reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRequest+1))
	switch {
	case err != nil:
		return storage.Reply{}, err
	case len(body) > maxRequest:
		return storage.Reply{}, errTooLong
	case response.StatusCode < 200: // nothing a node could answer with
		return storage.Reply{}, fmt.Errorf("status %d", response.StatusCode)
	}
	return storage.Reply{Status: response.StatusCode, Body: body, Type: storage.Text}, nil
}

// validTarget reports whether a node would ask a server for this (spec D.6).
func validTarget(protocol, target string) bool {
	return (protocol == "http" || protocol == "https") &&
		(strings.HasPrefix(target, "/loki/") || strings.HasPrefix(target, "/oxen/")) &&
		strings.HasSuffix(target, "/lsrpc") && !strings.Contains(target, "?")
}

// transportText says in the words of the real node's HTTP library what went wrong.
func transportText(err error, l onion.Layer, took time.Duration) string {
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errNoHost):
		return "Could not resolve host: " + l.Host
	case errors.As(err, &certificate):
		return "SSL peer certificate or SSH remote key was not OK"
	case errors.Is(err, errTooLong):
		return "Maximum file size exceeded"
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Sprintf("Failed to connect to %s port %d after %d ms: Couldn't connect to server", l.Host, l.Port, took.Milliseconds())
	}
	return "Failure when receiving data from the peer"
}
