package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onsight/directory"
	"onsight/indexer"
	"onsight/ons"
)

// errNoNodes means that a source knows no node, since it never saw a list.
var errNoNodes = fmt.Errorf("no list of nodes was read yet: %w", ons.ErrUnavailable)

// geoOptions name the local databases of places.
type geoOptions struct{ country, as string }

func (o *geoOptions) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.country, "geo-country", "", "`FILE` in MaxMind's format to know countries by (ONSIGHT_GEO_COUNTRY)")
	cmd.Flags().StringVar(&o.as, "geo-as", "", "`FILE` in MaxMind's format to know autonomous systems by (ONSIGHT_GEO_AS)")
	for _, name := range []string{"geo-country", "geo-as"} {
		_ = cmd.MarkFlagFilename(name, "mmdb")
	}
}

// complete fills what was not given as a flag from the environment.
func (o *geoOptions) complete(cmd *cobra.Command, env func(string) string) {
	if v := env("ONSIGHT_GEO_COUNTRY"); v != "" && !cmd.Flags().Changed("geo-country") {
		o.country = v
	}
	if v := env("ONSIGHT_GEO_AS"); v != "" && !cmd.Flags().Changed("geo-as") {
		o.as = v
	}
}

func (o *geoOptions) open() (*directory.Geo, error) {
	geo, err := directory.OpenGeo(o.country, o.as)
	if err != nil {
		return nil, usageError{fmt.Errorf("--geo-country, --geo-as: %w", err)}
	}
	return geo, nil
}

// nodeOptions are the settings of the commands that read the directory of nodes.
type nodeOptions struct {
	geoOptions
	server string
	gone   bool // nodes that are gone may be asked for
}

func (o *nodeOptions) register(cmd *cobra.Command) {
	o.geoOptions.register(cmd)
	cmd.Flags().StringVar(&o.server, "server", "", "ask the onsight server at `URL`")
}

func (o *nodeOptions) complete(cmd *cobra.Command, env func(string) string) error {
	o.geoOptions.complete(cmd, env)
	if o.server != "" && (cmd.Flags().Changed("geo-country") || cmd.Flags().Changed("geo-as")) {
		return usagef("--server: says itself where nodes are: leave --geo-country and --geo-as to it")
	}
	return nil
}

// sourceHelp says in the help of commands whom they ask.
const sourceHelp = `The database is read if there is one (--db): what ` + "`onsight serve`" + ` follows and measures. Otherwise a daemon (--oxend) gives its
list of now, of which nothing is measured; with --server, an onsight server gives its own.`

// What an answer about nodes can come from.
const (
	fromDatabase = "database"
	fromDaemon   = "daemon"
	fromServer   = "server"
)

// nodes is an open directory: a directory.Directory, or what a server says.
type nodes interface {
	Snapshot() *directory.Snapshot
	Events(ctx context.Context, key *directory.Key, after uint64, limit int) ([]directory.Stored, error)
	History(ctx context.Context, key directory.Key, vantage string, s directory.Series, from, to time.Time) ([]directory.Object, error)
}

// nodeSource is an open directory and where it comes from.
type nodeSource struct {
	*directory.Snapshot
	of    nodes
	name  string
	close func() error
}

// openNodes opens the directory that is asked: like resolve, a server or a database that is named, a daemon that is named, or the
// database there is. A database that cannot tell hands the question on to a daemon that was named.
func (p program) openNodes(ctx context.Context, f *flags, opt nodeOptions) (*nodeSource, error) {
	if opt.server != "" {
		return p.openServer(ctx, f, opt.server, opt.gone)
	}
	log := f.logger(p, slog.LevelWarn)
	local := f.path() != ""
	if !local && len(f.oxend) == 0 {
		var err error
		if local, err = f.hasDatabase(p.env); err != nil {
			return nil, err
		}
	}
	geo, err := opt.geoOptions.open()
	if err != nil {
		return nil, err
	}
	var s *nodeSource
	if local {
		s, err = p.openIndexed(ctx, f, log, geo)
	}
	if !local || errors.Is(err, ons.ErrUnavailable) && len(f.oxend) > 0 {
		if err != nil {
			log.Info("the database could not tell, asking a daemon", "reason", err)
		}
		s, err = p.openLive(ctx, f, log, geo)
	}
	if err != nil {
		return nil, errors.Join(err, geo.Close())
	}
	closeSource := s.close
	s.close = func() error { return errors.Join(closeSource(), geo.Close()) }
	return s, nil
}

// openIndexed reads what serve keeps.
func (p program) openIndexed(ctx context.Context, f *flags, log *slog.Logger, geo *directory.Geo) (*nodeSource, error) {
	db, err := f.openAny(ctx, p.env, true)
	if err != nil {
		return nil, err
	}
	d := directory.New(directory.Config{Store: db.Store, Geo: geo, Log: log})
	err = d.Load(ctx)
	s := d.Snapshot()
	switch {
	case err != nil:
		err = unavailable(err)
	case !s.Observed:
		err = fmt.Errorf("%s: %w", db.path, errNoNodes)
	case f.network != "" && s.Network != ons.Network(f.network):
		err = unavailable(fmt.Errorf("%s: holds the nodes of %s, not %s: %w", db.path, s.Network, f.network, indexer.ErrOtherNetwork))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if age := time.Since(s.Asked); age > staleAfter {
		fmt.Fprintf(p.stderr, "onsight: warning: the nodes were last followed %s ago: this may be out of date\n", age.Round(time.Second))
	}
	return &nodeSource{of: d, Snapshot: s, name: fromDatabase, close: db.Close}, nil
}

// openLive asks a daemon for its list of now.
func (p program) openLive(ctx context.Context, f *flags, log *slog.Logger, geo *directory.Geo) (*nodeSource, error) {
	pool, err := f.pool(log, indexer.State{})
	if err != nil {
		return nil, err
	}
	var kept liveStore
	d := directory.New(directory.Config{Store: &kept, Pool: pool, Network: ons.Network(f.network), Geo: geo, Log: log})
	if err := d.Refresh(ctx); err != nil {
		return nil, err
	}
	if !kept.listed() { // of one daemon the point only, of the next one less of the chain
		return nil, errNoNodes
	}
	return &nodeSource{of: d, Snapshot: d.Snapshot(), name: fromDaemon, close: func() error { return nil }}, nil
}

// parseBegins checks what is said to be a node's key or how one begins.
func parseBegins(text string) (string, error) {
	begins := strings.ToLower(text)
	if len(begins) < prefixLeast || len(begins) > 64 || strings.Trim(begins, "0123456789abcdef") != "" {
		return "", usagef("%.70q is no node's key: want 64 hexadecimal digits, or the first ones, at least %d", text, prefixLeast)
	}
	return begins, nil
}

// parseAllBegins is parseBegins for several.
func parseAllBegins(texts []string) error {
	for _, text := range texts {
		if _, err := parseBegins(text); err != nil {
			return err
		}
	}
	return nil
}

// node finds the one node with a key, or whose key begins with what was written.
func (s *nodeSource) node(text string) (*directory.Entry, error) {
	begins, err := parseBegins(text)
	if err != nil {
		return nil, err
	}
	var found []*directory.Entry
	for i := range s.Entries {
		if strings.HasPrefix(s.Entries[i].Node.Key.String(), begins) {
			found = append(found, &s.Entries[i])
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%w with the key %s", errNoNode, begins)
	case 1:
		return found[0], nil
	}
	return nil, usagef("%d nodes have keys that begin with %s: give more of it", len(found), begins)
}

// prefixLeast is how much of a key has to be given.
const prefixLeast = 4

// errNoNode means that a node is neither on the list nor was it while this directory was kept.
var errNoNode = errors.New("there is no node")
