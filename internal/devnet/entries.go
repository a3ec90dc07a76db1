package devnet

import (
	"bufio"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"

	"golang.org/x/crypto/blake2b"

	"onsight/internal/curve"
	"onsight/ons"
)

// NameEntry is a name that a network has from its start, and what has become of it.
type NameEntry struct {
	Name  ons.Name
	Value ons.Value
	Years uint8 // 1, 2, 5 or 10 for lokinet; zero: 1. The others never expire

	// Legacy: sealed in the scheme of 2020. Session only; takes a second and 256 MiB.
	Legacy bool

	// The past, for entries of DemoNames: before Value there was another one; it was handed on to somebody else; it was renewed;
	// it lies back so far that it has expired.
	updated, handedOn, renewed, expired bool
}

// ErrNames is what errors about a list of names wrap.
var ErrNames = errors.New("invalid list of names")

// maxNames bounds a list of names.
const maxNames = 100_000

// ParseNames reads names a line each: TYPE NAME VALUE [YEARS | legacy], where TYPE is session, wallet or lokinet, VALUE is as people write it
// (66 hex digits, an address, key.loki) or @WORD for the made-up account or address of a word, YEARS is for
// lokinet, and legacy, for session, seals in the scheme of 2020. Empty lines and what follows # do not
// count; no name may come twice.
func ParseNames(r io.Reader, network ons.Network) ([]NameEntry, error) {
	var list []NameEntry
	where := map[ons.Key]int{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		e, err := parseEntry(fields, network)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %v", ErrNames, n, err)
		}
		key := ons.Key{Type: e.Name.Type(), Hash: e.Name.Hash()}
		if first, there := where[key]; there {
			return nil, fmt.Errorf("%w: line %d: the name is there already, on line %d", ErrNames, n, first)
		}
		where[key] = n
		if list = append(list, e); len(list) > maxNames {
			return nil, fmt.Errorf("%w: more than %d names", ErrNames, maxNames)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNames, err)
	}
	return list, nil
}

func parseEntry(fields []string, network ons.Network) (e NameEntry, err error) {
	if len(fields) < 3 || len(fields) > 4 {
		return e, errors.New("write TYPE NAME VALUE, and YEARS for lokinet if you like")
	}
	t, err := ons.ParseType(fields[0])
	if err != nil {
		return e, err
	}
	if e.Name, err = ons.ParseName(t, fields[1]); err != nil {
		return e, err
	}
	if e.Value, err = ParseNameValue(t, fields[2], network); err != nil {
		return e, err
	}
	if len(fields) == 4 && fields[3] == "legacy" && t == ons.Session {
		e.Legacy = true
	} else if len(fields) == 4 {
		years, err := strconv.ParseUint(strings.TrimSuffix(fields[3], "y"), 10, 8)
		if _, ok := lengthByte(t, int(years)); err != nil || !ok || t != ons.Lokinet {
			return e, errors.New("after VALUE comes 1, 2, 5 or 10 (years) for lokinet, legacy for session, or nothing")
		}
		e.Years = uint8(years)
	}
	return e, nil
}

// ParseNameValue reads a value as ons.ParseValue does, or @WORD: what a made-up person of that name would have.
func ParseNameValue(t ons.Type, text string, network ons.Network) (ons.Value, error) {
	if word, ok := strings.CutPrefix(text, "@"); ok {
		return madeUp(t, word), nil
	}
	return ons.ParseValue(t, text, network)
}

// madeUp is the account, address or key of a word: always the same, and for session and lokinet one whose secret follows from it.
func madeUp(t ons.Type, word string) ons.Value {
	seed := blake2b.Sum256([]byte("devnet " + word))
	key := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
	switch t {
	case ons.Session:
		x, err := curve.PublicX25519(key)
		if err != nil {
			panic("devnet: internal error: " + err.Error())
		}
		return ons.Value{Type: t, Bytes: append([]byte{5}, x[:]...)}
	case ons.Wallet:
		view := blake2b.Sum256(seed[:])
		other := ed25519.NewKeyFromSeed(view[:]).Public().(ed25519.PublicKey)
		return ons.Value{Type: t, Bytes: append(append([]byte{0}, key...), other...)}
	}
	return ons.Value{Type: t, Bytes: key}
}

// demoWords are what the names of DemoNames are made of.
var demoWords = strings.Fields(`alice bob carol dave erin frank grace heidi ivan judy mallory niaj olivia peggy quentin rupert sybil
	trent ursula victor wendy xavier yolanda zoe amber basil cedar dahlia elm fern ginger hazel iris juniper kelp laurel maple nettle
	oak poppy quince rose sage thyme umber violet willow yarrow aspen birch clover daisy elder finch gull heron ibis jay kite lark
	magpie newt otter plover quail raven stork tern urchin vole wren yak zebra anchor beacon comet dune ember fjord glacier harbor`)

// forgotten was registered in 2020 and never touched since: its value is sealed in the scheme of then.
const forgotten = "sybil"

// DemoNames makes n names of all types with a past, drawn from a seed. The first are alice, bob and so on, of type session.
func DemoNames(seed uint64, n int) []NameEntry {
	r := rand.New(rand.NewPCG(seed, 0x6e616d6573))
	list := make([]NameEntry, 0, n)
	add := func(t ons.Type, text, word string) *NameEntry {
		list = append(list, NameEntry{Name: mustName(t, text), Value: madeUp(t, word)})
		return &list[len(list)-1]
	}
	for i := 0; len(list) < n; i++ {
		word := demoWords[i%len(demoWords)]
		if round := i / len(demoWords); round > 0 {
			word += "-" + strconv.Itoa(round+1)
		}
		e := add(ons.Session, word, word)
		e.updated, e.handedOn = i > 3 && r.IntN(3) == 0, i > 3 && r.IntN(6) == 0
		if word == forgotten {
			e.Legacy, e.updated, e.handedOn = true, false, false
		}
		if len(list) < n && r.IntN(5) == 0 {
			add(ons.Wallet, word, word).updated = r.IntN(4) == 0
		}
		if len(list) < n && r.IntN(4) == 0 {
			e := add(ons.Lokinet, word+".loki", word)
			e.Years = [...]uint8{1, 1, 2, 5, 10}[r.IntN(5)]
			switch r.IntN(4) {
			case 0:
				e.expired, e.Years = true, 1
			case 1:
				e.renewed = true
			}
		}
	}
	return list
}

// seedOf makes seeds for the parts of a network out of the network's.
func seedOf(seed uint64, what string, i int) [32]byte {
	b := binary.LittleEndian.AppendUint64([]byte(what), seed)
	return blake2b.Sum256(binary.LittleEndian.AppendUint64(b, uint64(i)))
}
