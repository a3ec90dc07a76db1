package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/bits"
	"os"
	"strconv"
	"strings"

	"onsight/indexer"
	"onsight/ons"
)

const (
	rangeLeast = 64  // different hashes that a range must hold, else it is as good as the hash
	rangeMeant = 128 // that one should hold on average: the count of names by which bits are capped is divided by this
	rangeBits  = 8   // most bits of a hash that are ever sent
)

// errRange means that a server offers or gives ranges that hold too little to hide in.
var errRange = errors.New("refused: too few names to hide among")

// askServer asks an onsight server for a name, by range unless the options say otherwise.
func (p program) askServer(ctx context.Context, f *flags, key ons.Key, opt resolveOptions) (answer, error) {
	r, err := openRemote(ctx, f, opt.server)
	if err != nil {
		return answer{}, err
	}
	if opt.exact {
		return r.exact(ctx, key)
	}
	offer, err := r.offer(ctx)
	if err != nil {
		return answer{}, err
	}
	elsewhere, err := f.countElsewhere(ctx, p, r.network)
	if err != nil { // without a count all is asked for, which reveals nothing
		fmt.Fprintln(p.stderr, "onsight: warning: the names could not be counted elsewhere, so the whole registry is asked for:", err)
	}
	may := min(offer.Bits, capBits(min(offer.Hashes, elsewhere)))
	width, err := f.rememberBits(p.env, r.network, may, opt.moreBits)
	if err != nil {
		return answer{}, err
	}
	a, err := r.inRange(ctx, key, width)
	if width < may {
		a.revealed += fmt.Sprintf(" (as before; --more-bits allows a range of %d bits, not %d)", may, width)
	}
	return a, err
}

// offer is what a server says of its ranges.
type offer struct {
	Bits   int `json:"bits"`
	Hashes int `json:"hashes"`
}

// offer asks for it. One that promises less than rangeLeast hashes to each range is refused.
func (r *remote) offer(ctx context.Context) (o offer, err error) {
	if err := getJSON(ctx, r.base.JoinPath("v1", "names", "range"), &o, maxAnswer); err != nil {
		return o, err
	}
	if o.Bits < 0 || o.Bits > rangeBits || o.Hashes < 0 || o.Bits > 0 && o.Hashes < rangeLeast<<o.Bits {
		return o, fmt.Errorf("%s: offers ranges of %d bits for %d names: %w: %w", r.base.Host, o.Bits, o.Hashes, errRange, ons.ErrUnavailable)
	}
	return o, nil
}

// capBits is how many bits of a hash may be sent if there are so many names: a range then holds rangeMeant of them or more.
func capBits(names int) int {
	return min(rangeBits, max(0, bits.Len(uint(max(0, names)/rangeMeant))-1))
}

// countElsewhere counts the names of a network without asking the server: in the bundle, else in the database, else by a
// daemon that was named. Nobody knows: 0.
func (f *flags) countElsewhere(ctx context.Context, p program, n ons.Network) (int, error) {
	own := *f
	own.network = string(n)
	b, err := own.readBundle(p.env)
	switch {
	case err == nil && b.At().Network == n:
		return b.Hashes(), nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return 0, err
	}
	if found, err := own.hasDatabase(p.env); err == nil && found {
		db, err := own.openDatabase(ctx, p.env, true)
		if err != nil {
			return 0, err
		}
		defer db.Close()
		totals, err := db.Totals(ctx)
		if err != nil {
			return 0, unavailable(err)
		}
		return int(totals.Names), nil
	}
	if len(f.oxend) == 0 {
		return 0, nil
	}
	pool, err := own.pool(f.logger(p, slog.LevelWarn), indexer.State{})
	if err != nil {
		return 0, err
	}
	pick, err := pool.Pick(ctx, nil)
	if err != nil {
		return 0, err
	}
	total := uint64(0)
	for _, c := range pick.Info.Counts {
		total += c
	}
	return int(total), nil
}

// rememberBits returns how many bits to send: as many as may be, but no more than ever before unless told. What was most is
// kept in a file, before it is sent.
func (f *flags) rememberBits(env func(string) string, n ons.Network, may int, more bool) (int, error) {
	path, err := defaultFile(env, n, ".bits")
	if err != nil {
		return 0, err
	}
	before, err := os.ReadFile(path)
	switch {
	case err == nil:
		most, err := strconv.Atoi(strings.TrimSpace(string(before)))
		if err != nil || most < 0 {
			return 0, fmt.Errorf("%s: holds no number of bits", path)
		}
		if may <= most || !more {
			return min(may, most), nil
		}
	case !errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("read how many bits were sent before: %w", err)
	}
	if err := writeFile(path, fmt.Appendf(nil, "%d\n", may)); err != nil {
		return 0, fmt.Errorf("remember how many bits are sent: %w", err)
	}
	return may, nil
}

// inRange asks for all names whose hashes begin with as many bits as the one that is meant.
func (r *remote) inRange(ctx context.Context, key ons.Key, width int) (answer, error) {
	a := answer{source: fromRange, revealed: sizeless, rules: ons.Rules{Network: r.network}}
	number := firstBits(key.Hash, width)
	u := r.base.JoinPath("v1", "names", "range", strconv.Itoa(width), strconv.FormatUint(number, 16))
	within, most := serverTimeout, int64(maxList)
	if width == 0 {
		within, most = registryTime, maxRegistry
	}
	var reply struct {
		Bits    int          `json:"bits"`
		Index   string       `json:"index"`
		Ready   bool         `json:"ready"`
		Records []recordView `json:"records"`
		AsOf    asOfView     `json:"as_of"`
	}
	if err := decodeBody(ctx, u, &reply, most, within); err != nil {
		return a, err
	}
	a.asOf, r.ready = reply.AsOf, reply.Ready
	hashes := map[ons.Hash]bool{}
	for i := range reply.Records {
		one := &reply.Records[i]
		h, err := ons.ParseHash(one.NameHash)
		if err != nil || firstBits(h, width) != number {
			return a, fmt.Errorf("%s: gives names of another range: %w", r.base.Host, ons.ErrUnavailable)
		}
		hashes[h] = true
		if h == key.Hash && one.Type == key.Type.String() {
			a.record = one
		}
	}
	if width > 0 {
		a.revealed = fmt.Sprintf("that the name is one of %d, or none, in range %x of %d", len(hashes), number, 1<<width)
		if len(hashes) < rangeLeast {
			return a, fmt.Errorf("%s: gives a range of %d names: %w: %w", r.base.Host, len(hashes), errRange, ons.ErrUnavailable)
		}
	}
	switch {
	case a.record == nil && !r.ready:
		return a, fmt.Errorf("%s: not registered by block %d, and the server does not know the newest ones: %w", r.base.Host, a.asOf.Height, ons.ErrUnavailable)
	case a.record == nil:
		return a, fmt.Errorf("at height %d: %w", a.asOf.Height, ons.ErrNotFound)
	}
	if err := r.judge(&a); err != nil {
		return a, err
	}
	state := ons.Record{Type: key.Type, Sealed: a.sealed}
	if end := a.record.ExpirationHeight; end != nil {
		state.Expires = *end
	}
	a.record.Status, a.record.Legacy = string(state.Status(a.asOf.Height+1, a.rules)), a.sealed.Legacy()
	return a, nil
}

// firstBits returns the first bits of a hash as a number.
func firstBits(h ons.Hash, width int) uint64 { return binary.BigEndian.Uint64(h[:8]) >> (64 - width) }
