package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"onsight/indexer"
	"onsight/ons"
	"onsight/ons/remote"
)

// shippedNames is how many different hashes of names mainnet had when this release was made: the count that bounds ranges where nothing
// else on this machine counts. Names are never deleted, so it stays a lower bound. It is set with each release to the `hashes` of
// `GET /v1/names/range` over our own index (docs/privacy.md). 0: no release was made yet, and of 2026-11-22 no published source has a number.
const shippedNames = 0

// errOldFiles means that a file host does not tell what is not registered, as its files are old; ons.ErrUnavailable is beside it.
var errOldFiles = errors.New("it may be by now")

// finder is a way to ask a server for one name.
type finder interface {
	Find(context.Context, ons.Key) (remote.Answer, error)
	History(context.Context, ons.Key) (remote.Answer, error)
}

var (
	_ finder = (*remote.Range)(nil)
	_ finder = remote.Exact{}
)

// askServer asks an onsight server for a name, by range unless the options say otherwise.
func (p program) askServer(ctx context.Context, f *flags, key ons.Key, opt resolveOptions) (answer, error) {
	s, err := f.openRemote(ctx, opt.server)
	if err != nil {
		return answer{}, err
	}
	a := answer{source: fromExact, rules: ons.Rules{Network: s.Network()}}
	var how finder = s.Exact()
	note := ""
	if !opt.exact {
		r, err := p.openRange(ctx, f, s, opt.moreBits)
		if err != nil {
			return answer{}, err
		}
		how, a.source = r, fromRange
		if r.Bits() < r.May() {
			note = fmt.Sprintf(" (as before; --more-bits allows a range of %d bits, not %d)", r.May(), r.Bits())
		}
	}
	ask := how.Find
	if opt.history || opt.atHeight != nil {
		ask = how.History
	}
	found, err := ask(ctx, key)
	a.revealed = found.Revealed.String() + note
	if err != nil {
		return a, err
	}
	a.asOf = asOfView{Height: found.Point.Height, Hash: found.Point.Hash.String(), Time: clock(found.Point.Time.Unix())}
	return a, a.take(found, s, opt)
}

// take puts what a server said into a, and returns why it is no answer.
func (a *answer) take(found remote.Answer, s *remote.Server, opt resolveOptions) (err error) {
	var r ons.Record
	height := found.Point.Height
	if opt.atHeight != nil {
		height = *opt.atHeight
		r, err = found.At(height)
	} else {
		r, err = found.Live()
	}
	if opt.history {
		for _, one := range found.Records {
			if one.Updated <= height {
				a.history = append(a.history, one)
			}
		}
	}
	switch age := time.Since(found.Point.Time); {
	case opt.atHeight != nil:
	case err == nil && !found.Ready:
		a.warning = fmt.Sprintf("the server stands at block %d and does not know the newest ones: this may be out of date", found.Point.Height)
	case s.Files() && age > staleAfter:
		a.warning = fmt.Sprintf("the files are of block %d, %s ago: this may be out of date", found.Point.Height, age.Round(time.Second))
	}
	if err != nil {
		old := tooOld("what "+s.Host()+" has", found.Point.Height, found.Point.Time)
		if errors.Is(err, ons.ErrNotFound) && opt.atHeight == nil && s.Files() && old != nil {
			a.warning = ""
			return fmt.Errorf("%w: %w", old, errOldFiles)
		}
		return err
	}
	record := newRecordView(r, height+1, a.rules)
	record.RegisteredAt, record.UpdatedAt = dateIn(found, r.Registered), dateIn(found, r.Updated)
	a.sealed, a.record = r.Sealed, &record
	return nil
}

// dateIn returns when a block was made; nil if the answer does not say.
func dateIn(found remote.Answer, height uint64) *string {
	made, ok := found.Times[height]
	if !ok {
		return nil
	}
	text := clock(made.Unix())
	return &text
}

// openRange settles by which ranges a server is asked.
func (p program) openRange(ctx context.Context, f *flags, s *remote.Server, more bool) (*remote.Range, error) {
	elsewhere, err := f.countElsewhere(ctx, p, s)
	if err != nil { // without a count all is asked for, which reveals nothing
		fmt.Fprintln(p.stderr, "onsight: warning: the names could not be counted elsewhere, so the whole registry is asked for:", err)
	}
	path, err := defaultFile(p.env, s.Network(), ".bits")
	if err != nil {
		return nil, err
	}
	return s.Range(ctx, remote.Caution{Names: elsewhere, Memory: bitsFile(path), More: more})
}

// countElsewhere counts the different hashes of names of a network without asking the server, and returns the lowest number
// of all who know: the database, a daemon that was named, the bundle unless it is the server's, and this release. A number
// that is too high would be a way to be told more of hashes; no single one of them is believed. Nobody knows: 0.
func (f *flags) countElsewhere(ctx context.Context, p program, s *remote.Server) (int, error) {
	own := *f
	own.network = string(s.Network())
	var counts []int
	for _, count := range []func() (int, bool, error){
		func() (int, bool, error) { return own.countDatabase(ctx, p.env) },
		func() (int, bool, error) { return own.countDaemon(ctx, p) },
		func() (int, bool, error) { return own.countBundle(p.env, s) },
	} {
		n, known, err := count()
		if err != nil {
			return 0, err
		}
		if known {
			counts = append(counts, n)
		}
	}
	if s.Network() == ons.Mainnet && shippedNames > 0 {
		counts = append(counts, shippedNames)
	}
	if len(counts) == 0 {
		return 0, nil
	}
	return slices.Min(counts), nil
}

// countDatabase counts the hashes in the database, if there is one. A name that is registered as several types is one hash.
func (f *flags) countDatabase(ctx context.Context, env func(string) string) (n int, known bool, err error) {
	if found, err := f.hasDatabase(env); err != nil || !found {
		return 0, false, nil
	}
	db, err := f.openDatabase(ctx, env, true)
	if err != nil {
		return 0, false, err
	}
	defer db.Close()
	totals, err := db.Totals(ctx)
	if err != nil {
		return 0, false, unavailable(err)
	}
	return int(totals.Hashes), true, nil
}

// countDaemon asks a daemon that was named. It counts each type apart, and a hash can be registered as each of them: no fewer
// hashes than of the type with most are there for sure.
func (f *flags) countDaemon(ctx context.Context, p program) (n int, known bool, err error) {
	if len(f.oxend) == 0 {
		return 0, false, nil
	}
	pool, err := f.pool(f.logger(p, slog.LevelWarn), indexer.State{})
	if err != nil {
		return 0, false, err
	}
	pick, err := pool.Pick(ctx, nil)
	if err != nil {
		return 0, false, err
	}
	for _, c := range pick.Info.Counts {
		n = max(n, int(c))
	}
	return n, true, nil
}

// countBundle counts the hashes in the bundle, if there is one and all of it came from others than the server.
func (f *flags) countBundle(env func(string) string, s *remote.Server) (n int, known bool, err error) {
	path, err := f.bundlePath(env)
	if err != nil {
		return 0, false, err
	}
	b, err := f.readBundle(env)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	hosts := originsOf(path, b)
	if len(hosts) == 0 || slices.Contains(hosts, hostName(s.Host())) {
		return 0, false, nil
	}
	return b.Hashes(), true, nil
}

// errBits means that the file which remembers how many bits were sent is damaged. What was sent before is then not known: to take
// it for nothing would tell more of a hash than anybody agreed to, and to take it for a number would last.
var errBits = fmt.Errorf("holds no number of bits: %w", ons.ErrUnavailable)

// bitsFile is a file that remembers how many bits of a hash were sent at most. It implements remote.Memory.
type bitsFile string

// Most implements remote.Memory.
func (path bitsFile) Most() (int, bool, error) {
	text, err := os.ReadFile(string(path))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read how many bits were sent before: %w", err)
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || most < 0 {
		return 0, false, fmt.Errorf("%s: %w", string(path), errBits)
	}
	return most, true, nil
}

// Keep implements remote.Memory.
func (path bitsFile) Keep(bits int) error {
	if err := writeFile(string(path), fmt.Appendf(nil, "%d\n", bits)); err != nil {
		return fmt.Errorf("remember how many bits are sent: %w", err)
	}
	return nil
}
