package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"onsight/internal/oxend"
	"onsight/ons"
)

var (
	errNoDatabase = errors.New("there is no index yet")
	errNoDaemon   = errors.New("no daemon is named")
)

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

// pool is all daemons as one, held to a network if one is known.
func (f *flags) pool(log *slog.Logger, st knownChain) (*oxend.Pool, error) {
	clients, err := f.clients(log)
	if err != nil {
		return nil, err
	}
	want := ons.Network(f.network)
	if want == "" {
		want = st.network
	}
	return oxend.NewPool(oxend.PoolConfig{Clients: clients, Want: want, Genesis: st.genesis, Log: log})
}

// knownChain is what a database says of the chain it holds; zero where there is none yet.
type knownChain struct {
	network ons.Network
	genesis ons.Txid
}

// missing says that a database which was opened for reading is not there.
func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w: %w", path, errNoDatabase, ons.ErrUnavailable)
	}
	return err
}

// readPath is the database to read: the named one, or the network's default one if it exists. "" means there is none.
func (f *flags) readPath(env func(string) string) (string, error) {
	if f.path() != "" {
		return f.path(), nil
	}
	network := ons.Mainnet
	if f.network != "" {
		network = ons.Network(f.network)
	}
	path, err := defaultPath(env, network)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return path, nil
}
