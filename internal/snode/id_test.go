package snode_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"onsight/internal/snode"
)

const account = "05d2ad010eeb72d72e561d9de7bd7b6989af77dcabffa03a5111a6c859ae5c3a72"

func TestParseID(t *testing.T) {
	t.Parallel()
	id, err := snode.ParseID(strings.ToUpper(account))
	if err != nil || id.String() != account || id.Prefix() != snode.Session || id.Key() != [32]byte(unhex(t, account[2:])) {
		t.Errorf("got %v, %v", id, err)
	}
	for _, s := range []string{"", account[2:], account + "00", account[:65], account[:65] + "g", account[:64] + "é"} {
		if id, err := snode.ParseID(s); !errors.Is(err, snode.ErrID) || id != (snode.ID{}) {
			t.Errorf("%q: got %v, %v", s, id, err)
		}
	}
}

func TestHashVectors(t *testing.T) {
	t.Parallel()
	check := func(from string, i int, pubkey string, namespace int16, data []byte, want string) {
		t.Helper()
		got := snode.Hash(parseID(t, pubkey), namespace, data)
		if got != want || len(got) != 43 {
			t.Errorf("%s %d: got %s, want %s", from, i, got, want)
		}
	}
	for i, h := range readVectors(t).Storage.Hashes {
		check("messaging", i, h.Pubkey, h.Namespace, h.Data, h.Hash)
	}
	var lib struct {
		Hashes []struct {
			Pubkey    string `json:"pubkey"`
			Namespace int16  `json:"namespace"`
			Data      []byte `json:"data_b64"`
			Hash      string `json:"hash"`
		} `json:"storage_message_hash"`
	}
	read(t, libsession, &lib)
	for i, h := range lib.Hashes {
		check("libsession", i, h.Pubkey, h.Namespace, h.Data, h.Hash)
	}
	var js struct {
		Vectors []struct {
			Sender    string `json:"sender_id"`
			Recipient string `json:"recipient_id"`
			Data      []byte `json:"data_base64"`
			Hash      string `json:"hash"`
			SyncData  []byte `json:"sync_data_base64"`
			SyncHash  string `json:"sync_hash"`
		} `json:"vectors"`
	}
	read(t, "testdata/sessionjs.json", &js)
	for i, h := range js.Vectors {
		check("sessionjs", i, h.Recipient, 0, h.Data, h.Hash)
		if h.SyncHash != "" {
			check("sessionjs sync", i, h.Sender, 0, h.SyncData, h.SyncHash)
		}
	}
	if len(lib.Hashes) == 0 || len(js.Vectors) == 0 {
		t.Fatal("no vectors")
	}
}

func TestPositionVectors(t *testing.T) {
	t.Parallel()
	v := readVectors(t).Storage
	for _, p := range v.Positions {
		if got := fmt.Sprintf("%016x", snode.Position(parseID(t, p.Pubkey))); got != p.Position {
			t.Errorf("%s: got %s, want %s", p.Pubkey, got, p.Position)
		}
	}
	for _, c := range v.Choice.Cases {
		position, err := strconv.ParseUint(c.Position, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := snode.Choose(v.Choice.Swarms, position); got != c.Swarm || !ok {
			t.Errorf("%s: got %d, %v, want %d", c.Position, got, ok, c.Swarm)
		}
	}
	if len(v.Positions) == 0 || len(v.Choice.Cases) == 0 {
		t.Fatal("no vectors")
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	if got, ok := snode.Choose(nil, 7); ok || got != snode.NoSwarm {
		t.Errorf("of none: %d, %v", got, ok)
	}
	for _, tt := range []struct {
		swarms         []uint64
		position, want uint64
	}{
		{[]uint64{5}, 0, 5},
		{[]uint64{5}, math.MaxUint64, 5},
		{[]uint64{0, 1 << 63}, 1 << 62, 0},
		{[]uint64{0, 1 << 63}, 1<<62 + 1, 1 << 63},
		{[]uint64{0, 1 << 63}, 3 << 62, 1 << 63}, // as far from both: the left one, though it is higher
		{[]uint64{0, 1 << 63}, 3<<62 + 1, 0},
		{[]uint64{10, math.MaxUint64 - 9}, 0, math.MaxUint64 - 9},
	} {
		if got, ok := snode.Choose(tt.swarms, tt.position); got != tt.want || !ok {
			t.Errorf("%d of %d: got %d, %v, want %d", tt.position, tt.swarms, got, ok, tt.want)
		}
	}
}

// TestChooseProperty: no swarm is nearer, and of equally near ones it is the left.
func TestChooseProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Small steps beside large ones, so that ties happen.
		at := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 20), rapid.Uint64Range(math.MaxUint64-20, math.MaxUint64))
		swarms := rapid.SliceOfNDistinct(at, 1, 20, rapid.ID).Draw(t, "swarms")
		slices.Sort(swarms)
		position := at.Draw(t, "position")
		got, ok := snode.Choose(swarms, position)
		if !ok || !slices.Contains(swarms, got) {
			t.Fatalf("got %d, %v", got, ok)
		}
		near := min(got-position, position-got)
		for _, s := range swarms {
			if d := min(s-position, position-s); d < near || d == near && s != got && position-s == d {
				t.Fatalf("got %d for %d, but %d", got, position, s)
			}
		}
	})
}

// TestRecordedSwarms: what real servers say of swarms and nodes.
func TestRecordedSwarms(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/storage/*.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, path := range paths {
		c := readCall(t, path)
		for _, n := range c.swarm(t).Nodes {
			if got := snode.Address([32]byte(unhex(t, n.Legacy))); got != n.Address {
				t.Errorf("%s: got %s, want %s", path, got, n.Address)
			}
		}
		if swarm := c.swarm(t).Swarm; swarm != "" {
			seen[swarm]++
			// The network of the recordings has these two (shared/spec/observed.md).
			got, _ := snode.Choose([]uint64{0, 1<<63 - 1}, snode.Position(parseID(t, c.pubkey())))
			if want, err := strconv.ParseUint(swarm, 16, 64); err != nil || got != want {
				t.Errorf("%s: got swarm %x, want %s", path, got, swarm)
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("saw swarms %v, want two", seen)
	}
}

func TestNamespaces(t *testing.T) {
	t.Parallel()
	type answers struct{ inbox, outbox, anyone, revoked bool }
	for ns, want := range map[int16]answers{
		0:      {inbox: true},
		2:      {},
		10:     {inbox: true},
		11:     {},
		21:     {},
		-1:     {outbox: true, anyone: true},
		-10:    {inbox: true, anyone: true},
		-11:    {revoked: true},
		-20:    {inbox: true},
		-21:    {outbox: true, anyone: true},
		-31:    {},
		-111:   {revoked: true},
		-11111: {revoked: true},
		-32760: {inbox: true},
		-32761: {outbox: true, anyone: true},
		-32768: {},
		32767:  {},
	} {
		got := answers{snode.PublicInbox(ns), snode.PublicOutbox(ns), snode.ReadableByAnyone(ns), snode.RevokedMayRead(ns)}
		if got != want {
			t.Errorf("%d: got %+v, want %+v", ns, got, want)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(account)
	f.Add(strings.ToUpper(account))
	f.Fuzz(func(t *testing.T, s string) {
		id, err := snode.ParseID(s)
		if err != nil {
			if !errors.Is(err, snode.ErrID) || id != (snode.ID{}) {
				t.Fatalf("got %v, %v", id, err)
			}
			return
		}
		if id.String() != strings.ToLower(s) {
			t.Fatalf("%q is written %q", s, id)
		}
		if h := snode.Hash(id, int16(len(s)), []byte(s)); len(h) != 43 {
			t.Fatalf("hash %q", h)
		}
		snode.Position(id)
	})
}

func BenchmarkHash(b *testing.B) {
	id := parseID(b, account)
	for _, size := range []int{200, 76_800} {
		data := make([]byte, size)
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				snode.Hash(id, 2, data)
			}
		})
	}
}

func Example() {
	id, err := snode.ParseID(account)
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := base64.StdEncoding.DecodeString("aGVsbG8=")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(snode.Hash(id, 2, data))
	fmt.Println(snode.Choose([]uint64{0, 1 << 62, 1 << 63}, snode.Position(id)))
	fmt.Printf("%s\n", snode.RetrieveText(2, 1700000000000))
	// Output:
	// AWSi1/ImI0KKv6dpa32T17Jkf5xrMELQP9fBAecAtyA
	// 4611686018427387904 true
	// retrieve21700000000000
}
