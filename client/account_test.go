package client

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"onsight/ons"
)

type account struct{ seed, words, id, ed string }

// accounts are those of the vectors, of the specification and of session.js.
func accounts(t testing.TB) (all []account) {
	t.Helper()
	read := func(path string, v any) {
		b, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(b, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var m struct {
		A struct {
			Accounts []struct {
				Seed    string `json:"seed16"`
				Words   string `json:"mnemonic"`
				ID      string `json:"session_id"`
				Ed25519 string `json:"ed25519_public"`
			}
		} `json:"A_accounts"`
	}
	read("../internal/onion/testdata/messaging.json", &m)
	for _, a := range m.A.Accounts {
		all = append(all, account{a.Seed, a.Words, a.ID, a.Ed25519})
	}
	var s struct {
		Vectors []struct {
			Seed   string `json:"sender_seed_hex"`
			Words  string `json:"sender_mnemonic"`
			ID     string `json:"sender_id"`
			Seed2  string `json:"recipient_seed_hex"`
			Words2 string `json:"recipient_mnemonic"`
			ID2    string `json:"recipient_id"`
		}
	}
	read("internal/envelope/testdata/sessionjs.json", &s)
	for _, v := range s.Vectors[:1] {
		all = append(all, account{v.Seed, v.Words, v.ID, ""}, account{v.Seed2, v.Words2, v.ID2, ""})
	}
	if len(all) < 5 {
		t.Fatal("no vectors")
	}
	return all
}

func TestAccountVectors(t *testing.T) {
	t.Parallel()
	for _, want := range accounts(t) {
		t.Run(want.id[:8], func(t *testing.T) {
			seed, err := ParseSeed(want.words)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(seed[:]); got != want.seed {
				t.Errorf("seed %s, want %s", got, want.seed)
			}
			if got := seed.Words(); got != want.words {
				t.Errorf("words %q, want %q", got, want.words)
			}
			a := NewAccount(seed)
			if got := a.ID().String(); got != want.id || seed.ID() != a.ID() {
				t.Errorf("ids %s and %s, want %s", got, seed.ID(), want.id)
			}
			if got := hex.EncodeToString(a.Public()); want.ed != "" && got != want.ed {
				t.Errorf("Ed25519 key %s, want %s", got, want.ed)
			}
			if !ed25519.Verify(a.Public(), []byte("text"), a.Sign([]byte("text"))) {
				t.Error("the account's signature is not its key's")
			}
		})
	}
}

// TestWordLists: both lists are the published ones.
func TestWordLists(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, list, want string
		n                int
	}{
		{"words.txt", wordList, "eaa6bce7dd92f4d6dd74f224264e0ef4ad21095d68ec77616b26ceb599baf4f7", 1626},
		{"bip39.txt", bip39List, "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda", 2048},
	} {
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(c.list))); got != c.want {
			t.Errorf("%s has SHA-256 %s, want %s", c.name, got, c.want)
		}
		list := strings.Fields(c.list)
		if len(list) != c.n || !slices.IsSorted(list) {
			t.Errorf("%s has %d words, want %d in order", c.name, len(list), c.n)
		}
	}
	if _, byPrefix := words(); len(byPrefix) != 1626 {
		t.Errorf("%d words can be told apart by their first letters", len(byPrefix))
	}
}

func TestParseSeed(t *testing.T) {
	t.Parallel()
	const good = "python costume hamburger heels amnesty lukewarm antics value picked roped sowed southern amnesty"
	list := strings.Fields(good)
	all, _ := words()
	with := func(i int, w string) string {
		changed := slices.Clone(list)
		changed[i] = w
		return strings.Join(changed, " ")
	}
	for _, c := range []struct {
		name, text string
		err        error
		says       string
	}{
		{"OK", good, nil, ""},
		{"CaseAndSpace", "\n " + strings.ToUpper(strings.Join(list, "\t  ")) + " ", nil, ""},
		{"Prefixes", with(0, "pyt"), nil, ""},
		{"OtherEndings", with(1, "cosmos"), nil, ""},
		{"Empty", "", ErrFewWords, ""},
		{"NoCheck", strings.Join(list[:12], " "), ErrFewWords, ""},
		{"Eleven", strings.Join(list[:11], " "), ErrFewWords, ""},
		{"Fourteen", good + " amnesty", ErrManyWords, ""},
		{"Book", strings.Repeat(good+" ", 100), ErrManyWords, ""},
		{"Unknown", with(6, "zzz"), ErrWord, "word 7 "},
		{"Short", with(0, "py"), ErrWord, "word 1 "},
		{"NotASCII", with(12, "ämnesty"), ErrWord, "word 13 "},
		{"Swapped", strings.Join(append([]string{list[1], list[0]}, list[2:]...), " "), ErrChecksum, ""},
		{"Changed", with(0, "abbey"), ErrChecksum, ""},
		{"TooLarge", strings.Join([]string{all[0], all[1625], all[1624]}, " ") + " " + strings.Join(list[3:], " "), ErrWordOrder, ""},
		{"BIP39", "legal winner thank year wave sausage worth useful legal winner thank yellow", ErrBIP39, ""},
		{"BIP39Long", strings.Repeat("abandon ", 23) + "art", ErrBIP39, ""},
		{"BIP39Thirteen", strings.Repeat("abandon ", 13), ErrWord, "word 1 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseSeed(c.text)
			if !errors.Is(err, c.err) || err != nil && !strings.HasPrefix(err.Error(), c.says) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if c.err == nil && got.Words() != good {
				t.Errorf("another seed was read")
			}
			for _, w := range strings.Fields(c.text) {
				if err != nil && len(w) > 5 && strings.Contains(err.Error(), w) {
					t.Errorf("the error repeats word %q", w)
				}
			}
		})
	}
}

func TestSeedRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := Seed(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "seed"))
		got, err := ParseSeed(s.Words())
		if err != nil || got != s {
			t.Fatalf("got %x, %v", got[:], err)
		}
		if s.ID() != NewAccount(s).ID() {
			t.Fatal("two ids")
		}
	})
}

// TestChangedWord: a phrase with one other word is not accepted, but for the one in twelve that happens to fit.
func TestChangedWord(t *testing.T) {
	t.Parallel()
	list, _ := words()
	accepted := 0
	const rounds = 2000
	s := Seed{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	for i := range rounds {
		w := strings.Fields(s.Words())
		w[i%12] = list[(i*7919)%len(list)]
		if got, err := ParseSeed(strings.Join(w, " ")); err == nil && got != s {
			accepted++
		}
	}
	if accepted > rounds/6 {
		t.Errorf("%d of %d phrases with a wrong word were accepted", accepted, rounds)
	}
}

func TestNewSeed(t *testing.T) {
	t.Parallel()
	a, err := NewSeed(nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := NewSeed(nil); err != nil || a == b {
		t.Errorf("the same seed twice, %v", err)
	}
	if _, err := NewSeed(strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got error %v from a source that ends", err)
	}
}

// TestHidden: no way of printing shows a secret.
func TestHidden(t *testing.T) {
	t.Parallel()
	s := Seed{0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef}
	a := NewAccount(s)
	type outer struct {
		S Seed
		A *Account
	}
	for _, v := range []any{s, &s, a, outer{s, a}, []Seed{s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			got := fmt.Sprintf(verb, v)
			if strings.Contains(got, "deadbeef") || strings.Contains(got, "222 173") || strings.Contains(got, "0xde") {
				t.Errorf("%s of a %T: %s", verb, v, got)
			}
		}
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	const text = "05aa654f00fc39fc69fd0db829410ca38177d7732a8d2f0934ab3872ac56d5aa74"
	id, err := ParseID(strings.ToUpper(text))
	if err != nil || id.String() != text {
		t.Fatalf("got %s, %v", id, err)
	}
	var fromJSON ID
	if b, err := json.Marshal(id); err != nil || json.Unmarshal(b, &fromJSON) != nil || fromJSON != id {
		t.Errorf("JSON gives %s, %v", fromJSON, err)
	}
	for _, bad := range []string{"", "05", text + "00", text[:65] + "g", "03" + text[2:], "15" + text[2:], " " + text[1:]} {
		if _, err := ParseID(bad); !errors.Is(err, ErrID) {
			t.Errorf("%q: got error %v", bad, err)
		}
	}
	if got, err := NewID(ons.Value{Type: ons.Session, Bytes: id[:]}); err != nil || got != id {
		t.Errorf("of a name's value: %s, %v", got, err)
	}
	group := id
	group[0] = 3
	for _, v := range []ons.Value{{}, {Type: ons.Session, Bytes: id[:32]}, {Type: ons.Lokinet, Bytes: id[:]}, {Type: ons.Session, Bytes: group[:]}} {
		if _, err := NewID(v); !errors.Is(err, ErrID) {
			t.Errorf("%v: got error %v", v, err)
		}
	}
}

// FuzzParseSeed: what is accepted is written again as words that mean the same.
func FuzzParseSeed(f *testing.F) {
	for _, a := range accounts(f) {
		f.Add(a.words)
	}
	f.Add("legal winner thank year wave sausage worth useful legal winner thank yellow")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSeed(text)
		if err != nil {
			return
		}
		if again, err := ParseSeed(s.Words()); err != nil || again != s {
			t.Errorf("got %v, %v", again == s, err)
		}
	})
}

// BenchmarkID makes the id of a new account.
func BenchmarkID(b *testing.B) {
	var s Seed
	for i := 0; b.Loop(); i++ {
		s[0], s[1], s[2] = byte(i), byte(i>>8), byte(i>>16)
		_ = s.ID()
	}
}

func BenchmarkNewAccount(b *testing.B) {
	for b.Loop() {
		NewAccount(Seed{1})
	}
}
