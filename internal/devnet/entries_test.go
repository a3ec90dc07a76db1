package devnet

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"onsight/ons"
)

func TestParseNames(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("ab", 32)
	list, err := ParseNames(strings.NewReader(`
# what a network begins with
session Alice @alice           # its value is made up
session bob 05`+key+`
wallet alice @alice
lokinet alice.loki @alice 5
	lokinet   bob.loki	@bob	2y
lokinet carol @carol
session old @old legacy
`), ons.Fakechain)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		text, err := e.Value.Text(ons.Fakechain)
		if err != nil {
			t.Errorf("%v: %v", e.Name, err)
		}
		got = append(got, fmt.Sprintf("%v %v %.6s %d %v", e.Name.Type(), e.Name, text, e.Years, e.Legacy))
	}
	value := func(t ons.Type, word string) string {
		text, _ := madeUp(t, word).Text(ons.Fakechain)
		return text[:6]
	}
	want := []string{
		"session alice " + value(ons.Session, "alice") + " 0 false", "session bob 05abab 0 false",
		"wallet alice " + value(ons.Wallet, "alice") + " 0 false", "lokinet alice.loki " + value(ons.Lokinet, "alice") + " 5 false",
		"lokinet bob.loki " + value(ons.Lokinet, "bob") + " 2 false", "lokinet carol.loki " + value(ons.Lokinet, "carol") + " 0 false",
		"session old " + value(ons.Session, "old") + " 0 true",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	n := startNetwork(t, Config{Nodes: 2, Names: list})
	for _, e := range list {
		wantResolved(t, n.Oxend(), e.Name, e.Value)
	}
	for _, o := range n.Chain().Truth().Open() {
		if o.Legacy != (o.Name.String() == "old") {
			t.Errorf("%v is sealed in the old scheme: %v", o.Name, o.Legacy)
		}
	}
	if list, err := ParseNames(strings.NewReader("\n#\n"), ons.Fakechain); err != nil || len(list) != 0 {
		t.Errorf("nothing: %v, %v", list, err)
	}
	for text, want := range map[string]string{
		"session alice":                           "line 1: write TYPE NAME VALUE",
		"\nsession a b c d":                       "line 2: write TYPE NAME VALUE",
		"email alice @alice":                      "line 1: ",
		"session -alice @alice":                   "line 1: ",
		"session alice 05ab":                      "line 1: ",
		"wallet alice nowhere":                    "line 1: ",
		"lokinet alice.loki @alice 3":             "line 1: after VALUE comes",
		"lokinet alice.loki @alice legacy":        "line 1: after VALUE comes",
		"lokinet alice.loki @alice 256":           "line 1: after VALUE comes",
		"session alice @alice 1":                  "line 1: after VALUE comes",
		"wallet alice @alice legacy":              "line 1: after VALUE comes",
		"session a @a\nwallet a @a\nsession A @b": "line 3: the name is there already, on line 1",
		strings.Repeat("x", 1<<17):                "token too long",
	} {
		if _, err := ParseNames(strings.NewReader(text), ons.Fakechain); !errors.Is(err, ErrNames) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// FuzzParseNames: no list of names breaks the parser, and what it takes can be bought.
func FuzzParseNames(f *testing.F) {
	for _, text := range []string{"session alice @alice", "lokinet a.loki @b 2y # x", "wallet a @\n\n#", "session a 05" + strings.Repeat("ab", 32), "session x @x legacy", "a b c d e"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseNames(strings.NewReader(text), ons.Fakechain)
		if err != nil {
			if !errors.Is(err, ErrNames) || list != nil {
				t.Errorf("%v, %v", list, err)
			}
			return
		}
		for _, e := range list {
			if _, err := e.Name.Seal(e.Value, bytes.NewReader(make([]byte, 64))); err != nil {
				t.Errorf("%v: %v", e.Name, err)
			}
			if _, ok := lengthByte(e.Name.Type(), int(max(e.Years, 1))); !ok {
				t.Errorf("%v for %d years", e.Name, e.Years)
			}
		}
	})
}

// TestDemoNames: what the demo's names are said to have been through, they have.
func TestDemoNames(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		names := DemoNames(seed, 200)
		n := startNetwork(t, Config{Nodes: -1, Seed: seed, Names: names})
		truth, tip := n.Chain().Truth(), n.Status().Height
		fates := map[string]int{}
		for _, e := range names {
			key := ons.Key{Type: e.Name.Type(), Hash: e.Name.Hash()}
			history := truth.History(key)
			record, ok := truth.Record(key)
			if !ok || len(history) == 0 {
				t.Errorf("%v was never bought", e.Name)
				continue
			}
			is := func(fate string, said, is bool) {
				if said != is {
					t.Errorf("seed %d: %v %v is %s: %v, want %v", seed, e.Name.Type(), e.Name, fate, is, said)
				}
				if is {
					fates[fate]++
				}
			}
			expired := record.Expires != 0 && record.Expires <= tip
			is("expired", e.expired, expired)
			is("renewed", e.renewed, history[0].Expires != record.Expires)
			is("updated", e.updated, !bytes.Equal(history[0].Sealed.Ciphertext, record.Sealed.Ciphertext))
			is("handed on", e.handedOn, history[0].Owner != record.Owner)
			is("forgotten", e.Legacy, record.Sealed.Legacy())
			if history[0].Owner != n.people.of(e.Name).Owner() || n.people.find(record.Owner).Owner() != record.Owner {
				t.Errorf("%v belongs to nobody", e.Name)
			}
			switch {
			case expired:
				if _, err := resolved(t, n.Oxend(), e.Name); err == nil {
					t.Errorf("%v has expired, and is resolved", e.Name)
				}
			default:
				wantResolved(t, n.Oxend(), e.Name, e.Value)
			}
		}
		for _, fate := range []string{"expired", "renewed", "updated", "handed on", "forgotten"} {
			if fates[fate] == 0 {
				t.Errorf("seed %d: no name is %s", seed, fate)
			}
		}
		if names[0].Name.String() != "alice" || names[1].Name.Type() != ons.Session && names[2].Name.Type() != ons.Session {
			t.Errorf("the first are %v, %v", names[0].Name, names[1].Name)
		}
	}
	// A longer list begins as a shorter one does, and no name comes twice.
	long, seen := DemoNames(1, 1000), map[ons.Key]bool{}
	for i, e := range long {
		if key := (ons.Key{Type: e.Name.Type(), Hash: e.Name.Hash()}); seen[key] {
			t.Errorf("%v comes twice", e.Name)
		} else {
			seen[key] = true
		}
		if i < 100 && e.Name != DemoNames(1, 100)[i].Name {
			t.Errorf("the %d-th is another in a shorter list", i)
		}
	}
}

func TestMadeUp(t *testing.T) {
	t.Parallel()
	for _, kind := range []ons.Type{ons.Session, ons.Wallet, ons.Lokinet} {
		a, again, b := madeUp(kind, "a"), madeUp(kind, "a"), madeUp(kind, "b")
		if !bytes.Equal(a.Bytes, again.Bytes) || bytes.Equal(a.Bytes, b.Bytes) {
			t.Errorf("%v: %x, %x, %x", kind, a.Bytes, again.Bytes, b.Bytes)
		}
		text, err := a.Text(ons.Fakechain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseNameValue(kind, text, ons.Fakechain); err != nil || !bytes.Equal(got.Bytes, a.Bytes) {
			t.Errorf("%v: %s is read as %x, %v", kind, text, got.Bytes, err)
		}
		if got, err := ParseNameValue(kind, "@a", ons.Fakechain); err != nil || !bytes.Equal(got.Bytes, a.Bytes) {
			t.Errorf("%v: @a is %x, %v", kind, got.Bytes, err)
		}
	}
}
