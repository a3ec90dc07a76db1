package ons

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/crypto/blake2b"
	"pgregory.net/rapid"
)

// bundled makes a bundle of records in any order.
func bundled(t testing.TB, at BundlePoint, records map[Key]Record) *Bundle {
	t.Helper()
	keys := slices.SortedFunc(maps.Keys(records), func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
	b, err := NewBundle(at, func(yield func(*Record) bool) {
		for _, k := range keys {
			if r := records[k]; !yield(&r) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// randomRecord is a record of a key with a value of one of the lengths of its type.
func randomRecord(rng *rand.Rand, k Key) Record {
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	r := Record{Type: k.Type, Hash: k.Hash}
	sizes := map[Type][]int{Session: {49, 73}, Wallet: {105, 113}, Lokinet: {72}}[k.Type]
	r.Sealed, _ = ParseSealed(k.Type, random(sizes[rng.IntN(len(sizes))]))
	if k.Type == Lokinet {
		r.Expires = rng.Uint64N(200)
	}
	return r
}

func somewhere(n byte) BundlePoint {
	return BundlePoint{Network: Fakechain, Height: 100, Hash: Txid{n}, Time: 1_700_000_000}
}

// TestBundleLayout compares whole bytes with what the layout says, by hand.
func TestBundleLayout(t *testing.T) {
	t.Parallel()
	session := Record{Type: Session, Hash: Hash(fill(1, 32)), Sealed: Sealed{Ciphertext: fill(40, 49)}}
	host := Record{Type: Lokinet, Hash: Hash(fill(2, 32)), Sealed: Sealed{Ciphertext: fill(50, 48), Nonce: fill(98, 24)}, Expires: 258}
	at := BundlePoint{Network: Devnet, Height: 7, Hash: Txid(fill(3, 32)), Time: 9}
	b := bundled(t, at, map[Key]Record{session.Key(): session, host.Key(): host})
	want := cat([]byte("onsbndl1\x06devnet"), []byte{7, 0, 0, 0, 0, 0, 0, 0}, fill(3, 32), []byte{9, 0, 0, 0, 0, 0, 0, 0},
		[]byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0},
		fill(1, 32), []byte{49}, fill(40, 49), make([]byte, 24),
		fill(2, 32), []byte{72}, fill(50, 72), []byte{2, 1, 0, 0, 0, 0, 0, 0})
	if got := b.Bytes(); !bytes.Equal(got[:len(got)-32], want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
	if got := [...]int{rowSize(Session), rowSize(Wallet), rowSize(Lokinet)}; got != [...]int{106, 146, 113} {
		t.Errorf("rows of %v bytes", got)
	}
	digest := b.Digest()
	if got, want := hex.EncodeToString(digest[:4]), "ea290e48"; got != want { // by Python's hashlib
		t.Errorf("digest %s…, want %s…", got, want)
	}
}

// TestBundleLookup asks for every record and for its likes.
func TestBundleLookup(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 0))
	records := map[Key]Record{}
	for range 500 {
		k := Key{Type: Type(rng.IntN(3)), Hash: Hash{byte(rng.Uint32()), byte(rng.Uint32())}}
		records[k] = randomRecord(rng, k)
	}
	b := bundled(t, somewhere(1), records)
	hashes := map[Hash]bool{}
	for k, r := range records {
		hashes[k.Hash] = true
		got, err := b.Lookup(t.Context(), k.Type, k.Hash)
		if !r.Live(101) {
			wantErr(t, err, ErrNotFound)
		} else if err != nil || !bytes.Equal(got.Stored(), r.Sealed.Stored()) || got.Legacy() != r.Sealed.Legacy() {
			t.Errorf("%v: got %v %v, want %v", k, got, err, r.Sealed)
		}
		k.Hash[31]++
		_, err = b.Lookup(t.Context(), k.Type, k.Hash)
		wantErr(t, err, ErrNotFound)
	}
	if b.Hashes() != len(hashes) {
		t.Errorf("%d hashes, want %d", b.Hashes(), len(hashes))
	}
	_, err := b.Lookup(t.Context(), 7, Hash{})
	wantErr(t, err, ErrNotFound)

	sections := 0
	for typ, n := range b.Len() {
		sections += n * rowSize(Type(typ))
	}
	if total := len(b.Bytes()); float64(total) > 1.02*float64(sections) {
		t.Errorf("%d bytes for sections of %d", total, sections)
	}
}

// TestBundleDamage flips every bit, cuts everywhere, and makes what only a broken writer would.
func TestBundleDamage(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 0))
	a, c := Key{Type: Session, Hash: Hash{1}}, Key{Type: Session, Hash: Hash{2}}
	old := bundled(t, somewhere(1), map[Key]Record{a: randomRecord(rng, a), c: randomRecord(rng, c)})
	b := bundled(t, somewhere(2), map[Key]Record{c: randomRecord(rng, c)})
	delta := b.Delta(somewhere(1).Hash, []Key{a, c})
	for i := range b.Bytes() {
		bad := bytes.Clone(b.Bytes())
		bad[i] ^= 1 << rng.IntN(8)
		_, err := ParseBundle(bad)
		wantErr(t, err, ErrBundle)
		_, err = ParseBundle(b.Bytes()[:i])
		wantErr(t, err, ErrBundle)
	}
	for i := range delta {
		bad := bytes.Clone(delta)
		bad[i] ^= 1 << rng.IntN(8)
		_, err := old.Apply(bad)
		wantErr(t, err, ErrBundle)
		_, err = old.Apply(delta[:i])
		wantErr(t, err, ErrBundle)
	}
	_, err := b.Apply(delta) // it has what it says already, but is of another block
	wantErr(t, err, ErrBundle)
	_, err = old.Apply(b.Bytes())
	wantErr(t, err, ErrBundle)

	good := randomRecord(rng, a)
	for _, records := range [][]Record{
		{randomRecord(rng, c), good}, {good, good}, {{Type: 3}},
		{{Type: Wallet, Sealed: Sealed{Ciphertext: fill(0, 49)}}},
	} {
		_, err := NewBundle(somewhere(1), func(yield func(*Record) bool) {
			for i := range records {
				if !yield(&records[i]) {
					return
				}
			}
		})
		if !errors.Is(err, ErrBundle) && !errors.Is(err, ErrSealed) {
			t.Errorf("%v: got %v", records, err)
		}
	}
}

// TestBundleDeltas shows that deltas over any number of steps, in which names come, change and go as reorganisations make
// them, give the bytes of a fresh bundle.
func TestBundleDeltas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		records := map[Key]Record{}
		have := bundled(t, somewhere(0), records)
		for step := byte(1); step <= 20; step++ {
			var changed []Key
			for range rng.IntN(12) {
				k := Key{Type: Type(rng.IntN(3)), Hash: Hash{byte(rng.IntN(16))}}
				if changed = append(changed, k); rng.IntN(3) == 0 {
					delete(records, k)
				} else {
					records[k] = randomRecord(rng, k)
				}
			}
			fresh := bundled(t, somewhere(step), records)
			next, err := have.Apply(fresh.Delta(have.At().Hash, changed))
			if err != nil {
				rt.Fatal(err)
			}
			if !bytes.Equal(next.Bytes(), fresh.Bytes()) {
				rt.Fatalf("step %d: got %x\nwant %x", step, next.Bytes(), fresh.Bytes())
			}
			have = next
		}
	})
}

// FuzzBundle shows that no bytes make a parser panic, and that what parses is written as it was read.
func FuzzBundle(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 0))
	records := map[Key]Record{}
	for i := range byte(9) {
		k := Key{Type: Type(i % 3), Hash: Hash{i}}
		records[k] = randomRecord(rng, k)
	}
	b := bundled(f, somewhere(1), records)
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:len(b.Bytes())-digestSize])
	f.Add(b.Delta(b.At().Hash, slices.Collect(maps.Keys(records))))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, input []byte) {
		digest := blake2b.Sum256(input)
		for _, input := range [][]byte{input, append(bytes.Clone(input), digest[:]...)} {
			got, err := ParseBundle(input)
			if err != nil {
				wantErr(t, err, ErrBundle)
				continue
			}
			again, err := assemble(got.at, got.rows)
			if err != nil || !bytes.Equal(again.Bytes(), input) {
				t.Fatalf("written again: %v %x", err, again.Bytes())
			}
		}
		if _, err := b.Apply(input); err != nil && !errors.Is(err, ErrBundle) {
			t.Fatal(err)
		}
	})
}

// BenchmarkBundle looks one of 100,000 names up in a bundle.
func BenchmarkBundle(b *testing.B) {
	rng := rand.New(rand.NewPCG(4, 0))
	records := map[Key]Record{}
	for range 100_000 {
		k := Key{Type: Session, Hash: Hash{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())}}
		records[k] = randomRecord(rng, k)
	}
	bundle := bundled(b, somewhere(1), records)
	keys := slices.Collect(maps.Keys(records))
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bundle.Lookup(b.Context(), Session, keys[i%len(keys)].Hash); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// TestBundleSize reads the length of bundles and deltas from their beginnings.
func TestBundleSize(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 0))
	records := map[Key]Record{}
	for i := range 50 {
		k := Key{Type: Type(i % 3), Hash: Hash{byte(i)}}
		records[k] = randomRecord(rng, k)
	}
	gone := Key{Type: Wallet, Hash: Hash{200}}
	b := bundled(t, somewhere(1), records)
	delta := b.Delta(Txid{2}, []Key{{Type: Session}, {Type: Wallet, Hash: Hash{1}}, gone})
	for _, whole := range [][]byte{b.Bytes(), delta, bundled(t, somewhere(1), nil).Bytes()} {
		got, err := BundleSize(whole[:min(len(whole), BundleHead)])
		if err != nil || got != uint64(len(whole)) {
			t.Errorf("%d bytes: %v, want %d", got, err, len(whole))
		}
		for n := range 60 {
			if got, err := BundleSize(whole[:n]); !errors.Is(err, ErrBundle) {
				t.Errorf("%d bytes, of %d: %v", got, n, err)
			}
		}
	}
}

// TestBundleDeltaIgnores takes out what the bundle never had: before, between and behind its rows, and where it has none.
func TestBundleDeltaIgnores(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 0))
	records := map[Key]Record{}
	for _, i := range []byte{10, 20} {
		k := Key{Type: Session, Hash: Hash{i}}
		records[k] = randomRecord(rng, k)
	}
	old := bundled(t, somewhere(1), records)
	drop := Key{Type: Session, Hash: Hash{20}}
	delete(records, drop)
	next := bundled(t, somewhere(2), records)
	changed := []Key{drop, {Type: Wallet, Hash: Hash{1}}}
	for _, i := range []byte{1, 15, 30} {
		changed = append(changed, Key{Type: Session, Hash: Hash{i}})
	}
	got, err := old.Apply(next.Delta(old.At().Hash, changed))
	if err != nil || got.Digest() != next.Digest() {
		t.Error(err)
	}
}
