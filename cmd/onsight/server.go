package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"onsight/indexer"
	"onsight/ons"
)

const (
	serverTimeout = 15 * time.Second // for one reply
	maxAnswer     = 1 << 20          // bytes of one reply
	registryTime  = 5 * time.Minute  // for all of the registry
	maxRegistry   = 1 << 30          // bytes of all of it
)

// Whom resolve asks, beside a database and daemons. The words stand in its answers.
const (
	fromRange  = "range"
	fromExact  = "exact"
	fromBundle = "bundle"
)

// What whoever is asked learns.
const (
	nothing  = "nothing: nobody was asked"
	theHash  = "the name's hash, from which a name that can be guessed can be found"
	sizeless = "nothing of the name: the whole registry was asked for"
)

// remote is an onsight server that is asked for names; the values are opened here.
type remote struct {
	base    *url.URL
	network ons.Network
	ready   bool // it can tell what is not registered
}

// openRemote asks a server what it has.
func openRemote(ctx context.Context, f *flags, base string) (*remote, error) {
	u, err := serverURL(base)
	if err != nil {
		return nil, err
	}
	var status struct {
		Network string `json:"network"`
		Ready   bool   `json:"ready"`
	}
	if err := getJSON(ctx, u.JoinPath("v1", "status"), &status, maxAnswer); err != nil {
		return nil, err
	}
	if f.network != "" && f.network != status.Network {
		return nil, fmt.Errorf("%s: holds %s, not %s: %w: %w", u.Host, status.Network, f.network, indexer.ErrOtherNetwork, ons.ErrUnavailable)
	}
	network, err := ons.ParseNetwork(status.Network)
	if err != nil {
		return nil, fmt.Errorf("%s: names no network: %w", u.Host, ons.ErrUnavailable)
	}
	return &remote{base: u, network: network, ready: status.Ready}, nil
}

// exact asks for one hash. A 404 with the code not_registered is the only answer that says a name is not there.
func (r *remote) exact(ctx context.Context, key ons.Key) (answer, error) {
	a := answer{source: fromExact, revealed: theHash, rules: ons.Rules{Network: r.network}}
	var reply struct {
		recordView
		AsOf asOfView `json:"as_of"`
	}
	if err := getJSON(ctx, r.base.JoinPath("v1", "names", key.Type.String(), key.Hash.String()), &reply, maxAnswer); err != nil {
		return a, err
	}
	a.asOf, a.record = reply.AsOf, &reply.recordView
	if reply.NameHash != key.Hash.String() || reply.Type != key.Type.String() {
		return a, fmt.Errorf("%s: answered about another name: %w", r.base.Host, ons.ErrUnavailable)
	}
	return a, r.judge(&a)
}

// judge opens what can be opened of a record, and returns why it is no answer.
func (r *remote) judge(a *answer) (err error) {
	if a.sealed, err = a.record.sealed(); err != nil {
		return fmt.Errorf("%s: %w: %w", r.base.Host, ons.ErrUnavailable, err)
	}
	expired := a.record.ExpirationHeight != nil && *a.record.ExpirationHeight <= a.asOf.Height
	switch {
	case expired && !r.ready: // it may have been bought again since
		return fmt.Errorf("%s: expired at block %d, and the server does not know the newest ones: %w", r.base.Host, a.asOf.Height, ons.ErrUnavailable)
	case expired:
		return fmt.Errorf("expired: %w", ons.ErrNotFound)
	case !r.ready:
		a.warning = fmt.Sprintf("the server stands at block %d and does not know the newest ones: this may be out of date", a.asOf.Height)
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

// sealed is the value as the record shows it.
func (v recordView) sealed() (ons.Sealed, error) {
	ciphertext, err := hex.DecodeString(v.EncryptedValue)
	if err != nil || v.Nonce == nil {
		return ons.Sealed{Ciphertext: ciphertext}, err
	}
	nonce, err := hex.DecodeString(*v.Nonce)
	return ons.Sealed{Ciphertext: ciphertext, Nonce: nonce}, err
}

// withoutURL is what went wrong with a request, without the whole URL that net/http puts before it.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// getJSON reads one reply of an onsight server, of at most so many bytes. Errors name the server, never the path: it holds the hash.
func getJSON(ctx context.Context, u *url.URL, v any, most int64) error {
	return decodeBody(ctx, u, v, most, serverTimeout)
}

// decodeBody is getJSON for what may take longer.
func decodeBody(ctx context.Context, u *url.URL, v any, most int64, within time.Duration) error {
	body, err := getBody(ctx, u, most, within)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s: the reply is not what an onsight server says: %w", u.Host, ons.ErrUnavailable)
	}
	return nil
}

// getBody reads one reply as it is.
func getBody(ctx context.Context, u *url.URL, most int64, within time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", u.Host, ons.ErrUnavailable, withoutURL(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil || int64(len(body)) > most {
		return nil, fmt.Errorf("%s: the reply is cut short or too large: %w", u.Host, ons.ErrUnavailable)
	}
	if res.StatusCode == http.StatusOK {
		return body, nil
	}
	var problem struct {
		Code string   `json:"code"`
		AsOf asOfView `json:"as_of"`
	}
	if err := json.Unmarshal(body, &problem); err == nil && res.StatusCode == http.StatusNotFound && problem.Code == "not_registered" {
		return nil, fmt.Errorf("at height %d: %w", problem.AsOf.Height, ons.ErrNotFound)
	}
	return nil, fmt.Errorf("%s: answers %d: %w", u.Host, res.StatusCode, ons.ErrUnavailable)
}
