package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"onsight/indexer"
	"onsight/ons"
)

// examine asks whom resolve asks for every name, and a database or a bundle for look-alikes too.
func (p program) examine(ctx context.Context, f *flags, c *patient, opt doctorOptions) (*lookalikesView, error) {
	switch {
	case opt.exact:
		return p.examineExact(ctx, f, c, opt.server)
	case opt.server != "":
		r, err := f.openRemote(ctx, opt.server)
		if err != nil {
			return nil, err
		}
		got, _, err := p.freshBundle(ctx, f, r)
		if err != nil {
			return nil, err
		}
		c.server = r.Host()
		at := got.Bundle.At()
		switch old := tooOld("what "+r.Host()+" has", at.Height, time.Unix(at.Time, 0)); {
		case !r.Ready():
			c.doubt = behind(r, got.Bundle)
		case r.Files() && old != nil:
			c.doubt = fmt.Errorf("%w: %w", old, errOldFiles)
		}
		return c.examineBundle(ctx, got.Bundle)
	case opt.offline:
		b, err := f.readBundle(p.env)
		if err != nil {
			return nil, err
		}
		if warning := stale(b.At()); warning != "" {
			fmt.Fprintln(p.stderr, "onsight: warning:", warning)
		}
		if old := tooOld("the bundle", b.At().Height, time.Unix(b.At().Time, 0)); old != nil {
			c.doubt = fmt.Errorf("%w: %w", old, errOldBundle)
		}
		return c.examineBundle(ctx, b)
	}
	local := f.path() != ""
	if !local && len(f.oxend) == 0 {
		var err error
		if local, err = f.hasDatabase(p.env); err != nil {
			return nil, err
		}
	}
	if local {
		seen, err := p.examineIndex(ctx, f, c)
		if !errors.Is(err, ons.ErrUnavailable) || len(f.oxend) == 0 {
			return seen, err
		}
	}
	pool, err := f.pool(f.logger(p, slog.LevelWarn), indexer.State{})
	if err != nil {
		return nil, err
	}
	pick, err := pool.Pick(ctx, nil)
	if err != nil {
		return nil, err
	}
	c.source, c.network = fromDaemon, pick.Identity.Network
	err = c.ask(func(n ons.Name) (ons.Sealed, error) { return pool.Lookup(ctx, n.Type(), n.Hash()) })
	if err != nil {
		return nil, err
	}
	return p.stored(ctx, f, c)
}

// examineExact sends a server all hashes, as it was told to.
func (p program) examineExact(ctx context.Context, f *flags, c *patient, server string) (*lookalikesView, error) {
	r, err := f.openRemote(ctx, server)
	if err != nil {
		return nil, err
	}
	if !r.Ready() {
		fmt.Fprintln(p.stderr, "onsight: warning: the server does not know the newest blocks: this may be out of date")
	}
	c.source, c.network = fromExact, r.Network()
	if err := c.ask(func(n ons.Name) (ons.Sealed, error) { return r.Exact().Lookup(ctx, n.Type(), n.Hash()) }); err != nil {
		return nil, err
	}
	return p.stored(ctx, f, c)
}

// stored looks for look-alikes in the bundle that is kept here; nil if there is none that can be read.
func (p program) stored(ctx context.Context, f *flags, c *patient) (*lookalikesView, error) {
	own := *f
	own.network = string(c.network)
	b, err := own.readBundle(p.env)
	switch {
	case err == nil:
		return c.lookalikes(ctx, fromBundle, inBundle(b))
	case !errors.Is(err, errNoBundle):
		fmt.Fprintf(p.stderr, "onsight: warning: %v: look-alikes are not looked for\n", err)
	}
	return nil, nil
}

// examineBundle asks nobody.
func (c *patient) examineBundle(ctx context.Context, b *ons.Bundle) (*lookalikesView, error) {
	c.source, c.network = fromBundle, b.At().Network
	err := c.ask(func(n ons.Name) (ons.Sealed, error) {
		sealed, err := b.Lookup(ctx, n.Type(), n.Hash())
		if errors.Is(err, ons.ErrNotFound) && c.doubt != nil {
			return sealed, c.doubt
		}
		if _, expires, ok := b.Find(ons.Key{Type: n.Type(), Hash: n.Hash()}); ok && err != nil {
			c.expired[n] = expires
		}
		return sealed, err
	})
	if err != nil {
		return nil, err
	}
	return c.lookalikes(ctx, fromBundle, inBundle(b))
}

// wanting reports whether a name is not there that may be bought.
func (c *patient) wanting() bool {
	return slices.ContainsFunc(c.names, func(n ons.Name) bool { return !c.has(n) })
}

// lookIntoPool looks for names that wait to be mined. All of the pool is asked for, which reveals nothing of them.
func (p program) lookIntoPool(ctx context.Context, f *flags, c *patient) error {
	own := *f
	own.network = string(c.network)
	pool, err := own.pool(f.logger(p, slog.LevelWarn), indexer.State{})
	if err != nil {
		return err
	}
	ops, err := pool.Pending(ctx)
	if err != nil {
		return err
	}
	c.waiting = map[ons.Key]bool{}
	for _, op := range ops {
		c.waiting[op.Key()] = true
	}
	for _, n := range c.names {
		if c.unknown(n) && c.waiting[ons.Key{Type: n.Type(), Hash: n.Hash()}] {
			c.answers[n] = ons.Answer{Err: ons.ErrNotFound} // else it could not be bought
		}
	}
	return nil
}

func (p program) examineIndex(ctx context.Context, f *flags, c *patient) (*lookalikesView, error) {
	db, err := f.openDatabase(ctx, p.env, true)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if age := time.Since(db.state.Asked); age > staleAfter {
		fmt.Fprintf(p.stderr, "onsight: warning: the index last followed a daemon %s ago: this may be out of date\n", age.Round(time.Second))
	}
	if st := db.state; st.Phase != indexer.Synced {
		fmt.Fprintf(p.stderr, "onsight: warning: the index stands at block %d of %d (%s): this may be out of date\n", st.Tip.Height, st.Target, st.Phase)
	}
	c.source, c.network = fromIndex, db.state.Network
	err = c.ask(func(n ons.Name) (ons.Sealed, error) {
		key := ons.Key{Type: n.Type(), Hash: n.Hash()}
		sealed, err := db.Lookup(ctx, key.Type, key.Hash)
		if !errors.Is(err, ons.ErrNotFound) {
			return sealed, err
		}
		if r, old := db.Record(ctx, key); old == nil {
			c.expired[n] = r.Expires
		}
		return sealed, err
	})
	if err != nil {
		return nil, err
	}
	return c.lookalikes(ctx, fromIndex, func(ctx context.Context, keys []ons.Key) (map[ons.Key]ons.Sealed, error) {
		records, err := db.Current(ctx, keys, db.state.Tip.Height)
		if err != nil {
			return nil, unavailable(err)
		}
		live := map[ons.Key]ons.Sealed{}
		for k, r := range records {
			if r.Live(db.state.Tip.Height + 1) {
				live[k] = r.Sealed
			}
		}
		return live, nil
	})
}

// ask asks for every name. It ends at the first that could not be found out, unless that is the doubt about all that is missing.
func (c *patient) ask(look func(ons.Name) (ons.Sealed, error)) error {
	for _, n := range c.names {
		sealed, err := look(n)
		if err != nil {
			if !errors.Is(err, c.doubt) && (!errors.Is(err, ons.ErrNotFound) || errors.Is(err, ons.ErrUnavailable)) {
				return err
			}
			c.answers[n] = ons.Answer{Err: err}
			continue
		}
		value, err := n.Open(sealed)
		c.answers[n] = ons.Answer{Value: value, Legacy: sealed.Legacy(), Err: err}
	}
	return nil
}

// livingIn returns those of some keys that live, with their values.
type livingIn func(ctx context.Context, keys []ons.Key) (map[ons.Key]ons.Sealed, error)

func inBundle(b *ons.Bundle) livingIn {
	return func(ctx context.Context, keys []ons.Key) (map[ons.Key]ons.Sealed, error) {
		live := map[ons.Key]ons.Sealed{}
		for _, k := range keys {
			if sealed, err := b.Lookup(ctx, k.Type, k.Hash); err == nil {
				live[k] = sealed
			}
		}
		return live, nil
	}
}

// lookalikes looks for names that are easily taken for the one it is about. Values of 2020 are not opened: each takes a second.
func (c *patient) lookalikes(ctx context.Context, by string, living livingIn) (*lookalikesView, error) {
	v := &lookalikesView{By: by, Found: []registeredView{}}
	if c.main == (ons.Name{}) {
		return v, nil
	}
	names := ons.Lookalikes(c.main, maxLookalikes+1)
	if v.More = len(names) > maxLookalikes; v.More {
		names = names[:maxLookalikes]
	}
	v.Tried = len(names)
	keys := make([]ons.Key, len(names))
	for i, n := range names {
		keys[i] = ons.Key{Type: n.Type(), Hash: n.Hash()}
	}
	live, err := living(ctx, keys)
	if err != nil {
		return nil, err
	}
	mine := c.answers[c.main]
	for i, n := range names {
		sealed, ok := live[keys[i]]
		if !ok {
			continue
		}
		if sealed.Legacy() {
			v.Found = append(v.Found, registeredView{Name: n.String(), Type: n.Type().String(), State: string(ons.StatusNeedsUpdate)})
			continue
		}
		value, err := n.Open(sealed)
		seen := registered(n, ons.Answer{Value: value, Err: err}, c.network)
		if err == nil && mine.Err == nil {
			same := bytes.Equal(value.Bytes, mine.Value.Bytes)
			seen.Same = &same
		}
		v.Found = append(v.Found, seen)
	}
	return v, nil
}
