package snode_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"onsight/internal/snode"
)

func TestTokenVector(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	sub := v.Groups.Subaccount
	want := parseToken(t, sub.Token)
	token := snode.NewToken(snode.Group, snode.Read|snode.Write, [32]byte(unhex(t, sub.Key)))
	if token != want || token.String() != sub.Token || hex.EncodeToString(token[:]) != v.Storage.Revoke.Token {
		t.Errorf("got %s, want %s", token, want)
	}
	if hexed := parseToken(t, strings.ToUpper(v.Storage.Revoke.Token)); hexed != want {
		t.Errorf("of hex %s, want %s", hexed, want)
	}
	if token.Prefix() != snode.Group || token.Flags() != snode.Read|snode.Write || token.Key() != [32]byte(unhex(t, sub.Key)) {
		t.Errorf("parts %x %b %x", token.Prefix(), token.Flags(), token.Key())
	}
	verify(t, "token", unhex(t, sub.Group), token[:], sub.TokenSignature)
	key := token.Key()
	verify(t, "request", key[:], []byte(sub.Text), sub.Signature)
}

func TestTokenAllows(t *testing.T) {
	t.Parallel()
	group, user := snode.ID{snode.Group}, snode.ID{snode.Session}
	for _, tt := range []struct {
		flags snode.Flags
		id    snode.ID
		need  snode.Flags
		want  bool
	}{
		{snode.Read | snode.Write, group, snode.Read, true},
		{snode.Read | snode.Write, group, snode.Write | snode.Read, true},
		{snode.Read | snode.Write, group, snode.Write | snode.Delete, false},
		{snode.Read, group, snode.Write, false},
		{snode.Read, user, snode.Read, false},
		{snode.Read | snode.AnyPrefix, user, snode.Read, true},
		{snode.AnyPrefix, user, snode.Read, false},
		{0, group, 0, true},
	} {
		if got := snode.NewToken(snode.Group, tt.flags, [32]byte{}).Allows(tt.id, tt.need); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	v := readVectors(f)
	f.Add(v.Groups.Subaccount.Token)
	f.Add(v.Storage.Revoke.Token)
	f.Add(strings.Repeat("A", 46) + "==")
	f.Add(strings.Repeat("A\n", 24))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := snode.ParseToken(s)
		if err != nil {
			if !errors.Is(err, snode.ErrToken) || token != (snode.Token{}) {
				t.Fatalf("got %v, %v", token, err)
			}
			return
		}
		if token.String() != s && hex.EncodeToString(token[:]) != strings.ToLower(s) {
			t.Fatalf("%q is written %q", s, token)
		}
	})
}
