// Package canary is for tests that let secrets loose and look for them where they may not be: it knows them again in the shapes that
// programs give to what they print and store.
package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Shapes are all the shapes of one or more secrets. The zero Shapes are found nowhere.
type Shapes struct {
	exact  [][]byte // as bytes
	folded [][]byte // in lower case, to be found in any
}

// Text returns the shapes of texts: as they are, in any case.
func Text(texts ...string) (s Shapes) {
	for _, t := range texts {
		s.folded = append(s.folded, []byte(strings.ToLower(t)))
	}
	return s
}

// Bytes returns s with the shapes of bytes, of which there must be five: as they are and in quotes, in hexadecimal, in both alphabets
// of base64, and as Go and JSON print the first of an array.
func (s Shapes) Bytes(raw []byte) Shapes {
	std, web := base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)
	s.exact = append(s.exact, bytes.Clone(raw), []byte(std), []byte(web), []byte(strings.Trim(strconv.Quote(string(raw)), `"`)))
	var listed, dumped []string
	for _, b := range raw[:5] {
		listed, dumped = append(listed, fmt.Sprint(b)), append(dumped, fmt.Sprintf("0x%x", b))
	}
	s.folded = append(s.folded, []byte(hex.EncodeToString(raw)), []byte(strings.Join(listed, " ")), []byte(strings.Join(listed, ",")),
		[]byte(strings.Join(listed, ", ")), []byte(strings.Join(dumped, ", ")))
	return s
}

// In returns the shape in which a secret is in some bytes, or "". lower is the bytes in lower case.
func (s Shapes) In(b, lower []byte) string {
	for _, shape := range s.exact {
		if bytes.Contains(b, shape) {
			return fmt.Sprintf("%.80q", shape)
		}
	}
	for _, shape := range s.folded {
		if bytes.Contains(lower, shape) {
			return fmt.Sprintf("%.80q", shape)
		}
	}
	return ""
}
