package ons

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

func readNames(t *testing.T, path string, each func(t *testing.T, typ Type, s string)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	lines := bufio.NewScanner(f)
	n := 0
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		kind, quoted, _ := strings.Cut(line, " ")
		typ, err := ParseType(kind)
		if err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
		s, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
		each(t, typ, s)
		n++
	}
	if err := lines.Err(); err != nil || n < 20 {
		t.Fatalf("%s: %d names, %v", path, n, err)
	}
}

func TestParseNameValid(t *testing.T) {
	t.Parallel()
	readNames(t, "testdata/name_valid.txt", func(t *testing.T, typ Type, s string) {
		n, err := ParseName(typ, s)
		if err != nil {
			t.Errorf("ParseName(%s, %q): %v", typ, s, err)
			return
		}
		want := strings.ToLower(s)
		if typ == Lokinet && !strings.HasSuffix(want, ".loki") {
			want += ".loki"
		}
		if n.String() != want || n.Type() != typ {
			t.Errorf("ParseName(%s, %q): got %s %q, want %q", typ, s, n.Type(), n, want)
		}
	})
}

func TestParseNameInvalid(t *testing.T) {
	t.Parallel()
	readNames(t, "testdata/name_invalid.txt", func(t *testing.T, typ Type, s string) {
		n, err := ParseName(typ, s)
		wantErr(t, err, ErrName)
		if err == nil {
			t.Errorf("ParseName(%s, %q): got %q, want an error", typ, s, n)
			return
		}
		if len(s) > 4 && strings.Contains(err.Error(), s) && !strings.Contains("invalid name: reserved.loki", s) {
			t.Errorf("ParseName(%s, %q): the error repeats the name: %v", typ, s, err)
		}
	})
	_, err := ParseName(3, "abc")
	wantErr(t, err, ErrType)
	_, err = ParseName(Session, strings.Repeat("a", 1<<20))
	wantErr(t, err, ErrName)
}

func TestParseType(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]Type{
		"session": Session, "Wallet": Wallet, "LOKINET": Lokinet, "lokinet_1y": Lokinet, "lokinet_1years": Lokinet,
		"lokinet_2y": Lokinet, "lokinet_2years": Lokinet, "lokinet_5y": Lokinet, "lokinet_5years": Lokinet,
		"Lokinet_10Y": Lokinet, "lokinet_10years": Lokinet,
	} {
		if got, err := ParseType(s); got != want || err != nil {
			t.Errorf("ParseType(%q): got %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0", "lokinet_3y", "session_1y", " wallet", "type(3)"} {
		_, err := ParseType(s)
		wantErr(t, err, ErrType)
	}
	for _, typ := range []Type{Session, Wallet, Lokinet} {
		if got, err := ParseType(typ.String()); got != typ || err != nil {
			t.Errorf("ParseType(%s): got %v, %v", typ, got, err)
		}
	}
	if got := Type(9).String(); got != "type(9)" {
		t.Errorf("got %q", got)
	}
}

// The hashes of spec B.7 that have no value.
func TestHash(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, hex, base64 string }{
		{"", "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8", "DldRwCblQ7Loqy6wYJnaodHl30d3j3eH+qtFzfEv46g="},
		{"a", "8928aae63c84d87ea098564d1e03ad813f107add474e56aedd286349c0c03ea4", "iSiq5jyE2H6gmFZNHgOtgT8Qet1HTlau3ShjScDAPqQ="},
		{"session", "f88ef8c4e77cffa9f9f019db5381297c1f04d101870ef65371326cfbfb23708b", "+I74xOd8/6n58BnbU4EpfB8E0QGHDvZTcTJs+/sjcIs="},
		{"test.loki", "a274e9e86efed9413004c10f8cad78f60639a615ade926e18244180f90c13175", "onTp6G7+2UEwBMEPjK149gY5phWt6SbhgkQYD5DBMXU="},
	} {
		h := Name{s: tt.name}.Hash()
		if h.String() != tt.hex || h.Base64() != tt.base64 {
			t.Errorf("%q: got %s %s, want %s %s", tt.name, h, h.Base64(), tt.hex, tt.base64)
		}
		checkHashForms(t, h)
	}
	if emptyHash.String() != "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8" {
		t.Errorf("emptyHash is %s", emptyHash)
	}
}

// checkHashForms parses every text form of h.
func checkHashForms(t interface {
	Helper()
	Errorf(string, ...any)
}, h Hash) {
	t.Helper()
	b := h.Base64()
	url := strings.NewReplacer("+", "-", "/", "_").Replace(b)
	for _, s := range []string{h.String(), strings.ToUpper(h.String()), b, b[:43], url, url[:43]} {
		if got, err := ParseHash(s); got != h || err != nil {
			t.Errorf("ParseHash(%q): got %s, %v", s, got, err)
		}
	}
	for _, s := range []string{h.String(), strings.ToUpper(h.String())} {
		if got, err := ParseTxid(s); got != Txid(h) || err != nil {
			t.Errorf("ParseTxid(%q): got %s, %v", s, got, err)
		}
	}
	if got := Txid(h).String(); got != h.String() {
		t.Errorf("Txid %s prints as %s", h, got)
	}
}

func TestParseHashInvalid(t *testing.T) {
	t.Parallel()
	const b = "+I74xOd8/6n58BnbU4EpfB8E0QGHDvZTcTJs+/sjcIs="
	for _, s := range []string{
		"", "zz", b + "=", b[:42], b[:42] + "==", "-" + b[1:], // both alphabets
		b[:42] + "t=", b[:42] + "t", // a bit too many
		b[:42] + "\n", "\n" + b[1:], b[:20] + "\r" + b[21:], "\n" + b, b[:43] + "\n",
		strings.Repeat("g", 64), strings.Repeat("0", 63), strings.Repeat("0", 65), strings.Repeat("\n", 64), strings.Repeat("0", 62) + " 0",
		strings.Repeat("=", 44), strings.Repeat("é", 22),
	} {
		if h, err := ParseHash(s); err == nil {
			t.Errorf("ParseHash(%q): got %s, want an error", s, h)
		} else {
			wantErr(t, err, ErrHash)
		}
		if x, err := ParseTxid(s); err == nil {
			t.Errorf("ParseTxid(%q): got %s, want an error", s, x)
		}
	}
	if _, err := ParseTxid(b); err == nil {
		t.Error("ParseTxid took base64")
	}
}
