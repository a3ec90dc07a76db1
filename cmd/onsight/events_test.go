package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"onsight/api"
	"onsight/internal/devnet"
	"onsight/internal/events"
	"onsight/internal/store"
	"onsight/ons"
)

// readLog is the whole log of a database.
func readLog(t testing.TB, db *store.Store) (log events.ID, all []events.Entry) {
	t.Helper()
	for after := uint64(0); ; {
		p, err := db.Events(t.Context(), after, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p.Entries...)
		if after = p.Next; after == p.Head {
			return p.Log, all
		}
	}
}

// checkLog replays the log of a database: it comes to the chain that is there, with what ended and who gave names away.
func checkLog(t testing.TB, db *store.Store) {
	t.Helper()
	d, err := db.Since(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	type happened struct {
		kind   events.Kind
		height uint64
		txid   ons.Txid
	}
	var got, want []happened
	var records []ons.Record
	_, log := readLog(t, db)
	for i, e := range log {
		if e.Seq != uint64(i)+1 {
			t.Fatalf("entry %d has number %d", i+1, e.Seq)
		}
		switch {
		case e.Reorg != nil:
			got = slices.DeleteFunc(got, func(h happened) bool { return h.height > e.Height })
			records = slices.DeleteFunc(records, func(r ons.Record) bool { return r.Updated > e.Height })
		case e.Record != nil:
			got = append(got, happened{e.Kind, e.Height, e.Record.Txid})
			if e.Kind != events.Expire {
				records = append(records, *e.Record)
			}
		}
	}
	if diff := cmp.Diff(d.Records, records, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("the log comes to another registry (-want +got):\n%s", diff)
	}
	newest, ends := map[ons.Key]ons.Record{}, map[uint64][]ons.Record{}
	end := func(from, to uint64) {
		for h := from; h <= to; h++ {
			for _, r := range ends[h] {
				if newest[r.Key()].Txid == r.Txid {
					want = append(want, happened{events.Expire, h, r.Txid})
				}
			}
		}
	}
	at := uint64(0)
	for _, r := range d.Records {
		end(at, r.Updated-1)
		at = r.Updated
		kind := events.Kind(r.Kind)
		if prev, ok := newest[r.Key()]; ok && r.Kind == ons.Update && r.Owner != prev.Owner {
			kind = events.Transfer
		}
		want = append(want, happened{kind, r.Updated, r.Txid})
		newest[r.Key()] = r
		if r.Expires > 0 {
			ends[r.Expires] = append(ends[r.Expires], r)
		}
	}
	if d.Tip != nil {
		end(at, d.Tip.Height)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(happened{}), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("the log says that something else happened (-want +got):\n%s", diff)
	}
}

// TestEventsKilled kills a consumer of a stream a hundred times. It goes on behind the newest line that it had read, while
// the chain grows and is reorganised, and the writer and the server, which only reads what the writer commits, are killed as well.
// It sees every event once, in order.
func TestEventsKilled(t *testing.T) {
	t.Parallel()
	binary := plainBinary(t)
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 31, Blocks: 2500, ONS: 2000})
	d, err := devnet.Serve(chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	path := filepath.Join(t.TempDir(), "names.db")
	write := func() *server { return startServer(t, binary, "--db", path, "--oxend", d.URL(), "--probe-every", "0") }
	read := func() *server { return startServer(t, binary, "--db", path, "--read-only") }
	writer := write()
	await(t, "the writer", writer.ready)
	reader := read()

	rng := rand.New(rand.NewPCG(31, 0))
	var got []string
	consume := func(n int) {
		after := "start"
		if len(got) > 0 {
			var v eventLine
			if err := json.Unmarshal([]byte(got[len(got)-1]), &v); err != nil {
				t.Fatal(err)
			}
			after = v.Cursor
		}
		cmd := exec.Command(binary, "events", "--follow", "--server", reader.url, "--after", after, "-o", "jsonl")
		cmd.Env = append(os.Environ(), "ONSIGHT_TEST_KILL=none:1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { cmd.Process.Signal(syscall.SIGKILL); cmd.Wait() }()
		lines := bufio.NewReader(out)
		for range n {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("the consumer ended: %v", err)
			}
			got = append(got, line)
		}
	}
	// Every second time blocks are taken back the writer is killed for it. A busy machine may not come to the one before in time: then they
	// are one reorganisation.
	noticed := func() bool { return reader.height(t) == chain.Height()-1 }
	rounds := 100
	if testing.Short() {
		rounds = 40
	}
	for i := range rounds {
		switch i % 20 {
		case 3:
			chain.Mine(4, 0, 6)
		case 8:
			chain.Reorg(1+rng.IntN(12), rng.Uint64())
		case 13:
			writer.stop(syscall.SIGKILL)
			chain.Reorg(1+rng.IntN(12), rng.Uint64())
			writer = write()
		case 12, 17:
			await(t, "blocks that were taken back", noticed)
		case 18:
			reader.stop(syscall.SIGKILL)
			reader = read()
		}
		consume(1 + rng.IntN(25))
	}
	await(t, "the new tip", noticed)
	db, err := store.Open(t.Context(), store.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	checkLog(t, db)
	log, all := readLog(t, db)
	reorgs := 0
	for _, e := range all {
		if e.Kind == events.Reorg {
			reorgs++
		}
	}
	want := make([]string, len(all))
	for i := range all {
		want[i] = string(api.EventLine(log, &all[i], ons.Fakechain))
	}
	seen := len(got)
	if seen < 5*rounds || seen >= len(want) || reorgs < rounds/20 { // twice that, unless the machine is busy
		t.Fatalf("%d of %d events were seen, %d reorganisations: want more of a test", seen, len(want), reorgs)
	}
	consume(len(want) - seen)
	if !slices.Equal(got, want) {
		t.Errorf("-want +got:\n%s", cmp.Diff(want, got))
	}
	t.Logf("%d events, %d of them reorganisations; the consumer was killed at %d", len(want), reorgs, seen)

	// Who reads pages, from the server or from the database, sees the same.
	for _, args := range [][]string{{"--server", reader.url}, {"--db", path}} {
		code, out, stderr := runProgram(t, nil, append([]string{"events", "-o", "jsonl"}, args...)...)
		if code != 0 || out != strings.Join(want, "") {
			t.Errorf("%v: exit code %d, %d bytes, want %d: %s", args, code, len(out), len(strings.Join(want, "")), stderr)
		}
	}
	if code, _, stderr := runProgram(t, nil, "events", "--server", reader.url, "--after", "0123456789abcdef-1"); code != exitError || !strings.Contains(stderr, "--after start") {
		t.Errorf("a cursor of another log: exit code %d: %s", code, stderr)
	}
	for _, s := range []*server{reader, writer} {
		if code := s.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d after SIGTERM, want 0", code)
		}
	}
}

// TestEventsPaged reads a log in pages from a server that refuses some at first, and says where the log ends only in the last.
func TestEventsPaged(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked%2 == 0 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		n := asked / 2
		w.Header().Set("Onsight-Next", fmt.Sprintf("0123456789abcdef-%d", n+1))
		if n == 2 {
			w.Header().Set("Onsight-Head", "0123456789abcdef-3")
		}
		fmt.Fprintf(w, `{"cursor":"0123456789abcdef-%d"}`+"\n", n+1)
	}))
	defer server.Close()
	code, out, stderr := runProgram(t, nil, "events", "--server", server.URL, "-o", "jsonl")
	if want := 3; code != 0 || strings.Count(out, "\n") != want {
		t.Errorf("exit code %d, %s, want %d lines: %s", code, out, want, stderr)
	}
}

// FuzzReadStream holds that whatever a server writes, reading it ends with an error, and events have ids.
func FuzzReadStream(f *testing.F) {
	for _, s := range []string{"", "id: a-1\ndata: {}\n\n", "retry: 1\nid: x\n\n:\nid: y\n\n", "data: a\ndata: b\nid: c\n\n", "data\n\n\n", "id: 1\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		size := 0
		err := readStream(bytes.NewReader(in), func(id, data string) error {
			if id == "" {
				t.Error("an event has no id")
			}
			size += len(data)
			return nil
		})
		if err == nil || size > len(in) {
			t.Errorf("error %v, %d bytes of %d", err, size, len(in))
		}
	})
}
