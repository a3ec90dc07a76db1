package directory

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// search adds the words and key:value pairs of a search.
func (q *Query) search(s string) error {
	words, err := split(s)
	if err != nil {
		return err
	}
	for _, w := range words {
		name, value, pair := strings.Cut(w, ":")
		if _, known := filters[name]; pair && known {
			if err := q.set(name, value); err != nil {
				return err
			}
			continue
		}
		if pair && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == "" { // not the beginning of an IPv6 address
			return fmt.Errorf("unknown key %.40q", name)
		}
		q.tests = append(q.tests, word(w))
	}
	return nil
}

// split cuts s at blanks, but not between quotes, which are left out.
func split(s string) ([]string, error) {
	var words []string
	var w strings.Builder
	quoted, inside := false, false
	for _, r := range s {
		switch {
		case r == '"':
			quoted, inside = !quoted, true
		case r == ' ' && !quoted:
			if inside {
				words = append(words, w.String())
			}
			w.Reset()
			inside = false
		default:
			w.WriteRune(r)
			inside = true
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if inside {
		words = append(words, w.String())
	}
	return words, nil
}

// word makes a test of a word without a key. Case does not matter but in addresses of owners.
func word(w string) test {
	low := strings.ToLower(w)
	return func(e *Entry, _ time.Time) bool {
		n := &e.Node
		return hasPrefix(n.Key, low) || known(n.Ed25519) && hasPrefix(n.Ed25519, low) || known(n.X25519) && hasPrefix(n.X25519, low) ||
			strings.HasPrefix(n.Operator, w) ||
			n.IP.IsValid() && strings.HasPrefix(n.IP.String(), low) ||
			strings.HasPrefix(n.Key.Address(), low) ||
			strings.Contains(strings.ToLower(e.Place.ASName), low)
	}
}

// known tells a key from the zero one of a node without a proof.
func known(key [32]byte) bool { return key != [32]byte{} }
