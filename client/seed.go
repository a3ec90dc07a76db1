package client

import (
	crand "crypto/rand"
	"crypto/sha512"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"sync"

	"onsight/internal/curve"
)

// Why words are no seed. No error repeats a word.
var (
	ErrFewWords  = errors.New("too few words: a recovery phrase has 13")
	ErrManyWords = errors.New("too many words: a recovery phrase has 13")
	ErrWord      = errors.New("is not a word of recovery phrases") // says which one by its number
	ErrWordOrder = errors.New("these words do not stand together: one is wrong, or out of order")
	ErrChecksum  = errors.New("the last word does not fit the others: one is wrong, or out of order")
	// ErrBIP39 means that the words are those of a wallet's phrase, which is made otherwise and cannot be used.
	ErrBIP39 = errors.New("this is a BIP-39 phrase, as wallets have it, not a recovery phrase of Session")
)

// Seed is the secret that an account consists of.
type Seed [16]byte

// NewSeed draws the seed of a new account. A nil rand means crypto/rand, which everything but a test wants; the error is
// rand's.
func NewSeed(rand io.Reader) (Seed, error) {
	if rand == nil {
		rand = crand.Reader
	}
	var s Seed
	if _, err := io.ReadFull(rand, s[:]); err != nil {
		return Seed{}, fmt.Errorf("choose a seed: %w", err)
	}
	return s, nil
}

// String hides the seed.
func (s Seed) String() string { return "client.Seed" }

// GoString hides the seed.
func (s Seed) GoString() string { return s.String() }

// wide returns the seed of the Ed25519 key.
func (s Seed) wide() (w [32]byte) {
	copy(w[:], s[:])
	return w
}

// ID returns the id of the seed's account without working out its other keys.
func (s Seed) ID() ID {
	w := s.wide()
	h := sha512.Sum512(w[:])
	x := curve.BaseX25519([32]byte(h[:32]))
	return ID(append([]byte{prefix}, x[:]...))
}

const (
	significant = 3  // letters by which words are told apart
	phrase      = 13 // words
	maxPhrase   = 4096
)

//go:embed words.txt
var wordList string

//go:embed bip39.txt
var bip39List string

// words are the list, and each word's number by its first letters.
var words = sync.OnceValues(func() ([]string, map[string]uint32) {
	list := strings.Fields(wordList)
	byPrefix := make(map[string]uint32, len(list))
	for i, w := range list {
		byPrefix[w[:significant]] = uint32(i)
	}
	return list, byPrefix
})

// Words returns the seed as 13 words with spaces between.
func (s Seed) Words() string {
	list, _ := words()
	n := uint32(len(list))
	out := make([]string, 0, phrase)
	for i := 0; i < len(s); i += 4 {
		x := binary.LittleEndian.Uint32(s[i:])
		w1 := x % n
		w2 := (x/n + w1) % n
		w3 := (x/n/n + w2) % n
		out = append(out, list[w1], list[w2], list[w3])
	}
	return strings.Join(append(out, out[checkIndex(out)]), " ")
}

// checkIndex returns which of 12 words is repeated as the 13th.
func checkIndex(words []string) int {
	crc := crc32.NewIEEE()
	for _, w := range words {
		io.WriteString(crc, w[:significant])
	}
	return int(crc.Sum32() % uint32(len(words)))
}

// ParseSeed reads the words that Seed.Words gave, in any case and with any space between. Of each word only the first three
// letters count. The error is one of those above; ErrWord comes with the number of the word, counted from 1.
func ParseSeed(text string) (Seed, error) {
	if len(text) > maxPhrase {
		return Seed{}, ErrManyWords
	}
	got := strings.Fields(strings.ToLower(text))
	s, err := parseSeed(got)
	if err != nil && isBIP39(got) {
		err = ErrBIP39
	}
	return s, err
}

func parseSeed(got []string) (Seed, error) {
	switch {
	case len(got) < phrase:
		return Seed{}, ErrFewWords
	case len(got) > phrase:
		return Seed{}, ErrManyWords
	}
	list, byPrefix := words()
	index := make([]uint64, len(got))
	for i, w := range got {
		if len(w) < significant {
			return Seed{}, fmt.Errorf("word %d %w", i+1, ErrWord)
		}
		n, ok := byPrefix[w[:significant]]
		if !ok {
			return Seed{}, fmt.Errorf("word %d %w", i+1, ErrWord)
		}
		index[i] = uint64(n)
	}
	var s Seed
	n := uint64(len(list))
	for i := range len(s) / 4 {
		w1, w2, w3 := index[3*i], index[3*i+1], index[3*i+2]
		x := w1 + n*((n-w1+w2)%n) + n*n*((n-w2+w3)%n)
		if x>>32 != 0 { // 1626³ is a little more than 2³²
			return Seed{}, ErrWordOrder
		}
		binary.LittleEndian.PutUint32(s[4*i:], uint32(x))
	}
	if last := phrase - 1; got[checkIndex(got[:last])][:significant] != got[last][:significant] {
		return Seed{}, ErrChecksum
	}
	return s, nil
}

// isBIP39 reports whether all words are of the other list, and as many as its phrases have.
func isBIP39(got []string) bool {
	if n := len(got); n < 12 || n > 24 || n%3 != 0 {
		return false
	}
	list := strings.Fields(bip39List)
	for _, w := range got {
		if _, ok := slices.BinarySearch(list, w); !ok {
			return false
		}
	}
	return true
}
