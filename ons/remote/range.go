package remote

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	"onsight/ons"
)

// The rules of ranges, on the client's side.
const (
	least   = 64  // different hashes that a range must hold, else it is as good as the hash
	meant   = 128 // that one should hold on average: the count of names by which bits are capped is divided by this
	maxBits = 8   // most bits of a hash that are ever sent
)

// ErrRefused is returned if and only if a server offers or gives ranges that hold too little to hide in: a range of fewer than
// 64 hashes, or an offer that does not promise more. ons.ErrUnavailable is always beside it.
var ErrRefused = errors.New("refused: too few names to hide among")

// Caution is what bounds how much of a hash ranges tell.
type Caution struct {
	// Names is how many different hashes of names there are by somebody other than the server, a lower bound; 0: nobody else
	// says, and the whole registry is asked for. The lower of it and the server's own count N allows floor(log2(N/128)) bits.
	Names  int
	Memory Memory // of what was sent before; nil: nothing is remembered
	More   bool   // send more bits than ever before, if the names allow it: who asks for a name again by more bits tells more of it
}

// Memory keeps how many bits were sent at most to any server of one network.
type Memory interface {
	// Most returns that number; ok is false if nothing was ever sent.
	Most() (bits int, ok bool, err error)
	// Keep keeps another one. It is called before so many are sent.
	Keep(bits int) error
}

// Range looks names up by ranges of hashes: all of one width, for as long as it lives. It may be used concurrently.
type Range struct {
	server *Server
	bits   int
	may    int
	most   int64 // bytes of a reply with newest records
}

var _ ons.Source = (*Range)(nil)

// offer is what a server says of its ranges.
type offer struct {
	Bits   int `json:"bits"`
	Hashes int `json:"hashes"`
	Size   int `json:"size_class"` // bytes of a range
}

// Range asks a server which ranges it has and settles how many bits lookups send. The error wraps ErrRefused and
// ons.ErrUnavailable if the server promises less than 64 hashes to each range, or more than eight bits; errors of the memory
// are returned as they are.
func (s *Server) Range(ctx context.Context, c Caution) (*Range, error) {
	o, err := s.offer(ctx)
	if err != nil {
		return nil, err
	}
	may := min(o.Bits, capBits(min(o.Hashes, c.Names)))
	r := &Range{server: s, bits: may, may: may}
	defer func() { r.most = o.most(r.bits) }() // of as many bits as are sent in the end
	if c.Memory == nil {
		return r, nil
	}
	most, ok, err := c.Memory.Most()
	if err != nil {
		return nil, err
	}
	if ok && (may <= most || !c.More) {
		r.bits = min(may, most)
		return r, nil
	}
	return r, c.Memory.Keep(may)
}

func (s *Server) offer(ctx context.Context) (o offer, err error) {
	if s.files != nil {
		o = s.files.offer
	} else if err := s.get(ctx, &o, shortReply, shortTime, "v1", "names", "range"); err != nil {
		return o, s.here(err)
	}
	if o.Bits < 0 || o.Bits > maxBits || o.Hashes < 0 || o.Bits > 0 && o.Hashes < least<<o.Bits {
		return o, fmt.Errorf("%s: offers ranges of %d bits for %d names: %w: %w", s.Host(), o.Bits, o.Hashes, ErrRefused, ons.ErrUnavailable)
	}
	return o, nil
}

// most returns how many bytes a range of so many bits may have: as many as those offered in its place, and as many again for
// blocks that came since, and for its frame. Of a server that does not say, what any may.
func (o offer) most(bits int) int64 {
	most := int64(rangeReply)
	if bits == 0 {
		most = registry
	}
	if o.Size < 1 || int64(o.Size) > most {
		return most
	}
	return min(most, int64(o.Size)<<(o.Bits-bits)*2+1<<16)
}

// capBits returns how many bits of a hash may be sent if there are so many names: a range then holds 128 of them or more on
// average.
func capBits(names int) int {
	return min(maxBits, max(0, bits.Len(uint(max(0, names)/meant))-1))
}

// Bits returns how many bits of a hash a lookup sends.
func (r *Range) Bits() int { return r.bits }

// May returns how many it could if never fewer had been sent before.
func (r *Range) May() int { return r.may }

// Lookup implements ons.Source. Besides its errors there is ErrRefused, which wraps ons.ErrUnavailable too: what was given
// was too little to hide in.
func (r *Range) Lookup(ctx context.Context, t ons.Type, h ons.Hash) (ons.Sealed, error) {
	a, err := r.Find(ctx, ons.Key{Type: t, Hash: h})
	if err != nil {
		return ons.Sealed{}, err
	}
	found, err := a.Live()
	return found.Sealed, err
}

// Find asks for the newest record of a name; that there is none is no error. The answer says what was revealed beside an error
// too.
func (r *Range) Find(ctx context.Context, key ons.Key) (Answer, error) { return r.ask(ctx, key, false) }

// History asks for all records of a name, in one request: it is not asked for by Find as well.
func (r *Range) History(ctx context.Context, key ons.Key) (Answer, error) {
	return r.ask(ctx, key, true)
}

func (r *Range) ask(ctx context.Context, key ons.Key, history bool) (Answer, error) {
	s, number := r.server, firstBits(key.Hash, r.bits)
	a := Answer{Network: s.network, Revealed: Revealed{Bits: r.bits, Number: number}, host: s.Host()}
	within, most := shortTime, r.most
	if r.bits == 0 {
		within = registryTime
	}
	if history { // of which no size is offered
		most = offer{}.most(r.bits)
	}
	var reply struct {
		Ready   bool         `json:"ready"`
		Records []wireRecord `json:"records"`
		AsOf    wirePoint    `json:"as_of"`
	}
	if err := s.get(ctx, &reply, most, within, s.bucket(r.bits, number, history)...); err != nil {
		return a, s.here(err)
	}
	var err error
	if a.Point, err = reply.AsOf.point(); err != nil {
		return a, s.strange()
	}
	a.Ready = reply.Ready
	hashes := map[ons.Hash]bool{}
	for i := range reply.Records {
		one := &reply.Records[i]
		h, err := ons.ParseHash(one.NameHash)
		if err != nil || firstBits(h, r.bits) != number {
			return a, fmt.Errorf("%s: gives names of another range: %w", s.Host(), ons.ErrUnavailable)
		}
		hashes[h] = true
		if h != key.Hash || one.Type != key.Type.String() {
			continue
		}
		if err := a.add(one, key); err != nil {
			return a, s.strange()
		}
	}
	a.Revealed.Among = len(hashes)
	switch {
	case r.bits > 0 && len(hashes) < least:
		return a, fmt.Errorf("%s: gives a range of %d names: %w: %w", s.Host(), len(hashes), ErrRefused, ons.ErrUnavailable)
	case !history && len(a.Records) > 1, history && !ordered(a.Records):
		return a, s.strange()
	}
	return a, nil
}

// bucket returns the path of a range.
func (s *Server) bucket(bits int, number uint64, history bool) []string {
	width, index := strconv.Itoa(bits), strconv.FormatUint(number, 16)
	switch {
	case s.files != nil && history:
		return []string{"v1", "names", "at", s.files.At, "history", width, index}
	case s.files != nil:
		return []string{"v1", "names", "at", s.files.At, "range", width, index}
	case history:
		return []string{"v1", "names", "range", width, index, "history"}
	}
	return []string{"v1", "names", "range", width, index}
}

// firstBits returns the first bits of a hash as a number.
func firstBits(h ons.Hash, width int) uint64 { return binary.BigEndian.Uint64(h[:8]) >> (64 - width) }
