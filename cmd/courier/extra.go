package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"onsight/client"
	"onsight/ons"
	"onsight/ons/remote"
)

// extraOptions are who is asked for names beside the nodes.
type extraOptions struct {
	server string
	bundle string
}

func (o *extraOptions) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.server, "server", "", "`URL` of an onsight server, or a host of its files, to be heard too")
	cmd.Flags().StringVar(&o.bundle, "bundle", "", "`FILE` of onsight's bundle, to be heard too")
}

// complete reads what the options name.
func (o *extraOptions) complete(f *flags) error {
	if o.server != "" {
		u, err := url.Parse(o.server)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return usagef("--server: is not http://host or https://host")
		}
		transport := &http.Transport{Proxy: nil, DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second}
		if f.by != nil {
			transport.Proxy = http.ProxyURL(f.by)
		}
		f.extra = append(f.extra, &registry{what: u.Host, get: func(ctx context.Context) (*ons.Bundle, error) {
			// All of it, not a part of it for each name: several names tell more together than each (ons/remote).
			s, err := remote.Ask(ctx, remote.Config{URL: u, HTTP: &http.Client{Transport: transport}})
			if err != nil {
				return nil, err
			}
			pulled, err := s.Bundle(ctx, nil)
			return pulled.Bundle, err
		}})
	}
	if o.bundle != "" {
		b, err := os.ReadFile(o.bundle)
		if err != nil {
			return fmt.Errorf("--bundle: %w", err)
		}
		bundle, err := ons.ParseBundle(b)
		if err != nil {
			return fmt.Errorf("--bundle: %s: %w", o.bundle, err)
		}
		f.extra = append(f.extra, &registry{what: o.bundle, get: func(context.Context) (*ons.Bundle, error) { return bundle, nil }})
	}
	return nil
}

// registry is all names as somebody has it, got when it is first asked for. It implements client.Extra.
type registry struct {
	what    string
	network ons.Network // that it has to be of
	get     func(context.Context) (*ons.Bundle, error)

	mu     sync.Mutex // guards what follows, and is held while it is got
	bundle *ons.Bundle
	err    error
}

var _ client.Extra = (*registry)(nil)

// voices are who is asked beside the nodes of a network.
func (f *flags) voices(n ons.Network) (list []client.Extra) {
	for _, r := range f.extra {
		r.network = n
		list = append(list, r)
	}
	return list
}

// String implements client.Extra.
func (r *registry) String() string { return r.what }

// Lookup implements client.Extra. Nobody is told anything of the hash.
func (r *registry) Lookup(ctx context.Context, h ons.Hash) (ons.Sealed, uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return ons.Sealed{}, 0, r.err
	}
	if r.bundle == nil {
		var err error
		if r.bundle, err = r.get(ctx); err == nil && (r.network == ons.Mainnet) != (r.bundle.At().Network == ons.Mainnet) {
			// Networks for tests have daemons that call themselves otherwise.
			err = fmt.Errorf("%s: has the names of %s, not of %s: %w", r.what, r.bundle.At().Network, r.network, ons.ErrUnavailable)
		}
		if err != nil {
			r.bundle = nil
			if ctx.Err() == nil { // else it is not the server's fault, and the next name may ask again
				r.err = err
			}
			return ons.Sealed{}, 0, err
		}
	}
	at := r.bundle.At()
	sealed, err := r.bundle.Lookup(ctx, ons.Session, h)
	return sealed, at.Height, err
}
