package directory

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/ons"
)

func proberKey(i byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{i}, ed25519.SeedSize))
}

// rounded is a check as a report can say it.
func rounded(rng *rand.Rand, k Key, from time.Time, window time.Duration) Check {
	step := func() time.Duration {
		return time.Duration(rng.IntN(int(durationMost/time.Microsecond))) * time.Microsecond
	}
	s := Sample{At: from.Add(time.Duration(rng.Int64N(window.Milliseconds()+1)) * time.Millisecond),
		TCP: NotTried, TLS: NotTried, Info: NotTried, OMQ: NotTried}
	if rng.IntN(2) == 0 {
		s.OMQ = step()
	}
	if s.OK = rng.IntN(3) > 0; s.OK {
		s.TCP, s.TLS, s.Info = step(), step(), step()
		s.ClockOffset = time.Duration(rng.Int64N(2*offsetMost)-offsetMost) * time.Millisecond
		s.Version = Version{uint16(rng.Uint32()), uint16(rng.Uint32()), uint16(rng.Uint32())}
	} else {
		s.Failure = strings.Repeat("answered 503. ", rng.IntN(5))
	}
	return Check{Key: k, Sample: s}
}

func drawReport(t *rapid.T) Report {
	rng := newRand(rapid.Uint64().Draw(t, "seed"))
	window := time.Duration(rapid.IntRange(0, 600_000).Draw(t, "window")) * time.Millisecond
	r := Report{Network: rapid.SampledFrom([]ons.Network{ons.Mainnet, ons.Testnet, ons.Fakechain}).Draw(t, "network"),
		Sequence: rapid.Uint64Range(0, math.MaxInt64).Draw(t, "sequence"), From: t0.Add(time.Duration(rng.IntN(1000)) * time.Millisecond)}
	r.To = r.From.Add(window)
	for i := range rapid.IntRange(1, 50).Draw(t, "checks") {
		r.Checks = append(r.Checks, rounded(rng, keyOf(i), r.From, window))
	}
	return r
}

// TestReportRoundTrip: what is signed is what is read, checks in order; and no byte of it can be another.
func TestReportRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawReport(t)
		key := proberKey(byte(rapid.IntRange(0, 255).Draw(t, "key")))
		b, err := want.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseReport(b)
		if err != nil {
			t.Fatal(err)
		}
		want.Prober = [32]byte(key.Public().(ed25519.PublicKey))
		slices.SortFunc(want.Checks, func(a, b Check) int { return a.Key.Compare(b.Key) })
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		other := slices.Clone(b)
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		other[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		if _, err := ParseReport(other); !errors.Is(err, ErrReportForm) && !errors.Is(err, ErrReportSignature) {
			t.Fatalf("byte %d changed: got error %v", at, err)
		}
		if _, err := ParseReport(b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")]); err == nil {
			t.Fatal("a part of a report was accepted")
		}
		if _, err := ParseReport(append(b, 0)); err == nil {
			t.Fatal("more than a report was accepted")
		}
	})
}

// TestReportRounds: what a Probe measured survives to the unit of the form.
func TestReportRounds(t *testing.T) {
	from := t0.Add(123456789)
	r := Report{Network: ons.Mainnet, Sequence: 1, From: from, To: from.Add(time.Second), Checks: []Check{
		{Key: keyOf(1), Sample: Sample{At: from.Add(1500 * time.Microsecond), OK: true, TCP: 1234567, TLS: 2 * time.Hour, Info: 999, OMQ: NotTried,
			ClockOffset: -1234567890, Version: Version{2, 11, 0}, Failure: strings.Repeat("x", 99)}},
	}}
	b, err := r.Sign(proberKey(1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseReport(b)
	if err != nil {
		t.Fatal(err)
	}
	want := Sample{At: t0.Add(124 * time.Millisecond), OK: true, TCP: 1234 * time.Microsecond, TLS: time.Minute, Info: 0, OMQ: NotTried,
		ClockOffset: -1234 * time.Millisecond, Version: Version{2, 11, 0}, Failure: strings.Repeat("x", 80)}
	if d := cmp.Diff(want, got.Checks[0].Sample); d != "" {
		t.Error(d)
	}
}

// goodReport is one that reportSnapshot accepts at t0.
func goodReport() Report {
	rng := newRand(1)
	r := Report{Network: ons.Testnet, Sequence: 8, From: t0.Add(-time.Minute), To: t0}
	for i := range 5 {
		r.Checks = append(r.Checks, rounded(rng, keyOf(i), r.From, time.Minute))
	}
	return r
}

func reportSnapshot() *Snapshot {
	s := &Snapshot{Network: ons.Testnet, Probers: []Prober{
		{Name: "other", Key: proberKey(2).Public().(ed25519.PublicKey), Sequence: 100},
		{Name: "berlin", Key: proberKey(1).Public().(ed25519.PublicKey), Sequence: 7},
	}}
	for i := range 5 {
		s.Entries = append(s.Entries, Entry{Node: Node{Key: keyOf(i)}})
	}
	slices.SortFunc(s.Entries, func(a, b Entry) int { return a.Node.Key.Compare(b.Node.Key) })
	return s
}

func TestReportAccept(t *testing.T) {
	for _, c := range []struct {
		name   string
		key    byte
		change func(*Report)
		want   error
	}{
		{"good", 1, func(r *Report) {}, nil},
		{"key not enrolled", 3, func(r *Report) {}, ErrNotEnrolled},
		{"network", 1, func(r *Report) { r.Network = ons.Mainnet }, ErrReportNetwork},
		{"no network", 1, func(r *Report) { r.Network = "" }, ErrReportNetwork},
		{"five minutes old", 1, shift(-4 * time.Minute), nil},
		{"older", 1, shift(-4*time.Minute - time.Millisecond), ErrReportTime},
		{"five minutes ahead", 1, shift(5 * time.Minute), nil},
		{"further ahead", 1, shift(5*time.Minute + time.Millisecond), ErrReportTime},
		{"begun too long ago", 1, func(r *Report) { r.From = t0.Add(-6 * time.Minute) }, ErrReportTime},
		{"ends in an hour", 1, func(r *Report) { r.To = t0.Add(time.Hour) }, ErrReportTime},
		{"sequence again", 1, func(r *Report) { r.Sequence = 7 }, ErrSequence},
		{"sequence before", 1, func(r *Report) { r.Sequence = 6 }, ErrSequence},
		{"sequence of another's", 2, func(r *Report) {}, ErrSequence},
		{"sequence at the end", 1, func(r *Report) { r.Sequence = math.MaxInt64 }, nil},
		{"one unknown node", 1, func(r *Report) { r.Checks[3].Key = keyOf(77) }, ErrReportNode},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := goodReport()
			c.change(&r)
			b, err := r.Sign(proberKey(c.key))
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := ParseReport(b)
			if err != nil {
				t.Fatal(err)
			}
			from, err := parsed.accept(reportSnapshot(), t0)
			if !errors.Is(err, c.want) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
			if err == nil && from.Name != "berlin" {
				t.Errorf("got it from %q, want berlin", from.Name)
			}
		})
	}
}

func shift(d time.Duration) func(*Report) {
	return func(r *Report) {
		r.From, r.To = r.From.Add(d), r.To.Add(d)
		for i := range r.Checks {
			r.Checks[i].Sample.At = r.Checks[i].Sample.At.Add(d)
		}
	}
}

// TestReportForm goes through what has the right signature and yet no receiver reads, and what Sign refuses to make of it.
func TestReportForm(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Report)
	}{
		{"no checks", func(r *Report) { r.Checks = nil }},
		{"a node twice", func(r *Report) { r.Checks[1].Key = r.Checks[0].Key }},
		{"ends before it begins", func(r *Report) { r.From, r.To = r.To, r.From }},
		{"checked before it begins", func(r *Report) { r.Checks[0].Sample.At = r.From.Add(-time.Second) }},
		{"checked after it ends", func(r *Report) { r.Checks[0].Sample.At = r.To.Add(time.Second) }},
		{"before 1970", shift(-100 * 365 * 24 * time.Hour)},
		{"control characters", func(r *Report) { r.Checks[0].Sample = failed("\x1b[2J") }},
		{"not ASCII", func(r *Report) { r.Checks[0].Sample = failed("für") }},
		{"OK without info", func(r *Report) { r.Checks[0].Sample = failed(""); r.Checks[0].Sample.OK = true }},
		{"not OK with info", func(r *Report) { r.Checks[0].Sample = failed(""); r.Checks[0].Sample.Info = 1 }},
		{"not OK with a version", func(r *Report) { r.Checks[0].Sample = failed(""); r.Checks[0].Sample.Version[0] = 1 }},
		{"not OK with a clock", func(r *Report) { r.Checks[0].Sample = failed(""); r.Checks[0].Sample.ClockOffset = time.Second }},
		{"sequence of 64 bits", func(r *Report) { r.Sequence = 1 << 63 }},
		{"network of a long name", func(r *Report) { r.Network = "a network with a long name" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := goodReport()
			c.change(&r)
			if _, err := r.Sign(proberKey(1)); !errors.Is(err, ErrReportForm) {
				t.Errorf("Sign: got error %v, want ErrReportForm", err)
			}
			key := proberKey(1)
			r.Prober = [32]byte(key.Public().(ed25519.PublicKey))
			body := r.body()
			if _, err := ParseReport(append(body, ed25519.Sign(key, body)...)); !errors.Is(err, ErrReportForm) {
				t.Errorf("ParseReport: got error %v, want ErrReportForm", err)
			}
		})
	}
}

// failed is a sample of goodReport's time that is not OK.
func failed(words string) Sample {
	return Sample{At: t0, TCP: NotTried, TLS: NotTried, Info: NotTried, OMQ: NotTried, Failure: words}
}

// TestReportOneForm: a number with a byte too many, or checks out of order, would be a second form of the same report.
func TestReportOneForm(t *testing.T) {
	key := proberKey(1)
	r := goodReport()
	r.Prober = [32]byte(key.Public().(ed25519.PublicKey))
	slices.SortFunc(r.Checks, func(a, b Check) int { return b.Key.Compare(a.Key) })
	backwards := r.body()
	slices.Reverse(r.Checks)
	good := r.body()
	if _, err := parseBody(good); err != nil {
		t.Fatal(err)
	}
	sequence := len(reportDomain) + 1 + len(r.Network) + 32
	long := slices.Concat(good[:sequence], []byte{good[sequence] | 0x80, 0}, good[sequence+1:])
	for name, body := range map[string][]byte{"backwards": backwards, "long": long} {
		if _, err := ParseReport(append(body, ed25519.Sign(key, body)...)); !errors.Is(err, ErrReportForm) {
			t.Errorf("%s: got error %v, want ErrReportForm", name, err)
		}
	}
}

func TestReportSize(t *testing.T) {
	if _, err := ParseReport(make([]byte, ReportMost+1)); !errors.Is(err, ErrReportSize) {
		t.Errorf("got error %v, want ErrReportSize", err)
	}
	rng := newRand(1)
	r := Report{Network: ons.Mainnet, Sequence: 1, From: t0, To: t0.Add(time.Minute)}
	for i := range 2000 {
		r.Checks = append(r.Checks, rounded(rng, keyOf(i), r.From, time.Minute))
	}
	b, err := r.Sign(proberKey(1))
	if err != nil || len(b) > ReportMost/4 {
		t.Errorf("2,000 checks: got %d bytes, error %v", len(b), err)
	}
	for i := range 20_000 {
		r.Checks = append(r.Checks, rounded(rng, keyOf(2000+i), r.From, time.Minute))
	}
	if _, err := r.Sign(proberKey(1)); !errors.Is(err, ErrReportSize) {
		t.Errorf("22,000 checks: got error %v, want ErrReportSize", err)
	}
}

// TestReportCount: a count that the bytes cannot hold makes no memory.
func TestReportCount(t *testing.T) {
	b := append([]byte(reportDomain), 0)
	b = append(b, make([]byte, 32)...)
	b = append(b, 1, 1, 1)
	b = binary.AppendUvarint(b, 1<<40)
	if n := testing.AllocsPerRun(10, func() { _, _ = parseBody(b) }); n > 10 {
		t.Errorf("got %v allocations", n)
	}
	if _, err := parseBody(b); !errors.Is(err, ErrReportForm) {
		t.Errorf("got error %v, want ErrReportForm", err)
	}
}

func FuzzParseReport(f *testing.F) {
	r := goodReport()
	b, err := r.Sign(proberKey(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-ed25519.SignatureSize])
	f.Add([]byte(reportDomain))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := ParseReport(b); err != nil && !errors.Is(err, ErrReportForm) && !errors.Is(err, ErrReportSize) && !errors.Is(err, ErrReportSignature) {
			t.Errorf("got error %v", err)
		}
		// Random bytes are never signed: their body alone gets further.
		r, err := parseBody(b)
		if err != nil {
			return
		}
		if again := r.body(); !bytes.Equal(again, b) {
			t.Errorf("got %x, want %x", again, b)
		}
		var e Estimate
		for _, c := range r.Checks {
			e = e.Add(c.Sample)
			_ = fmt.Sprint(c.Sample)
		}
		blob, err := e.MarshalBinary()
		if err == nil {
			err = new(Estimate).UnmarshalBinary(blob)
		}
		if err != nil {
			t.Errorf("what was reported cannot be stored: %v", err)
		}
	})
}

// TestReportStranger: of a report of nobody's that is enrolled, no more is looked at than whose it is.
func TestReportStranger(t *testing.T) {
	d := New(Config{Epoch: 1, Now: func() time.Time { return t0 }})
	d.now.Store(reportSnapshot())
	for name, tt := range map[string]struct {
		key  byte
		want error
	}{"stranger": {3, ErrNotEnrolled}, "enrolled": {1, ErrReportForm}} {
		r := goodReport()
		key := proberKey(tt.key)
		r.Prober = [32]byte(key.Public().(ed25519.PublicKey))
		head := len(reportDomain) + 1 + len(r.Network) + 32
		if err := d.Report(t.Context(), append(r.body()[:head], "anything"...)); !errors.Is(err, tt.want) {
			t.Errorf("%s: got error %v, want %v", name, err, tt.want)
		}
		if err := d.Report(t.Context(), r.body()[:head-1]); !errors.Is(err, ErrReportForm) {
			t.Errorf("%s, cut: got error %v, want ErrReportForm", name, err)
		}
	}
}

func BenchmarkParseReport(b *testing.B) {
	rng := newRand(1)
	r := Report{Network: ons.Mainnet, Sequence: 1, From: t0, To: t0.Add(time.Minute)}
	for i := range 2000 {
		r.Checks = append(r.Checks, rounded(rng, keyOf(i), r.From, time.Minute))
	}
	blob, err := r.Sign(proberKey(1))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		if _, err := ParseReport(blob); err != nil {
			b.Fatal(err)
		}
	}
}
