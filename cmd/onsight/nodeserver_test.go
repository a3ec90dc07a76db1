package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/directory"
	"onsight/internal/devnet"
	"onsight/ons"
)

// TestServerNodes asks a server for what its database says as well: the answers are the same, and it learns the key of a node that
// is looked at, but no filter, choice, account or path.
func TestServerNodes(t *testing.T) {
	t.Parallel()
	n, err := devnet.Start(devnet.Config{Seed: 5, Nodes: 14, Operators: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	db := filepath.Join(t.TempDir(), "nodes.db")
	answer := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		p := program{stdout: &out, stderr: &errs, env: func(string) string { return "" }}
		if code := p.run(t.Context(), args); code != exitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, &errs)
		}
		return out.String()
	}
	if err := n.Node(2).Down(); err != nil {
		t.Fatal(err)
	}
	answer("probe", "--once", "--db", db, "--oxend", n.Oxend())
	if err := n.Do(3, devnet.ActUnlock, 0); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, plainBinary(t), "--db", db, "--oxend", n.Oxend(), "--probe-every", "0")
	await(t, "the server", s.ready)
	await(t, "the newest list", func() bool { return strings.Contains(answer("nodes", "--db", db, "-o", "csv"), ",unlocking,") })
	await(t, "the newest snapshot", func() bool { return strings.Contains(answer("nodes", "--server", s.url, "-o", "csv"), ",unlocking,") })

	vantagePoint := filepath.Join(t.TempDir(), "berlin.key")
	public := strings.TrimSpace(answer("probe", "keygen", vantagePoint))
	answer("probers", "add", "berlin", public, "--db", db)
	await(t, "the enrolment", func() bool {
		res, err := http.Get(s.url + "/v1/nodes/" + directory.Key(n.Node(0).Key()).String() + "/history?vantage=berlin")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	answer("probe", "--once", "--db", filepath.Join(t.TempDir(), "berlin.db"), "--oxend", n.Oxend(), "--report-to", s.url, "--key", vantagePoint)

	at, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards asked
	var asked []string
	forward := httputil.NewSingleHostReverseProxy(at)
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.String())
		mu.Unlock()
		forward.ServeHTTP(w, r)
	}))
	defer between.Close()

	key := func(i int) string { return directory.Key(n.Node(i).Key()).String() }
	account := "05" + strings.Repeat("a1b2c3d4", 8)
	for _, c := range []struct {
		args   []string
		secret string // what the server is not told
		told   string // what it is
	}{
		{[]string{"nodes", "-o", "jsonl"}, "", "/v1/nodes"},
		{[]string{"nodes", "-o", "jsonl", "--state", "unlocking,gone", "--sort", "-latency", "--operator", "L1"}, "L1", "gone"},
		{[]string{"node", key(0), "-o", "json"}, "", key(0)},
		{[]string{"node", key(2), "-o", "json"}, "", key(2)},
		{[]string{"pick", "--seed", "7", "--min-credit", "1", "-o", "json"}, "pick", "/v1/nodes"},
		{[]string{"pick", "--seed", "7", "--min-credit", "1", "-o", "seeds", "--avoid", key(4)}, key(4), "/v1/nodes"},
		{[]string{"swarm", account, "-o", "json"}, "a1b2c3d4", "/v1/nodes"},
		{[]string{"swarm", "-o", "json"}, "", "/v1/nodes"},
		{[]string{"paths", "audit", key(0), key(1), key(5), "-o", "json"}, key(1), "/v1/nodes"},
		{[]string{"paths", "audit", "--simulate", "500", "--seed", "3", "-o", "json"}, "", "/v1/nodes"},
	} {
		own := answer(append(c.args, "--db", db)...)
		asked = nil
		theirs := answer(append(c.args, "--server", between.URL)...)
		want := strings.Replace(own, `"source": "database"`, `"source": "server"`, 1)
		if diff := cmp.Diff(want, theirs); diff != "" {
			t.Errorf("%v:\n%s", c.args, diff)
		}
		said := strings.Join(asked, "\n")
		if strings.Contains(said, "/v1/status") {
			t.Errorf("%v asks what names are indexed", c.args)
		}
		if c.args[0] == "node" && !strings.Contains(theirs, `"berlin": {`) {
			t.Errorf("%v shows nothing of berlin: %s", c.args, theirs)
		}
		if c.secret != "" && strings.Contains(said, c.secret) || !strings.Contains(said, c.told) {
			t.Errorf("%v asks for\n%s\nwhich should tell %q and not %q", c.args, said, c.told, c.secret)
		}
	}
	if s.stop(os.Interrupt) != exitOK {
		t.Error("the server did not end well")
	}
}

// FuzzServerReply shows that nothing a server says ends the program otherwise than by an error.
func FuzzServerReply(f *testing.F) {
	f.Add([]byte(`{"as_of":{"height":7,"hash":"00","time":"2026-01-01T00:00:00Z"},"truncated":0,"nodes":[{"key":"` + strings.Repeat("ab", 32) + `","state":"active","swarm":"ff","operator_fee":"1","stake":"1","required":"1","reserved":"1","estimate":{"tried":1,"p50":1e300}}]}`))
	f.Add([]byte(`{"as_of":null}`))
	f.Add([]byte(`{"as_of":{"height":7,"hash":"00","time":"2026-01-01T00:00:00Z"},"network":"testnet"}`))
	f.Add([]byte(`{"as_of":{"time":""},"nodes":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		server := &serverNodes{snap: &directory.Snapshot{}}
		var reply nodesReply
		if json.Unmarshal(b, &reply) != nil || reply.AsOf == nil || server.take(&reply) != nil {
			return
		}
		s := &nodeSource{Snapshot: server.snap, of: server, name: fromServer}
		p := program{stdout: io.Discard, stderr: io.Discard, env: func(string) string { return "" }}
		for _, format := range []string{"table", "json", "csv"} {
			var q directory.Query
			if err := p.printNodes(format, s, q, q.Run(directory.View{Entries: s.Entries}), time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range s.Entries {
			d := &details{Entry: &s.Entries[i], forecast: directory.NewForecast(&s.Entries[i].Node, s.At, directory.TimingOf(s.Network))}
			if err := errors.Join(p.printNode(s, d, time.Time{}), p.printJSON(d.view(s))); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestServerNetwork: the network is the one that the list says it is of, and --network insists on it.
func TestServerNetwork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says, insists string
		code          int
		want          string
	}{
		{`,"network":"testnet"`, "", exitOK, "testnet"},
		{`,"network":"testnet"`, "testnet", exitOK, "testnet"},
		{`,"network":"testnet"`, "mainnet", exitUnavailable, ""},
		{``, "", exitOK, ""},
		{``, "mainnet", exitUnavailable, ""},
		{`,"network":"moonnet"`, "", exitUnavailable, ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/nodes" {
				t.Errorf("asks for %s", r.URL)
			}
			io.WriteString(w, `{"as_of":{"height":7,"hash":"00","time":"2026-01-01T00:00:00Z"},"truncated":0,"nodes":[]`+c.says+`}`)
		}))
		args := []string{"nodes", "--server", server.URL, "-o", "json"}
		if c.insists != "" {
			args = append(args, "--network", c.insists)
		}
		code, out, stderr := runProgram(t, nil, args...)
		server.Close()
		if code != c.code || code == exitOK && !strings.Contains(out, `"network": "`+c.want+`"`) {
			t.Errorf("%s, --network %q: got exit code %d, %s%s; want %d, %q", c.says, c.insists, code, out, stderr, c.code, c.want)
		}
	}
}

// manyEvents has more events of one node than are read at once.
type manyEvents struct {
	nodes
	count int
	stuck bool // always gives the same ones
}

func (m *manyEvents) Events(_ context.Context, _ *directory.Key, after uint64, limit int) ([]directory.Stored, error) {
	if m.stuck {
		after = 0
	}
	var out []directory.Stored
	for seq := after + 1; seq <= uint64(m.count) && len(out) < limit; seq++ {
		out = append(out, directory.Stored{Seq: seq, Event: directory.Event{Height: seq, Kind: directory.KindRegistered}})
	}
	return out, nil
}

func (m *manyEvents) History(context.Context, directory.Key, string, directory.Series, time.Time, time.Time) ([]directory.Object, error) {
	return nil, nil
}

// TestManyEvents: however much happened to a node, what is called newest is that.
func TestManyEvents(t *testing.T) {
	t.Parallel()
	for _, count := range []int{0, 20, 21, eventsMost - 1, eventsMost, eventsMost + 1, 2*eventsMost + 500} {
		s := sameRange(ons.Testnet, 1)
		s.of = &manyEvents{count: count}
		d, err := s.details(t.Context(), s.Entries[0].Node.Key.String())
		if err != nil || len(d.events) != count || count > 0 && d.events[count-1].Seq != uint64(count) {
			t.Errorf("%d events: error %v, got %d", count, err, len(d.events))
		}
	}
	s := sameRange(ons.Testnet, 1)
	s.of = &manyEvents{count: eventsMost, stuck: true}
	if _, err := s.details(t.Context(), s.Entries[0].Node.Key.String()); !errors.Is(err, ons.ErrUnavailable) {
		t.Errorf("events that never end: got error %v", err)
	}
}
