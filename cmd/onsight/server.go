package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"onsight/ons"
	"onsight/ons/remote"
)

const (
	serverTimeout = 15 * time.Second // for one reply
	maxAnswer     = 1 << 20          // bytes of one reply
)

// Whom resolve and doctor ask, beside fromDaemon. The words stand in their answers.
const (
	fromIndex  = "index"
	fromRange  = "range"
	fromExact  = "exact"
	fromBundle = "bundle"
)

// What whoever is asked learns.
const (
	nothing = "nothing: nobody was asked"
	theHash = "the name's hash, from which a name that can be guessed can be found"
)

// errServerNetwork means that an onsight server has names and nodes of another network than the one insisted on.
var errServerNetwork = fmt.Errorf("the server is of another network: %w", ons.ErrUnavailable)

// openRemote asks a server what it has of names.
func (f *flags) openRemote(ctx context.Context, base string) (*remote.Server, error) {
	u, err := serverURL(base)
	if err != nil {
		return nil, err
	}
	s, err := remote.Ask(ctx, remote.Config{URL: u})
	if err != nil {
		return nil, err
	}
	if f.network != "" && ons.Network(f.network) != s.Network() {
		return nil, fmt.Errorf("%s: holds %s, not %s: %w", u.Host, s.Network(), f.network, errServerNetwork)
	}
	return s, nil
}

// openLists is openRemote for what only a server has, and returns where it is.
func (f *flags) openLists(ctx context.Context, base string) (*url.URL, error) {
	s, err := f.openRemote(ctx, base)
	if err != nil {
		return nil, err
	}
	if s.Files() {
		return nil, fmt.Errorf("%s: is a file host, which has ranges and the bundle and no lists: %w", s.Host(), ons.ErrUnavailable)
	}
	return serverURL(base)
}

// insist asks a server of which network it is, if the user named one.
func (f *flags) insist(ctx context.Context, base *url.URL) error {
	if f.network == "" {
		return nil
	}
	var status struct {
		Network string `json:"network"` // "": null, its index is empty
	}
	if err := getJSON(ctx, base.JoinPath("v1", "status"), &status, maxAnswer); err != nil {
		return err
	}
	if status.Network != f.network {
		return fmt.Errorf("%s: holds %s, not %s: %w", base.Host, orUnknown(status.Network), f.network, errServerNetwork)
	}
	return nil
}

func serverURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, usagef("--server: want a URL such as https://names.example.org")
	}
	return u, nil
}

// getJSON reads one reply of an onsight server, of at most so many bytes. Errors name the server, never the path.
func getJSON(ctx context.Context, u *url.URL, v any, most int64) error {
	body, err := getBody(ctx, u, most)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s: the reply is not what an onsight server says: %w", u.Host, ons.ErrUnavailable)
	}
	return nil
}

// getBody reads one reply as it is.
func getBody(ctx context.Context, u *url.URL, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", u.Host, ons.ErrUnavailable, remote.WithoutURL(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil || int64(len(body)) > most {
		return nil, fmt.Errorf("%s: the reply is cut short or too large: %w", u.Host, ons.ErrUnavailable)
	}
	if res.StatusCode == http.StatusOK {
		return body, nil
	}
	return nil, fmt.Errorf("%s: answers %d: %w", u.Host, res.StatusCode, ons.ErrUnavailable)
}
