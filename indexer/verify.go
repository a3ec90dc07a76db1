package indexer

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"

	"onsight/internal/oxend"
	"onsight/ons"
)

// verifyBatch is how many records are compared with one request where the daemon takes several.
const verifyBatch = 256

// VerifyStore is what Verify reads of an index.
type VerifyStore interface {
	State(ctx context.Context) (State, error)
	// Counts returns how many session, wallet and lokinet names are live when the chain has height blocks.
	Counts(ctx context.Context, height uint64) ([3]uint64, error)
	// Sample returns the newest records of up to n names, those with the next hashes after from, wrapping around.
	Sample(ctx context.Context, from ons.Hash, n int) ([]ons.Record, error)
}

// Report is what Verify found.
type Report struct {
	Tip           Point     // where both sides were compared
	Index, Daemon [3]uint64 // live session, wallet and lokinet names
	Sampled       int       // records compared
	Differences   []Difference
}

// Difference is one fact on which index and daemon do not agree.
type Difference struct {
	What   string // "counts", or type and name hash of a record
	Field  string
	Index  string
	Daemon string
}

// verifyTries is how often Verify begins again because the chain moved under it.
const verifyTries = 3

// Verify compares the index with a daemon that stands at the same block: the counts of live names, and a random sample of
// records field by field. It changes nothing. If the two stand at different blocks, or do not stand still for long enough,
// nothing can be said and the error wraps ons.ErrUnavailable.
//
// A daemon of the 11.x dialect does not show expired records (specification G): of those it only checks the absence.
func Verify(ctx context.Context, c *oxend.Client, s VerifyStore, sample int, rng *rand.Rand) (Report, error) {
	var from ons.Hash
	for i := range from {
		from[i] = byte(rng.Uint32())
	}
	for try := 1; ; try++ {
		st, info, err := stand(ctx, c, s)
		if err != nil {
			return Report{}, err
		}
		rep, err := verify(ctx, c, s, st, info, sample, from)
		if err == nil && len(rep.Differences) == 0 {
			return rep, nil
		}
		// A block in between explains every difference, so it must be known that there was none.
		again, _, err2 := stand(ctx, c, s)
		if err2 == nil && *again.Tip == *st.Tip {
			return rep, err
		}
		if err2 != nil || try == verifyTries {
			return Report{}, fmt.Errorf("the chain moved while it was compared: %w", ons.ErrUnavailable)
		}
	}
}

// stand returns the state of both sides if they stand at the same block.
func stand(ctx context.Context, c *oxend.Client, s VerifyStore) (State, oxend.Info, error) {
	st, err := s.State(ctx)
	if err != nil {
		return State{}, oxend.Info{}, err
	}
	info, err := c.Info(ctx)
	if err != nil {
		return State{}, oxend.Info{}, err
	}
	if st.Tip == nil || st.Tip.Height != info.Height-1 || st.Tip.Hash != info.TopHash {
		at := "empty"
		if st.Tip != nil {
			at = fmt.Sprintf("at block %d (%s)", st.Tip.Height, st.Tip.Hash)
		}
		return State{}, oxend.Info{}, fmt.Errorf("the index is %s, %s has %d blocks up to %s: nothing to compare: %w",
			at, c, info.Height, info.TopHash, ons.ErrUnavailable)
	}
	if !info.Counted {
		return State{}, oxend.Info{}, fmt.Errorf("%s: get_info has no ons_counts: %w", c, ons.ErrUnavailable)
	}
	return st, info, nil
}

func verify(ctx context.Context, c *oxend.Client, s VerifyStore, st State, info oxend.Info, sample int, from ons.Hash) (Report, error) {
	rep := Report{Tip: *st.Tip, Daemon: info.Counts}
	var err error
	if rep.Index, err = s.Counts(ctx, info.Height); err != nil {
		return Report{}, err
	}
	for t, n := range rep.Index {
		if n != rep.Daemon[t] {
			rep.add("counts", ons.Type(t).String(), strconv.FormatUint(n, 10), strconv.FormatUint(rep.Daemon[t], 10))
		}
	}
	seen := map[ons.Key]bool{} // the sample wraps around: it ends where it meets itself
	for rep.Sampled < sample {
		records, err := s.Sample(ctx, from, min(verifyBatch, sample-rep.Sampled))
		if err != nil {
			return Report{}, err
		}
		fresh := records[:0]
		for _, r := range records {
			if from = r.Hash; !seen[r.Key()] {
				seen[r.Key()] = true
				fresh = append(fresh, r)
			}
		}
		if len(fresh) == 0 {
			break
		}
		if err := rep.compare(ctx, c, fresh, info.Height, st.Network); err != nil {
			return Report{}, err
		}
		rep.Sampled += len(fresh)
	}
	return rep, nil
}

func (rep *Report) add(what, field, index, daemon string) {
	rep.Differences = append(rep.Differences, Difference{what, field, index, daemon})
}

// compare asks the daemon for the records' names and notes every field that differs.
func (rep *Report) compare(ctx context.Context, c *oxend.Client, records []ons.Record, height uint64, n ons.Network) error {
	keys := make([]ons.Key, len(records))
	for i, r := range records {
		keys[i] = r.Key()
	}
	theirs, err := c.Names(ctx, keys, true)
	if err != nil {
		return err
	}
	dialect, err := c.Dialect(ctx)
	if err != nil {
		return err
	}
	for _, r := range records {
		what := r.Type.String() + " " + r.Hash.String()
		d, ok := theirs[r.Key()]
		live := r.Live(height)
		switch {
		case !ok && live:
			rep.add(what, "record", "live", "none")
		case !ok && dialect == oxend.Dialect10:
			rep.add(what, "record", "expired", "none")
		case !ok:
		case dialect == oxend.Dialect11 && !live:
			rep.add(what, "record", "expired", "live")
		default:
			for _, f := range [][3]string{
				{"owner", r.Owner.Text(n), d.Owner},
				{"backup_owner", r.Backup.Text(n), d.Backup},
				{"encrypted_value", hex.EncodeToString(r.Sealed.Stored()), hex.EncodeToString(d.Sealed.Stored())},
				{"update_height", strconv.FormatUint(r.Updated, 10), strconv.FormatUint(d.Updated, 10)},
				{"expiration_height", strconv.FormatUint(r.Expires, 10), strconv.FormatUint(d.Expires, 10)},
				{"txid", r.Txid.String(), d.Txid.String()},
			} {
				if f[1] != f[2] {
					rep.add(what, f[0], f[1], f[2])
				}
			}
		}
	}
	return nil
}
