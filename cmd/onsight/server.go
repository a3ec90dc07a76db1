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
)

// askServer asks an onsight server for a name's hash; the value is opened here. A 404 with the code not_registered is the
// only answer that says a name is not there.
func (p program) askServer(ctx context.Context, f *flags, base string, name ons.Name) (answer, error) {
	u, err := serverURL(base)
	if err != nil {
		return answer{}, err
	}
	var status struct {
		Network string `json:"network"`
		Ready   bool   `json:"ready"`
	}
	if err := getJSON(ctx, u.JoinPath("v1", "status"), &status, maxAnswer); err != nil {
		return answer{}, err
	}
	if f.network != "" && f.network != status.Network {
		return answer{}, fmt.Errorf("%s: holds %s, not %s: %w: %w", u.Host, status.Network, f.network, indexer.ErrOtherNetwork, ons.ErrUnavailable)
	}
	network, err := ons.ParseNetwork(status.Network)
	if err != nil {
		return answer{}, fmt.Errorf("%s: names no network: %w", u.Host, ons.ErrUnavailable)
	}
	var reply struct {
		recordView
		AsOf asOfView `json:"as_of"`
	}
	if err := getJSON(ctx, u.JoinPath("v1", "names", name.Type().String(), name.Hash().String()), &reply, maxAnswer); err != nil {
		return answer{}, err
	}
	sealed, err := reply.sealed()
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("%s: %w: %w", u.Host, ons.ErrUnavailable, err)
	case reply.NameHash != name.Hash().String() || reply.Type != name.Type().String():
		return answer{}, fmt.Errorf("%s: answered about another name: %w", u.Host, ons.ErrUnavailable)
	case reply.Status == string(ons.StatusExpired) && !status.Ready: // it may have been bought again since
		return answer{}, fmt.Errorf("%s: expired at block %d, and the server does not know the newest ones: %w", u.Host, reply.AsOf.Height, ons.ErrUnavailable)
	case reply.Status == string(ons.StatusExpired):
		return answer{}, fmt.Errorf("expired: %w", ons.ErrNotFound)
	}
	if !status.Ready {
		fmt.Fprintf(p.stderr, "onsight: warning: the server stands at block %d and does not know the newest ones: this may be out of date\n", reply.AsOf.Height)
	}
	return answer{source: "server", sealed: sealed, record: reply.recordView, rules: ons.Rules{Network: network}, asOf: reply.AsOf}, nil
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
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", u.Host, ons.ErrUnavailable, withoutURL(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil || int64(len(body)) > most {
		return fmt.Errorf("%s: the reply is cut short or too large: %w", u.Host, ons.ErrUnavailable)
	}
	if res.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, v); err != nil {
			return fmt.Errorf("%s: the reply is not what an onsight server says: %w", u.Host, ons.ErrUnavailable)
		}
		return nil
	}
	var problem struct {
		Code string   `json:"code"`
		AsOf asOfView `json:"as_of"`
	}
	if err := json.Unmarshal(body, &problem); err == nil && res.StatusCode == http.StatusNotFound && problem.Code == "not_registered" {
		return fmt.Errorf("at height %d: %w", problem.AsOf.Height, ons.ErrNotFound)
	}
	return fmt.Errorf("%s: answers %d: %w", u.Host, res.StatusCode, ons.ErrUnavailable)
}
