package devnet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// The bounds of a node's connections. Only the onion request's 30 s come from a real server (spec D.7); an answer's time is counted
// from the moment it is being written, so that a delay does not eat it up.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	acceptPause   = 50 * time.Millisecond
	maxGreeted    = 256 // connections to the OMQ port at a time
)

// uptime is one stretch of time in which a node listens.
type uptime struct {
	ctx    context.Context // ends with it
	cancel context.CancelFunc
	server *http.Server
	omq    net.Listener
	wait   sync.WaitGroup // everything that runs
	conns  sync.WaitGroup // HTTPS connections
}

// listen starts a new uptime, on the ports the node had in the last. n.mu is held, or n is not shared yet.
func (n *Node) listen() error {
	https, err := n.bind(&n.https)
	if err != nil {
		return err
	}
	omq, err := n.bind(&n.omq)
	if err != nil {
		return errors.Join(err, https.Close())
	}
	u := &uptime{omq: omq}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	u.server = &http.Server{
		Handler: http.HandlerFunc(n.serve), BaseContext: func(net.Listener) context.Context { return u.ctx },
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{n.certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		Protocols: new(http.Protocols), // no HTTP/2: the real server has none
		ErrorLog:  noLog,
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				u.conns.Add(1)
			case http.StateClosed:
				u.conns.Done()
			}
		},
	}
	u.server.Protocols.SetHTTP1(true)
	u.wait.Go(func() { _ = u.server.ServeTLS(https, "", "") }) // ErrServerClosed, by hangUp
	u.wait.Go(u.greet)
	n.up.Store(u)
	n.log.Debug("node listens")
	return nil
}

// bind listens on a port of the node's address; a zero one is set to what the system chose.
func (n *Node) bind(port *uint16) (net.Listener, error) {
	l, err := net.Listen("tcp4", netip.AddrPortFrom(n.ip, *port).String())
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if *port == 0 { // later the ports are read while a node comes up
		*port = l.Addr().(*net.TCPAddr).AddrPort().Port()
	}
	return l, nil
}

// hangUp ends the uptime, if there is one: the listeners close, connections are cut, requests in work are given up. n.mu is held.
func (n *Node) hangUp() error {
	u := n.up.Swap(nil)
	if u == nil {
		return nil
	}
	u.cancel()
	err := errors.Join(u.server.Close(), u.omq.Close())
	u.wait.Wait()
	// A connection accepted while Close ran may have escaped it; now no more can come.
	err = errors.Join(err, u.server.Close())
	u.conns.Wait()
	n.log.Debug("node does not listen")
	return err
}

// greet answers whoever connects to the OMQ port with the signature of a ZMTP 3 greeting, which says that something is there.
// Nothing of this network speaks more on that port.
func (u *uptime) greet() {
	slots := make(chan struct{}, maxGreeted)
	for {
		conn, err := u.omq.Accept()
		if err != nil {
			select {
			case <-u.ctx.Done():
				return
			case <-time.After(acceptPause): // out of files, say
				continue
			}
		}
		select {
		case slots <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		u.wait.Go(func() {
			defer func() { <-slots }()
			defer conn.Close()
			stop := context.AfterFunc(u.ctx, func() { _ = conn.Close() })
			defer stop()
			if conn.SetDeadline(time.Now().Add(headerTimeout)) != nil {
				return
			}
			if _, err := conn.Write([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f}); err == nil {
				_, _ = io.Copy(io.Discard, io.LimitReader(conn, 1<<10)) // until the other side hangs up
			}
		})
	}
}
