package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"onsight/ons"
)

// published has onsight write what a file host gives away of the town's names: published FOLDER. It sets SERVER to a host of the folder.
func published(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: published FOLDER")
	}
	bin, db, folder := ts.MkAbs("onsight"), ts.MkAbs("names.db"), ts.MkAbs(args[0])
	build := exec.Command("go", "build", "-o", bin, "onsight/cmd/onsight")
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("%v: %s", err, out)
	}
	for _, args := range [][]string{
		{"index", "--once", "--db", db, "--oxend", townOf(ts).Oxend()},
		{"export", "--db", db, "--static", folder},
	} {
		cmd := exec.Command(bin, args...)
		cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+ts.MkAbs("onsight-data"))
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Fatalf("%v: %s", err, out)
		}
	}
	s := httptest.NewServer(http.FileServer(http.Dir(folder)))
	ts.Defer(s.Close)
	ts.Setenv("SERVER", s.URL)
}

// TestRegistry: what is of another network, or does not come, is no voice; and one that was interrupted is asked again.
func TestRegistry(t *testing.T) {
	t.Parallel()
	bundle, err := ons.NewBundle(ons.BundlePoint{Network: ons.Testnet, Height: 7}, func(func(*ons.Record) bool) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		network ons.Network
		want    error
	}{{ons.Testnet, ons.ErrNotFound}, {ons.Devnet, ons.ErrNotFound}, {ons.Mainnet, ons.ErrUnavailable}} {
		asked := 0
		f := &flags{extra: []*registry{{what: "voice", get: func(ctx context.Context) (*ons.Bundle, error) {
			asked++
			return bundle, ctx.Err()
		}}}}
		v := f.voices(c.network)[0]
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := v.Lookup(ended, ons.Hash{1}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v", c.network, err)
		}
		for range 2 {
			if _, _, err := v.Lookup(t.Context(), ons.Hash{1}); !errors.Is(err, c.want) {
				t.Errorf("%s: got error %v, want %v", c.network, err, c.want)
			}
		}
		if asked != 2 {
			t.Errorf("%s: asked %d times, want once and once more after it was interrupted", c.network, asked)
		}
	}
}
