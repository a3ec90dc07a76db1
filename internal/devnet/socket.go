package devnet

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

	pending sync.WaitGroup // commands under way
}

// OpenControl answers commands (see Control) on a unix socket that this user alone may use. A socket that nobody listens on any more is
// replaced. Where another network listens it fails, or elsewhere takes a path beside it.
func (n *Network) OpenControl(path string, elsewhere bool) (*ControlSocket, error) {
	l, err := listenControl(path, !elsewhere)
	if err != nil {
		return nil, err
	}
	s := &ControlSocket{path: l.Addr().String(), done: make(chan struct{})}
	control := n.Control()
	s.server = &http.Server{
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 5 * time.Minute, ErrorLog: noLog,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.pending.Add(1)
			defer s.pending.Done()
			control.ServeHTTP(w, r)
		}),
	}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(l) // ErrServerClosed, by Close
	}()
	return s, nil
}

// Path returns the path of the socket.
func (s *ControlSocket) Path() string { return s.path }

// Close removes the socket, cuts off who is talking to it and waits for what was commanded.
func (s *ControlSocket) Close() error {
	err := s.server.Close()
	<-s.done
	s.pending.Wait()
	return err
}

// DefaultSocket is where a network takes commands unless told otherwise, in a folder that is this user's alone: the given one
// (XDG_RUNTIME_DIR) or, if that is "", one in the folder for temporary files, which is made if it is not there.
func DefaultSocket(dir string) (string, error) {
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

// maxSocketPath is how long the path of a unix socket can be where it is shortest (sun_path of BSD: 104 with its end), less what
// tells several apart.
const maxSocketPath = 99

func listenControl(path string, asked bool) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("open the control socket: %s is longer than the %d bytes a system allows: name a shorter path", path, maxSocketPath)
	}
	stem := strings.TrimSuffix(path, ".sock")
	for i := 1; i <= maxSockets; i++ {
		if i > 1 {
			path = fmt.Sprintf("%s-%d.sock", stem, i)
		}
		l, err := net.Listen("unix", path)
		if errors.Is(err, syscall.EADDRINUSE) && isSocket(path) && !heard(path) {
			if err = os.Remove(path); err == nil {
				l, err = net.Listen("unix", path)
			}
		}
		switch {
		case err == nil:
			if err := os.Chmod(path, 0o600); err != nil {
				return nil, errors.Join(err, l.Close())
			}
			return l, nil
		case !errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("open the control socket: %w", err)
		case asked && !isSocket(path):
			return nil, fmt.Errorf("open the control socket: %s is something else: name another path", path)
		case asked:
			return nil, fmt.Errorf("open the control socket: a network listens on %s already: name another one", path)
		}
	}
	return nil, fmt.Errorf("open the control socket: %d networks have one already", maxSockets)
}

// isSocket tells whether there is a socket: nothing else is replaced.
func isSocket(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&os.ModeSocket != 0
}

// heard tells whether anybody listens on a socket.
func heard(path string) bool {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	return !errors.Is(err, syscall.ECONNREFUSED)
}
