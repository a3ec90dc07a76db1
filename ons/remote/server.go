package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"onsight/ons"
)

// Bounds of a reply.
const (
	shortTime    = 15 * time.Second
	shortReply   = 1 << 20         // bytes: of a status, a record, a page of a history
	rangeReply   = 64 << 20        // bytes: of a part of the registry
	registryTime = 5 * time.Minute // for all of it
	registry     = 512 << 20       // bytes: of all of it
	bundle       = 256 << 20       // bytes: of a bundle, some 20 times the largest registry we know of
)

// Config is which server is asked, and how.
type Config struct {
	URL  *url.URL     // http or https; a path in it is where the server's begin
	HTTP *http.Client // what carries the requests; nil: http.DefaultTransport. Redirects are not followed, whatever it says
}

// Server is an onsight server, or a file host with an export. It may be used concurrently.
type Server struct {
	base    *url.URL
	client  http.Client
	network ons.Network
	ready   bool
	files   *files // nil: a server
}

// files is what a file host has.
type files struct {
	Version int    `json:"version"` // of the layout
	At      string `json:"at"`      // the folder
	Digest  string `json:"digest"`  // of the bundle
	offer
}

// Point is the block that an answer is true of.
type Point struct {
	Height uint64
	Hash   ons.Txid
	Time   time.Time // of the block
}

// Ask asks a server what it has. That tells it nothing but that it was asked. The error wraps ons.ErrUnavailable.
func Ask(ctx context.Context, cfg Config) (*Server, error) {
	s := &Server{base: cfg.URL}
	if cfg.HTTP != nil {
		s.client = *cfg.HTTP
	}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var status struct {
		Network string `json:"network"`
		Ready   bool   `json:"ready"`
		Files   *files `json:"files"`
	}
	if err := s.get(ctx, &status, shortReply, shortTime, "v1", "status"); err != nil {
		return nil, s.here(err)
	}
	network, err := ons.ParseNetwork(status.Network)
	if err != nil {
		return nil, fmt.Errorf("%s: names no network: %w", s.Host(), ons.ErrUnavailable)
	}
	if f := status.Files; f != nil && (f.Version != 1 || !folder.MatchString(f.At)) {
		return nil, fmt.Errorf("%s: its files are of a form that is not known here: %w", s.Host(), ons.ErrUnavailable)
	}
	s.network, s.ready, s.files = network, status.Ready, status.Files
	return s, nil
}

// folder is what a folder of a file host may be called.
var folder = regexp.MustCompile(`^[0-9a-f-]{1,100}$`)

// Host returns the server's name, and port if it is in the URL: for errors and logs.
func (s *Server) Host() string { return s.base.Host }

// Network returns the network whose names the server has.
func (s *Server) Network() ons.Network { return s.network }

// Ready reports whether the server said that it knows the newest blocks. Without them it cannot tell what is not registered.
// A file host says so of when its files were written: how long ago that was, an answer's Point tells.
func (s *Server) Ready() bool { return s.ready }

// Files reports whether it is a file host.
func (s *Server) Files() bool { return s.files != nil }

// get reads one reply as JSON.
func (s *Server) get(ctx context.Context, v any, most int64, within time.Duration, path ...string) error {
	return s.getURL(ctx, v, most, within, s.base.JoinPath(path...))
}

func (s *Server) getURL(ctx context.Context, v any, most int64, within time.Duration, u *url.URL) error {
	body, err := s.body(ctx, u, most, within)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return s.strange()
	}
	return nil
}

// here is err, unless that says that a name is not there: what was asked for always is.
func (s *Server) here(err error) error {
	if errors.Is(err, ons.ErrNotFound) {
		return s.strange()
	}
	return err
}

// strange is the error about a reply that makes no sense.
func (s *Server) strange() error {
	return fmt.Errorf("%s: the reply is not what an onsight server says: %w", s.Host(), ons.ErrUnavailable)
}

// body reads one reply. A 404 with the code not_registered is the only one that wraps ons.ErrNotFound.
func (s *Server) body(ctx context.Context, u *url.URL, most int64, within time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", s.Host(), ons.ErrUnavailable, WithoutURL(err))
	}
	req.Header.Set("Accept-Encoding", "identity") // what is compressed shows by its size what it is
	res, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", s.Host(), ons.ErrUnavailable, WithoutURL(err))
	}
	defer res.Body.Close()
	body, err := read(res, most)
	if errors.Is(err, ons.ErrBundle) {
		return nil, fmt.Errorf("%s: %w: %w", s.Host(), ons.ErrUnavailable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: the reply is cut short or too large: %w", s.Host(), ons.ErrUnavailable)
	}
	if res.StatusCode == http.StatusOK {
		return body, nil
	}
	var problem struct {
		Code string    `json:"code"`
		AsOf wirePoint `json:"as_of"`
	}
	if err := json.Unmarshal(body, &problem); err == nil && res.StatusCode == http.StatusNotFound && problem.Code == "not_registered" {
		if _, err := problem.AsOf.point(); err != nil { // of no block it is not said
			return nil, s.strange()
		}
		return nil, fmt.Errorf("at height %d: %w", problem.AsOf.Height, ons.ErrNotFound)
	}
	return nil, fmt.Errorf("%s: answers %d: %w", s.Host(), res.StatusCode, ons.ErrUnavailable)
}

// WithoutURL returns what went wrong with a request, without the whole URL that net/http puts before it: it may hold a hash. Other
// errors it returns as they are.
func WithoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
