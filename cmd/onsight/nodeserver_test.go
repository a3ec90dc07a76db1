package main

import (
	"bytes"
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
	f.Add([]byte(`{"as_of":{"time":""},"nodes":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		server := &serverNodes{snap: &directory.Snapshot{}}
		var reply nodesReply
		if json.Unmarshal(b, &reply) != nil || reply.AsOf == nil || server.take(*reply.AsOf, reply.Nodes) != nil {
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
