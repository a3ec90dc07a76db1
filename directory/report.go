package directory

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"onsight/ons"
)

// ReportMost is how many bytes a report may have. 2,000 checks are some 130 kB.
const ReportMost = 1 << 20

// reportSkew is how far a report's times may be from the receiver's clock: a vantage point sends it when it has measured.
const reportSkew = 5 * time.Minute

// Why a report is refused, apart from ErrNotEnrolled and ErrSequence.
var (
	ErrReportSize      = errors.New("the report is too large")
	ErrReportForm      = errors.New("not a report in its one form")
	ErrReportSignature = errors.New("the report's signature is wrong")
	ErrReportNetwork   = errors.New("the report is of another network")
	ErrReportTime      = errors.New("the report is not of the last minutes")
	ErrReportNode      = errors.New("the report has a node that is not known here")
)

// Report is what one vantage point measured in one stretch of time, signed by it. In bytes it has one form only:
//
//	"onsight probe report 1\n" || len || network || public key of the prober(32) || sequence || from || to − from || count
//	then for each check, by rising key of the node:
//	  key(32) || 1 if OK, else 0 (1) || its time − from || TCP || TLS || info || OMQ || clock offset || version(3) || len || failure
//	then the Ed25519 signature(64) of all bytes before
//
// Numbers are unsigned varints, the clock offset a signed one, none longer than it need be. Times are milliseconds, from
// counted from 1970; the four durations microseconds and one more, 0 for NotTried; the offset milliseconds. Failure is
// at most 80 characters of printable ASCII.
type Report struct {
	Network  ons.Network
	Prober   [ed25519.PublicKeySize]byte
	Sequence uint64    // greater than that of the prober's report before, less than 2^63
	From, To time.Time // no check is earlier or later
	Checks   []Check   // at least one, by rising Key
}

const (
	reportDomain = "onsight probe report 1\n"
	networkMost  = 20
	wordsMost    = 80
	millisMost   = 253402300799999 // the end of the year 9999
	offsetMost   = math.MaxInt64 / int64(time.Millisecond)
	durationMost = highest * time.Microsecond // what a histogram holds
	checkLeast   = 32 + 1 + 6 + 3 + 1         // bytes
)

// Sign returns r as bytes, signed with a key, whose public part becomes the Prober. Checks are put in order, and rounded as
// the form says. The error wraps ErrReportForm or ErrReportSize for what no receiver would accept.
func (r Report) Sign(key ed25519.PrivateKey) ([]byte, error) {
	r.Prober = [ed25519.PublicKeySize]byte(key.Public().(ed25519.PublicKey))
	r.Checks = slices.Clone(r.Checks)
	slices.SortFunc(r.Checks, func(a, b Check) int { return a.Key.Compare(b.Key) })
	body := r.body()
	if len(body)+ed25519.SignatureSize > ReportMost {
		return nil, ErrReportSize
	}
	if _, err := parseBody(body); err != nil {
		return nil, err
	}
	return append(body, ed25519.Sign(key, body)...), nil
}

func (r *Report) body() []byte {
	b := []byte(reportDomain)
	b = append(binary.AppendUvarint(b, uint64(len(r.Network))), r.Network...)
	b = append(b, r.Prober[:]...)
	from := r.From.UnixMilli()
	for _, n := range []uint64{r.Sequence, uint64(from), uint64(r.To.UnixMilli() - from), uint64(len(r.Checks))} {
		b = binary.AppendUvarint(b, n)
	}
	for i := range r.Checks {
		s := &r.Checks[i].Sample
		b = append(b, r.Checks[i].Key[:]...)
		ok := byte(0)
		if s.OK {
			ok = 1
		}
		b = binary.AppendUvarint(append(b, ok), uint64(s.At.UnixMilli()-from))
		for _, d := range []time.Duration{s.TCP, s.TLS, s.Info, s.OMQ} {
			n := uint64(0)
			if d >= 0 {
				n = uint64(min(d, durationMost).Microseconds()) + 1
			}
			b = binary.AppendUvarint(b, n)
		}
		b = binary.AppendVarint(b, s.ClockOffset.Milliseconds())
		for _, n := range s.Version {
			b = binary.AppendUvarint(b, uint64(n))
		}
		words := s.Failure[:min(len(s.Failure), wordsMost)]
		b = append(binary.AppendUvarint(b, uint64(len(words))), words...)
	}
	return b
}

// ParseReport reads a report and verifies that its Prober signed it; who that is, is for the caller to find out. The error
// wraps ErrReportSize, ErrReportForm or ErrReportSignature.
func ParseReport(b []byte) (Report, error) {
	if len(b) > ReportMost {
		return Report{}, ErrReportSize
	}
	if len(b) < ed25519.SignatureSize {
		return Report{}, ErrReportForm
	}
	body, signature := b[:len(b)-ed25519.SignatureSize], b[len(b)-ed25519.SignatureSize:]
	r, err := parseBody(body)
	if err != nil {
		return Report{}, err
	}
	if !ed25519.Verify(r.Prober[:], body, signature) {
		return Report{}, ErrReportSignature
	}
	return r, nil
}

// parseBody reads all but the signature. Since what is read must give the same bytes again, nothing has two forms.
func parseBody(b []byte) (Report, error) {
	rest, ok := bytes.CutPrefix(b, []byte(reportDomain))
	if !ok {
		return Report{}, ErrReportForm
	}
	in := varints{b: rest}
	var r Report
	r.Network = ons.Network(in.bytes(int(in.most(networkMost))))
	copy(r.Prober[:], in.bytes(len(r.Prober)))
	r.Sequence = in.most(math.MaxInt64)
	from := in.most(millisMost)
	to := from + in.most(millisMost-from)
	r.From, r.To = time.UnixMilli(int64(from)).UTC(), time.UnixMilli(int64(to)).UTC()
	count := in.most(uint64(len(rest) / checkLeast))
	r.Checks = make([]Check, 0, count)
	for range count {
		c := readCheck(&in, from, to)
		if n := len(r.Checks); n > 0 && r.Checks[n-1].Key.Compare(c.Key) >= 0 {
			in.fail()
		}
		r.Checks = append(r.Checks, c)
	}
	if in.bad || count == 0 || len(in.b) > 0 || !bytes.Equal(r.body(), b) {
		return Report{}, ErrReportForm
	}
	return r, nil
}

func readCheck(in *varints, from, to uint64) (c Check) {
	copy(c.Key[:], in.bytes(len(c.Key)))
	s := &c.Sample
	ok := in.byte()
	s.OK = ok == 1
	s.At = time.UnixMilli(int64(from + in.most(to-from))).UTC()
	for _, d := range []*time.Duration{&s.TCP, &s.TLS, &s.Info, &s.OMQ} {
		n := in.most(uint64(durationMost.Microseconds()) + 1)
		if *d = NotTried; n > 0 {
			*d = time.Duration(n-1) * time.Microsecond
		}
	}
	s.ClockOffset = time.Duration(in.between(-offsetMost, offsetMost)) * time.Millisecond
	for i := range s.Version {
		s.Version[i] = uint16(in.most(math.MaxUint16))
	}
	s.Failure = string(in.bytes(int(in.most(wordsMost))))
	for _, r := range s.Failure {
		if r < ' ' || r > '~' {
			in.fail()
		}
	}
	// What answered was connected to first, and what did not has told nothing of itself.
	if s.OK && (s.TCP < 0 || s.TLS < 0 || s.Info < 0) || !s.OK && (s.Info >= 0 || s.ClockOffset != 0 || s.Version != (Version{})) {
		in.fail()
	}
	return c
}

// accept finds out who a report is from and whether it may be believed now. The error is one of those that Directory.Report
// names.
func (r *Report) accept(s *Snapshot, now time.Time) (Prober, error) {
	i := slices.IndexFunc(s.Probers, func(p Prober) bool { return bytes.Equal(p.Key, r.Prober[:]) })
	switch {
	case i < 0:
		return Prober{}, ErrNotEnrolled
	case r.Network != s.Network:
		return Prober{}, ErrReportNetwork
	case r.From.Before(now.Add(-reportSkew)) || r.To.After(now.Add(reportSkew)):
		return Prober{}, ErrReportTime
	case r.Sequence <= s.Probers[i].Sequence:
		return Prober{}, ErrSequence
	}
	for _, c := range r.Checks {
		if s.Entry(c.Key) == nil {
			return Prober{}, fmt.Errorf("%w: %s", ErrReportNode, c.Key)
		}
	}
	return s.Probers[i], nil
}

// enrolled reads no further than to whose report it is said to be: reading and verifying all of it is
// work that only who is enrolled may ask for.
func enrolled(b []byte, s *Snapshot) error {
	if len(b) > ReportMost {
		return ErrReportSize
	}
	rest, ok := bytes.CutPrefix(b, []byte(reportDomain))
	in := varints{b: rest}
	in.bytes(int(in.most(networkMost)))
	key := in.bytes(ed25519.PublicKeySize)
	if !ok || in.bad {
		return ErrReportForm
	}
	if !slices.ContainsFunc(s.Probers, func(p Prober) bool { return bytes.Equal(p.Key, key) }) {
		return ErrNotEnrolled
	}
	return nil
}

// Report takes in what another vantage point measured: all of it, or nothing if it is refused. That is an error that wraps
// ErrFenced, if this Directory only reads; ErrReportSize, ErrNotEnrolled, ErrReportForm, ErrReportSignature,
// ErrReportNetwork, ErrReportTime, ErrSequence or ErrReportNode, checked in this order; any other error is ours. One that does
// not even begin like a report is ErrReportForm.
func (d *Directory) Report(ctx context.Context, b []byte) error {
	if d.Epoch == 0 {
		return ErrFenced
	}
	if err := enrolled(b, d.Snapshot()); err != nil {
		return err
	}
	r, err := ParseReport(b)
	if err != nil {
		return err
	}
	from, err := r.accept(d.Snapshot(), d.Now())
	if err != nil {
		return err
	}
	return d.record(ctx, from.Name, r.Sequence, r.Checks)
}
