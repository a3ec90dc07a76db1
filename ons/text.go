package ons

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/crypto/sha3"
)

// First byte of a wallet value, and index into Network.prefixes.
const (
	walletPrimary    = 0
	walletSubaddress = 1
	walletIntegrated = 2
)

// ParseValue reads a value as people write it: 66 hexadecimal digits that begin with 05 for session; 52 characters of
// base32z and ".loki" for lokinet; an address of network n for wallet. Text of either case is taken but for addresses.
// The error wraps ErrValue and does not repeat the text.
func ParseValue(t Type, text string, n Network) (Value, error) {
	v := Value{Type: t}
	switch t {
	case Session:
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != sessionSize || b[0] != 0x05 {
			return Value{}, fmt.Errorf("%w: a session id is 66 hexadecimal digits that begin with 05", ErrValue)
		}
		v.Bytes = b
	case Lokinet:
		b, ok := parseBase32z(strings.TrimSuffix(lower(text), suffix))
		if !ok || len(text) != base32zSize+len(suffix) {
			return Value{}, fmt.Errorf("%w: a lokinet address is %d characters of base32z and .loki", ErrValue, base32zSize)
		}
		v.Bytes = b[:]
	case Wallet:
		b, err := parseAddress(text, n)
		if err != nil {
			return Value{}, fmt.Errorf("%w: %w", ErrValue, err)
		}
		v.Bytes = b
	default:
		return Value{}, ErrType
	}
	return v, nil
}

// Text returns v as people write it; a wallet's address has the prefix of network n, as the chain does not say which
// one is meant. A session value is printed as hexadecimal whatever its first byte. The error wraps ErrValue.
func (v Value) Text(n Network) (string, error) {
	if err := v.check(); err != nil {
		return "", err
	}
	switch v.Type {
	case Session:
		return hex.EncodeToString(v.Bytes), nil
	case Lokinet:
		return base32z([32]byte(v.Bytes)) + suffix, nil
	}
	s, err := address(v.Bytes, n)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrValue, err)
	}
	return s, nil
}

// An address is base58(varint prefix || spend || view [|| payment id] || first 4 bytes of keccak256 of all that), spec
// B.6.

const checksumSize = 4

// address writes a wallet value (id || spend || view [|| payment id]).
func address(value []byte, n Network) (string, error) {
	prefixes, ok := n.prefixes()
	if !ok {
		return "", fmt.Errorf("unknown network %.20q", string(n))
	}
	b := make([]byte, 0, 96)
	b = binary.AppendUvarint(b, prefixes[value[0]])
	b = append(b, value[1:]...)
	sum := keccak(b)
	return base58(append(b, sum[:checksumSize]...)), nil
}

// parseAddress reads an address of network n into a wallet value.
func parseAddress(s string, n Network) ([]byte, error) {
	prefixes, ok := n.prefixes()
	if !ok {
		return nil, fmt.Errorf("unknown network %.20q", string(n))
	}
	b, ok := parseBase58(s)
	if !ok || len(b) < checksumSize {
		return nil, fmt.Errorf("not an address: not base58")
	}
	b, sum := b[:len(b)-checksumSize], b[len(b)-checksumSize:]
	if want := keccak(b); string(want[:checksumSize]) != string(sum) {
		return nil, fmt.Errorf("not an address: wrong checksum")
	}
	r := reader{rest: b}
	prefix := r.varint(1<<64 - 1)
	if r.bad {
		return nil, fmt.Errorf("not an address: bad prefix")
	}
	for id, p := range prefixes {
		if p != prefix {
			continue
		}
		v := append(make([]byte, 0, walletSize+paymentSize), byte(id))
		v = append(v, r.rest...)
		if err := (Value{Type: Wallet, Bytes: v}).check(); err != nil {
			return nil, fmt.Errorf("not an address: wrong length")
		}
		return v, nil
	}
	return nil, fmt.Errorf("not an address of %s", n)
}

func keccak(b []byte) (sum [32]byte) {
	h := sha3.NewLegacyKeccak256() // the original padding, not SHA3-256
	h.Write(b)
	h.Sum(sum[:0])
	return sum
}

// base58 is CryptoNote's: blocks of 8 bytes become 11 characters each, the last, shorter one as many as its size needs.

const (
	base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	base58Block    = 8
	base58Chars    = 11
)

// base58Sizes[n] is the number of characters for n bytes.
var base58Sizes = [base58Block + 1]int{0, 2, 3, 5, 6, 7, 9, 10, 11}

func base58(b []byte) string {
	var s strings.Builder
	s.Grow((len(b) + base58Block - 1) / base58Block * base58Chars)
	for len(b) > 0 {
		n := min(len(b), base58Block)
		var v uint64
		for _, c := range b[:n] {
			v = v<<8 | uint64(c)
		}
		var chars [base58Chars]byte
		size := base58Sizes[n]
		for i := size - 1; i >= 0; i-- {
			chars[i] = base58Alphabet[v%58]
			v /= 58
		}
		s.Write(chars[:size])
		b = b[n:]
	}
	return s.String()
}

// parseBase58 refuses foreign characters, block lengths that no bytes have, and blocks whose number does not fit.
func parseBase58(s string) ([]byte, bool) {
	b := make([]byte, 0, len(s))
	for len(s) > 0 {
		chars := min(len(s), base58Chars)
		n := base58Bytes(chars)
		if n < 0 {
			return nil, false
		}
		var v uint64
		for i := range chars {
			d := strings.IndexByte(base58Alphabet, s[i])
			hi, lo := bits.Mul64(v, 58)
			sum, carry := bits.Add64(lo, uint64(d), 0)
			if d < 0 || hi != 0 || carry != 0 {
				return nil, false
			}
			v = sum
		}
		if n < base58Block && v>>(8*n) != 0 {
			return nil, false
		}
		for i := n - 1; i >= 0; i-- {
			b = append(b, byte(v>>(8*i)))
		}
		s = s[chars:]
	}
	return b, true
}

// base58Bytes is the number of bytes a block of so many characters holds, or -1.
func base58Bytes(chars int) int {
	for n, c := range base58Sizes {
		if c == chars {
			return n
		}
	}
	return -1
}

// base32z writes most significant bits first; 256 bits leave one bit for the 52nd character.

const (
	base32zAlphabet = "ybndrfg8ejkmcpqxot1uwisza345h769"
	base32zSize     = 52
)

func base32z(key [32]byte) string {
	var s [base32zSize]byte
	var acc, have uint
	i := 0
	for _, c := range key {
		acc, have = acc<<8|uint(c), have+8
		for ; have >= 5; i++ {
			have -= 5
			s[i] = base32zAlphabet[acc>>have&31]
		}
	}
	s[i] = base32zAlphabet[acc<<(5-have)&31]
	return string(s[:])
}

// parseBase32z refuses a last character that carries more than its one bit.
func parseBase32z(s string) (key [32]byte, ok bool) {
	if len(s) != base32zSize {
		return key, false
	}
	var acc, have uint
	i := 0
	for j := range len(s) {
		d := strings.IndexByte(base32zAlphabet, s[j])
		if d < 0 {
			return key, false
		}
		acc, have = acc<<5|uint(d), have+5
		if have >= 8 && i < len(key) {
			have -= 8
			key[i] = byte(acc >> have)
			i++
		}
	}
	return key, acc&(1<<have-1) == 0
}
