package ons

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The encoders of the clients themselves: see testdata/clients.py.
func TestReadingsVectors(t *testing.T) {
	t.Parallel()
	var rows []struct {
		Text, Android string
		Desktop       *string
		SessionJS     *string `json:"session_js"`
	}
	readJSON(t, "testdata/clients.json", &rows)
	if len(rows) < 30 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		got := map[Client]string{}
		for _, r := range Readings(row.Text) {
			got[r.Client] = r.Name.String()
			if (r.Why == "") != (r.Name != Name{}) {
				t.Errorf("%s %q: name %q, why %q", r.Client, row.Text, r.Name, r.Why)
			}
		}
		// What is asked for and cannot be registered is no name.
		registrable := func(asked *string, folds bool) string {
			if asked == nil || !folds && lower(*asked) != *asked {
				return ""
			}
			n, err := ParseName(Session, *asked)
			if err != nil {
				return ""
			}
			return n.String()
		}
		for c, want := range map[Client]string{
			Desktop: registrable(row.Desktop, true), Android: registrable(&row.Android, true), SessionJS: registrable(row.SessionJS, false),
		} {
			if got[c] != want {
				t.Errorf("%s %q: got %q, want %q", c, row.Text, got[c], want)
			}
		}
	}
}

func TestReadingsIOS(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"mag69", "mag69"},
		{"Mag69", "mag69"},
		{" mag69", ""},       // no blank is trimmed
		{"mag69 ", ""},       //
		{".mag69.", "mag69"}, // empty parts are dropped
		{"mag69.loki", ""},
		{"Ünal", "xn--nal-goa"},  // folded before it is encoded, as desktop does not
		{"e\u0301", "xn--e-xbb"}, // but not composed, as Android does
		{"❤\ufe0f", "xn--qei9934e"},
		{"faß", "xn--fa-hia"},
		{"İ", "xn--i-9bb"},
		{"b\u043eb", "xn--bb-fmc"},
		{"-x", ""},
		{"a~b", ""},
		{"a%b", ""},
		{"", ""},
	} {
		if r := ios(tt.text); r.Name.String() != tt.want || r.Client != IOS || (r.Why == "") != (tt.want != "") {
			t.Errorf("%q: got %q (%s), want %q", tt.text, r.Name, r.Why, tt.want)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	id := Value{Type: Session, Bytes: append([]byte{5}, fill(0, 32)...)}
	blinded := Value{Type: Session, Bytes: append([]byte{0x15}, fill(0, 32)...)}
	all := func(o Outcome) map[Client]Outcome {
		return map[Client]Outcome{Desktop: o, Android: o, IOS: o, SessionJS: o}
	}
	for _, tt := range []struct {
		what, text string
		answer     Answer
		want       map[Client]Outcome
	}{
		{"found", "mag69", Answer{Value: id}, all(Finds)},
		{"capitals", "Mag69", Answer{Value: id}, map[Client]Outcome{Desktop: Finds, Android: Finds, IOS: Finds, SessionJS: Misses}},
		{"blank", "mag69 ", Answer{Value: id}, map[Client]Outcome{Desktop: Finds, Android: Finds, IOS: Misses, SessionJS: Misses}},
		{"not registered", "mag69", Answer{Err: fmt.Errorf("at height 7: %w", ErrNotFound)}, all(Misses)},
		{"of 2020", "mag69", Answer{Value: id, Legacy: true}, map[Client]Outcome{Desktop: Misses, Android: Misses, IOS: Finds, SessionJS: Finds}},
		{"garbage", "mag69", Answer{Err: ErrOpen}, all(Misses)},
		{"no Session id", "mag69", Answer{Value: blinded}, all(Misses)},
		{"nobody answered", "mag69", Answer{Err: ErrUnavailable}, all(Unknown)},
		{"some did not answer", "mag69", Answer{Err: errors.Join(ErrNotFound, ErrUnavailable)}, all(Unknown)},
		{"no answer", "mag69", Answer{}, all(Misses)},
		{"no name", "a b", Answer{Value: id}, all(Misses)},
	} {
		got := map[Client]Outcome{}
		for _, r := range Readings(tt.text) {
			v := r.Judge(tt.answer)
			got[v.Client] = v.Outcome
			if (v.Outcome == Finds) != (v.Why == "") || (v.Outcome == Finds) != (v.Value.Bytes != nil) {
				t.Errorf("%s: %+v", tt.what, v)
			}
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.what, d)
		}
	}
}

func FuzzReadings(f *testing.F) {
	for _, s := range []string{"mag69", "Ünal", "a.b", "\xff", "xn--ü", "İ.", "❤\ufe0f", "\u05d0\u05d1a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1000 {
			return
		}
		for _, r := range Readings(s) {
			if (r.Why == "") != (r.Name != Name{}) {
				t.Fatalf("%+v", r)
			}
			if r.Why != "" {
				continue
			}
			if n, err := ParseName(Session, r.Name.String()); err != nil || n != r.Name {
				t.Fatalf("%s asks for %q: %v", r.Client, r.Name, err)
			}
			// A registered name typed as it is registered is understood by all.
			for _, again := range Readings(r.Name.String()) {
				if again.Name != r.Name {
					t.Fatalf("%s asks for %q, for which %s asks for %q", r.Client, r.Name, again.Client, again.Name)
				}
			}
		}
	})
}
