package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"onsight/indexer"
	"onsight/internal/oxend"
	"onsight/ons"
)

var errNoDaemon = errors.New("no daemon is named")

// clients gives one client per daemon that was named, or the network's own upstreams when none was.
func (f *flags) clients(log *slog.Logger) ([]*oxend.Client, error) {
	var configs []oxend.Config
	for _, u := range f.oxend {
		configs = append(configs, oxend.Config{URL: u, AllowPlain: strings.HasPrefix(u, "http://")})
	}
	if len(configs) == 0 {
		network := ons.Mainnet
		if f.network != "" {
			network = ons.Network(f.network)
		}
		if configs = oxend.DefaultUpstreams(network); len(configs) == 0 {
			return nil, usageError{fmt.Errorf("%s has no public daemons: %w", network, errNoDaemon)}
		}
	}
	var clients []*oxend.Client
	for _, cfg := range configs {
		cfg.Rate, cfg.Connections, cfg.Log = f.rate, f.connections, log
		c, err := oxend.New(cfg)
		if err != nil {
			return nil, usageError{err}
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// pool is all daemons as one, held to the network of an index if there is one.
func (f *flags) pool(log *slog.Logger, st indexer.State) (*oxend.Pool, error) {
	clients, err := f.clients(log)
	if err != nil {
		return nil, err
	}
	return f.poolOf(clients, log, st)
}

// poolOf is pool of clients that there are already: several pools of the same share their connections and their limits.
func (f *flags) poolOf(clients []*oxend.Client, log *slog.Logger, st indexer.State) (*oxend.Pool, error) {
	want := ons.Network(f.network)
	if want == "" {
		want = st.Network
	}
	return oxend.NewPool(oxend.PoolConfig{Clients: clients, Want: want, Genesis: st.Genesis, Log: log})
}
