package devnet

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// SocketEnv names the variable with the path of a running network's control socket.
const SocketEnv = "DEVNET_SOCKET"

// ControlSocket is where a running network takes commands. Close it.
type ControlSocket struct {
	path   string
	server *http.Server
	done   chan struct{}
}

// OpenControl answers commands (see Control) on a unix socket. With path "" it is the default one of this user or, if another network
// has that, one beside it. A socket that nobody listens on any more is replaced.
func (n *Network) OpenControl(path string) (*ControlSocket, error) {
	asked := path != ""
	if !asked {
		var err error
		if path, err = DefaultSocket(); err != nil {
			return nil, err
		}
	}
	l, err := listenControl(path, asked)
	if err != nil {
		return nil, err
	}
	s := &ControlSocket{path: l.Addr().String(), done: make(chan struct{}), server: &http.Server{
		Handler: n.Control(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, ErrorLog: noLog,
	}}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(l) // ErrServerClosed, by Close
	}()
	return s, nil
}

// Path returns the path of the socket.
func (s *ControlSocket) Path() string { return s.path }

// Close removes the socket and cuts off who is talking to it.
func (s *ControlSocket) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}

// DefaultSocket is where a network takes commands unless told otherwise, in a folder that is this user's alone: XDG_RUNTIME_DIR, or
// one in the folder for temporary files, which is made if it is not there.
func DefaultSocket() (string, error) {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("devnet-%d", os.Getuid()))
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return "", fmt.Errorf("make a folder for the control socket: %w", err)
		}
		if err := private(dir); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "devnet.sock"), nil
}

// private tells whether a folder is ours alone: whoever else could put a socket there could take our place.
func private(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || info.Mode().Perm()&0o077 != 0 || int(s.Uid) != os.Getuid() {
		return fmt.Errorf("%s is not a folder of this user alone: name another control socket", dir)
	}
	return nil
}

// maxSockets is how many networks of one user find a socket of their own.
const maxSockets = 100

func listenControl(path string, asked bool) (net.Listener, error) {
	stem := strings.TrimSuffix(path, ".sock")
	for i := 1; i <= maxSockets; i++ {
		if i > 1 {
			path = fmt.Sprintf("%s-%d.sock", stem, i)
		}
		l, err := net.Listen("unix", path)
		if errors.Is(err, syscall.EADDRINUSE) && !heard(path) {
			if err = os.Remove(path); err == nil {
				l, err = net.Listen("unix", path)
			}
		}
		switch {
		case err == nil:
			return l, os.Chmod(path, 0o600)
		case !errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("open the control socket: %w", err)
		case asked:
			return nil, fmt.Errorf("open the control socket: a network listens on %s already: name another one", path)
		}
	}
	return nil, fmt.Errorf("open the control socket: %d networks have one already", maxSockets)
}

// heard tells whether anybody listens on a socket.
func heard(path string) bool {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
