package oxend

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/ons"
)

func TestInfoRecorded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file string
		want Info
		top  string
		imm  string
	}{
		{file: "10/get_info", top: "a49ae6a94beeac9fcc445247e9c262f2549a3fcb83dcc7cbaf483e7f33c26900",
			want: Info{Height: 338, HardFork: 19, Counts: [3]uint64{9, 3, 6}, Counted: true, Version: "10.6.0-unknown", Synced: true}},
		{file: "10/get_info_public_port", top: "a49ae6a94beeac9fcc445247e9c262f2549a3fcb83dcc7cbaf483e7f33c26900",
			want: Info{Height: 338, HardFork: 19, Counts: [3]uint64{9, 3, 6}, Counted: true, Version: "10", Synced: true}},
		{file: "10/ckpt_get_info", top: "e61be386e8a0c7b9756176fc5ef966ed7b4df3abe1894089d820d350b8beedd1",
			imm:  "4575c6a33a3d080827a7df1a6e90ad15af953b539ef7aa3ced27b148ad3dfcfd",
			want: Info{Height: 364, HardFork: 19, Counts: [3]uint64{9, 3, 4}, Counted: true, Version: "10.6.0-unknown", Synced: true, Immutable: Point{Height: 356}}},
		{file: "11/get_info", top: "8a4bad7e4657bf4521d06972cee49b85fbd39d504a493670a50874ca12fa6d06",
			want: Info{Height: 293, HardFork: 19, Counts: [3]uint64{5, 2, 2}, Counted: true, Version: "11.0.6-unknown-dev", Synced: true}},
		{file: "11/get_info_public_port", top: "8a4bad7e4657bf4521d06972cee49b85fbd39d504a493670a50874ca12fa6d06",
			want: Info{Height: 293, HardFork: 19, Counts: [3]uint64{5, 2, 2}, Counted: true, Version: "11", Synced: true}},
	} {
		dialect, name, _ := strings.Cut(tt.file, "/")
		c, _ := replay(t, dialect, name)
		got, err := c.Info(t.Context())
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
		}
		tt.want.Network, tt.want.TopHash = ons.Fakechain, txid(t, tt.top)
		if tt.imm != "" {
			tt.want.Immutable.Hash = txid(t, tt.imm)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.file, d)
		}
	}
}

func TestDialectRecorded(t *testing.T) {
	t.Parallel()
	for dialect, want := range map[string]Dialect{"10": Dialect10, "11": Dialect11} {
		c, s := replay(t, dialect)
		for range 2 {
			if got, err := c.Dialect(t.Context()); err != nil || got != want {
				t.Errorf("%s: got %v, %v", dialect, got, err)
			}
		}
		if got := s.sent(t); len(got) != 1 {
			t.Errorf("%s: the dialect was asked %d times, want once", dialect, len(got))
		}
	}
}

func TestHardForkRecorded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dialect, file string
		want          Fork
	}{
		{"10", "hard_fork_info_v15", Fork{Version: 15, Earliest: 150, Known: true, Enabled: true}},
		{"10", "hard_fork_info_v99", Fork{Version: 99}},
		{"11", "hard_fork_info_v7", Fork{Version: 7, Earliest: 0, Known: true, Enabled: true}},
		{"11", "hard_fork_info_v15", Fork{Version: 15, Earliest: 150, Known: true, Enabled: true}},
		{"11", "hard_fork_info_v99", Fork{Version: 99}},
		{"11", "hard_fork_info_v20", Fork{Version: 20}},
	} {
		c, _ := replay(t, tt.dialect, tt.file)
		got, err := c.HardFork(t.Context(), tt.want.Version)
		if err != nil || got != tt.want {
			t.Errorf("%s/%s: got %+v, %v, want %+v", tt.dialect, tt.file, got, err, tt.want)
		}
	}
}

func TestBlockHashRecorded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dialect, file string
		height        uint64
		want          string
	}{
		{"10", "get_block_hash_height_object", 229, "296ecf7350a7e0041633f11ce59690ac8e47919f4466938e83431a7eb65abbaf"},
		{"10", "get_block_hash_height_object_too_high", 99999999, ""},
		{"11", "get_block_hash_heights", 231, "8c59dc46561273e2b62dc440dd1e52c2e1ec584dd3587198e4d115209e0c6c65"},
		{"11", "get_block_hash_heights_too_high", 99999999, ""},
	} {
		c, _ := replay(t, tt.dialect, tt.file)
		got, err := c.BlockHash(t.Context(), tt.height)
		if tt.want == "" {
			if !errors.Is(err, ErrTooHigh) {
				t.Errorf("%s/%s: got %v, want ErrTooHigh", tt.dialect, tt.file, err)
			}
			continue
		}
		if err != nil || got.String() != tt.want {
			t.Errorf("%s/%s: got %v, %v", tt.dialect, tt.file, got, err)
		}
	}
}

// plain is a header as encoding/json gives it without any of our types.
type plain struct {
	Height    uint64   `json:"height"`
	Hash      string   `json:"hash"`
	Prev      string   `json:"prev_hash"`
	Timestamp int64    `json:"timestamp"`
	Major     uint8    `json:"major_version"`
	Minor     uint8    `json:"minor_version"`
	TxHashes  []string `json:"tx_hashes"`
}

func (h Header) plain() plain {
	p := plain{h.Height, h.Hash.String(), h.Prev.String(), h.Time, h.Major, h.Minor, nil}
	for _, x := range h.TxHashes {
		p.TxHashes = append(p.TxHashes, x.String())
	}
	return p
}

func TestHeadersRecorded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dialect, file string
		from, to      uint64
		high          bool
	}{
		{dialect: "10", file: "get_block_headers_range_txs", from: 229, to: 230},
		{dialect: "11", file: "get_block_headers_range_txs", from: 230, to: 233},
	} {
		c, _ := replay(t, tt.dialect, tt.file)
		hs, err := c.Headers(t.Context(), tt.from, tt.to)
		if err != nil {
			t.Fatalf("%s/%s: %v", tt.dialect, tt.file, err)
		}
		var want struct{ Result struct{ Headers []plain } }
		if err := json.Unmarshal(load(t, tt.dialect+"/"+tt.file).Response, &want); err != nil {
			t.Fatal(err)
		}
		var got []plain
		for _, h := range hs {
			got = append(got, h.plain())
		}
		if d := cmp.Diff(want.Result.Headers, got); d != "" {
			t.Errorf("%s/%s: %s", tt.dialect, tt.file, d)
		}
	}
	for dialect, file := range map[string]string{"10": "get_block_header_by_height_multi", "11": "get_block_header_by_heights"} {
		rec := load(t, dialect+"/"+file)
		var p struct{ Heights []uint64 }
		var want struct {
			Result struct {
				Headers []plain `json:"block_headers"`
			}
		}
		if err := errors.Join(json.Unmarshal(rec.Request.Params, &p), json.Unmarshal(rec.Response, &want)); err != nil {
			t.Fatal(err)
		}
		c, _ := replay(t, dialect, file)
		hs, err := c.HeadersAt(t.Context(), p.Heights)
		if err != nil {
			t.Fatalf("%s/%s: %v", dialect, file, err)
		}
		var got []plain
		for _, h := range hs {
			got = append(got, h.plain())
		}
		if d := cmp.Diff(want.Result.Headers, got); d != "" {
			t.Errorf("%s/%s: %s", dialect, file, d)
		}
	}
}
