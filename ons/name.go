package ons

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// Type is what a name stands for, as a record is keyed (spec A.1). The type byte of a transaction also tells the
// length of a lokinet registration; see Op.Length.
type Type uint8

// The types of names.
const (
	Session Type = 0 // an account of the messenger
	Wallet  Type = 1 // an address of the currency
	Lokinet Type = 2 // a host, written with ".loki"
)

// String returns "session", "wallet" or "lokinet".
func (t Type) String() string {
	switch t {
	case Session:
		return "session"
	case Wallet:
		return "wallet"
	case Lokinet:
		return "lokinet"
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// ErrType means that a text names no type.
var ErrType = errors.New("unknown type of name")

// ParseType reads "session", "wallet", "lokinet" and the spellings wallets use to buy or renew (lokinet_1y,
// lokinet_2years, …), in any case. The error is ErrType.
func ParseType(s string) (Type, error) {
	switch strings.ToLower(s) {
	case "session":
		return Session, nil
	case "wallet":
		return Wallet, nil
	case "lokinet", "lokinet_1y", "lokinet_2y", "lokinet_5y", "lokinet_10y",
		"lokinet_1years", "lokinet_2years", "lokinet_5years", "lokinet_10years":
		return Lokinet, nil
	}
	return 0, ErrType
}

// fold returns the type under which a transaction with the type byte length is recorded, and whether there is one.
func fold(length uint8) (Type, bool) {
	if length > maxLength {
		return 0, false
	}
	return Type(min(length, uint8(Lokinet))), true
}

// maxLength is the highest type byte of a transaction: lokinet for ten years.
const maxLength = 5

// Name is a name of a type. It is folded and valid by construction, and comparable; the zero Name is not a valid one.
type Name struct {
	t Type
	s string
}

// ErrName means that a text breaks a rule of names; the error says which rule and never repeats the text.
var ErrName = errors.New("invalid name")

const (
	suffix          = ".loki"
	maxName         = 64 // session and wallet
	maxLabel        = 63 // lokinet, before the suffix
	maxLabelNoDash  = 32 // shorter than a raw address, which has 52 characters and no hyphen
	reservedLabels  = "|localhost|loki|snode|"
	punycodeLabel   = "xn--"
	asciiUpperToLow = 'a' - 'A'
)

// ParseName folds A–Z to a–z, adds ".loki" to a lokinet name without it, and checks the rules of spec A.2. Wallets
// enforce these rules, the chain does not. The error wraps ErrName, or is ErrType for an unknown type.
func ParseName(t Type, s string) (Name, error) {
	if len(s) > 2*maxName { // before any work on it
		return Name{}, fmt.Errorf("%w: too long", ErrName)
	}
	s = lower(s)
	var err error
	switch t {
	case Session, Wallet:
		err = checkName(s)
	case Lokinet:
		label := strings.TrimSuffix(s, suffix)
		s = label + suffix
		err = checkLabel(label)
	default:
		err = ErrType
	}
	if err != nil {
		return Name{}, err
	}
	return Name{t: t, s: s}, nil
}

// lower folds bytes, not characters: nothing outside ASCII is touched.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + asciiUpperToLow
		}
	}
	return string(b)
}

// checkName checks a folded session or wallet name.
func checkName(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%w: empty", ErrName)
	case len(s) > maxName:
		return fmt.Errorf("%w: longer than %d characters", ErrName, maxName)
	}
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && c != '_' && c != '-' {
			return fmt.Errorf("%w: only letters, digits, - and _ may occur", ErrName)
		}
	}
	if s[0] == '-' || s[len(s)-1] == '-' {
		return fmt.Errorf("%w: a hyphen may not stand at either end", ErrName)
	}
	return nil
}

// checkLabel checks a folded lokinet name without its suffix.
func checkLabel(s string) error {
	if s == "" {
		return fmt.Errorf("%w: nothing before .loki", ErrName)
	}
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && c != '-' {
			return fmt.Errorf("%w: before .loki only letters, digits and - may occur", ErrName)
		}
	}
	limit := maxLabelNoDash
	if strings.Contains(s, "-") {
		limit = maxLabel
	}
	switch {
	case s[0] == '-' || s[len(s)-1] == '-':
		return fmt.Errorf("%w: a hyphen may not stand at either end", ErrName)
	case len(s) > limit:
		return fmt.Errorf("%w: more than %d characters before .loki (%d with a hyphen among them)", ErrName, maxLabelNoDash, maxLabel)
	case len(s) >= 4 && s[2:4] == "--" && !strings.HasPrefix(s, punycodeLabel):
		return fmt.Errorf("%w: -- as third and fourth character is reserved, but for xn--", ErrName)
	case strings.Contains(reservedLabels, "|"+s+"|"):
		return fmt.Errorf("%w: reserved", ErrName)
	}
	return nil
}

func alphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// Type returns the type of n.
func (n Name) Type() Type { return n.t }

// String returns the folded text of n, with ".loki" if it is a lokinet name.
func (n Name) String() string { return n.s }

// Hash returns the hash of n: BLAKE2b-256 of its folded text, unkeyed. A session and a wallet name of equal text
// have equal hashes.
func (n Name) Hash() Hash { return blake2b.Sum256([]byte(n.s)) }
