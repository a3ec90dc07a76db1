package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/devnet"
	"onsight/internal/index"
	"onsight/internal/store"
	"onsight/ons"
)

// server is a running `onsight serve`.
type server struct {
	cmd *exec.Cmd
	url string
	out *bufio.Reader
}

// startServer runs serve as a process of its own and waits until it says where it listens.
func startServer(t *testing.T, binary string, args ...string) *server {
	t.Helper()
	args = append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)
	if !slices.Contains(args, "--read-only") {
		args = append(args, "--interval", "1s")
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "ONSIGHT_TEST_KILL=none:1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	s := &server{cmd: cmd, out: bufio.NewReader(stdout)}
	line, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatalf("serve said nothing: %v", err)
	}
	s.url = strings.TrimSpace(strings.TrimPrefix(line, "serving "))
	return s
}

// stop sends a signal and returns the exit code; -1 for a process that was killed.
func (s *server) stop(sig os.Signal) int {
	s.cmd.Process.Signal(sig)
	io.Copy(io.Discard, s.out)
	s.cmd.Wait()
	return s.cmd.ProcessState.ExitCode()
}

// await asks until done says so. It is bounded: a server that never gets there fails the test.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func (s *server) ready() bool {
	res, err := http.Get(s.url + "/readyz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// TestServe follows a chain, answers the program itself, shares its index with a reader process, and stops when told.
func TestServe(t *testing.T) {
	t.Parallel()
	binary := plainBinary(t)
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 12, Blocks: 500, Ordinary: 20, ONS: 100})
	d, err := devnet.Serve(chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	db := filepath.Join(t.TempDir(), "names.db")
	writer := startServer(t, binary, "--db", db, "--oxend", d.URL())
	await(t, "the writer", writer.ready)
	reader := startServer(t, binary, "--db", db, "--read-only")
	await(t, "the reader", reader.ready)

	for _, s := range []*server{writer, reader} {
		n := 0
		for _, name := range truth.Open() {
			if name.Legacy {
				continue
			}
			n++
			code, out, stderr := runProgram(t, nil, "resolve", name.Name.String(), "--type", name.Name.Type().String(), "--server", s.url)
			if code != 0 || strings.TrimSpace(out) != name.Text {
				t.Errorf("a %s name: exit code %d, %q, want %q: %s", name.Name.Type(), code, out, name.Text, stderr)
			}
		}
		if n < 10 {
			t.Errorf("only %d names", n)
		}
		if code, _, _ := runProgram(t, nil, "resolve", "nobody_has_this", "--server", s.url); code != exitNotRegistered {
			t.Errorf("a name that is not there: exit code %d, want %d", code, exitNotRegistered)
		}
	}

	// A new block reaches both.
	chain.Mine(3, 0, 3)
	for _, s := range []*server{writer, reader} {
		await(t, "the new block", func() bool { return s.height(t) == chain.Height()-1 })
	}
	// The same command twice: the second is told who writes, not that the port is taken.
	if code, _, stderr := runProgram(t, nil, "serve", "--db", db, "--oxend", d.URL(), "--listen", strings.TrimPrefix(writer.url, "http://")); code != exitLocked ||
		!strings.Contains(stderr, strconv.Itoa(writer.cmd.Process.Pid)) {
		t.Errorf("a second writer: exit code %d: %s", code, stderr)
	}
	// A client that never ends its request does not keep the server from stopping well.
	slow, err := net.Dial("tcp", strings.TrimPrefix(reader.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "POST /v1/names/resolve HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*server{reader, writer} {
		if code := s.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d after SIGTERM, want 0", code)
		}
	}
	if code, _, _ := runProgram(t, nil, "resolve", "nobody_has_this", "--server", writer.url); code != exitUnavailable {
		t.Errorf("a server that is gone: exit code %d, want %d", code, exitUnavailable)
	}
}

func (s *server) height(t *testing.T) uint64 {
	t.Helper()
	var status struct {
		Height uint64 `json:"height"`
	}
	res, err := http.Get(s.url + "/v1/status")
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&status); err != nil {
		t.Error(err)
	}
	return status.Height
}

// chainVersion is the chain as it was between two changes: its hashes, and the histories of the names that are asked for.
type chainVersion struct {
	hashes  []string
	history map[ons.Key][]ons.Record
}

// TestServeUnderKills kills and restarts serve under load, while the chain grows and is reorganised. Every reply must be
// what the chain said at the block that the reply names.
func TestServeUnderKills(t *testing.T) {
	t.Parallel()
	binary := plainBinary(t)
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 13, Blocks: 3000, ONS: 900})
	d, err := devnet.Serve(chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	keys := truth.Keys()[:100]
	var mu sync.Mutex // guards versions
	var versions []chainVersion
	// change changes the chain and remembers what is true then. Nobody judges a reply in between.
	change := func(f func()) {
		mu.Lock()
		defer mu.Unlock()
		f()
		v := chainVersion{history: map[ons.Key][]ons.Record{}}
		for h := range chain.Height() {
			hash, err := chain.Hash(h)
			if err != nil {
				t.Fatal(err)
			}
			v.hashes = append(v.hashes, hash.String())
		}
		for _, k := range keys {
			v.history[k] = truth.History(k)
		}
		versions = append(versions, v)
	}
	change(func() {})

	var base atomic.Value // of the server that runs now
	base.Store("")
	var answered, wrong atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for worker := range 4 {
		load.Go(func() {
			for i := worker; ctx.Err() == nil; i++ {
				k := keys[i%len(keys)]
				reply, status, err := get(ctx, base.Load().(string), k)
				if err != nil || status == http.StatusServiceUnavailable {
					continue // killed, or behind: no answer
				}
				answered.Add(1)
				mu.Lock()
				now := versions
				mu.Unlock()
				if !right(now, k, reply, status) && wrong.Add(1) < 5 {
					t.Errorf("a %s name: status %d, txid %q at block %d %s: the chain never said so", k.Type, status, reply.Txid, reply.AsOf.Height, reply.AsOf.Hash)
				}
			}
		})
	}
	db := filepath.Join(t.TempDir(), "names.db")
	for i := range 6 {
		s := startServer(t, binary, "--db", db, "--oxend", d.URL())
		base.Store(s.url)
		// Kill it at some moment of its catching up, and each other time after.
		seen := answered.Load()
		await(t, "answers", func() bool { return answered.Load() > seen+200 || i == 0 && answered.Load() > seen })
		change(func() {
			if i%2 == 1 {
				chain.Reorg(1+i*3, uint64(i))
			} else {
				chain.Mine(5, 0, 10)
			}
		})
		await(t, "the new tip", func() bool { return i%2 == 0 || s.height(t) == chain.Height()-1 })
		s.stop(syscall.SIGKILL)
	}
	stop()
	load.Wait()
	t.Logf("%d answers, %d wrong", answered.Load(), wrong.Load())
}

type reply struct {
	recordView
	Confirmations uint64   `json:"confirmations"`
	Code          string   `json:"code"`
	AsOf          asOfView `json:"as_of"`
}

func get(ctx context.Context, base string, k ons.Key) (r reply, status int, err error) {
	if base == "" {
		return r, 0, errors.New("no server")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/names/"+k.Type.String()+"/"+k.Hash.String(), nil)
	if err != nil {
		return r, 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, 0, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusServiceUnavailable {
		return r, res.StatusCode, nil
	}
	return r, res.StatusCode, json.NewDecoder(res.Body).Decode(&r)
}

// right reports whether a reply is what some version of the chain said at the block it names: the newest record by then
// with its value, or that there is none.
func right(versions []chainVersion, k ons.Key, r reply, status int) bool {
	for _, v := range versions {
		if r.AsOf.Height >= uint64(len(v.hashes)) || v.hashes[r.AsOf.Height] != r.AsOf.Hash {
			continue
		}
		var want *ons.Record
		for _, h := range v.history[k] {
			if h.Updated <= r.AsOf.Height {
				want = &h
			}
		}
		switch {
		case want == nil && status == http.StatusNotFound && r.Code == "not_registered":
			return true
		case want != nil && status == http.StatusOK && r.Txid == want.Txid.String() && r.UpdateHeight == want.Updated &&
			r.EncryptedValue == hex.EncodeToString(want.Sealed.Ciphertext) && r.Confirmations == r.AsOf.Height-want.Updated+1:
			return true
		}
	}
	return false
}

// TestServeTrouble starts serve where it cannot do all its work: it serves what it has and says that it cannot tell, or ends
// with an error that says what to do.
func TestServeTrouble(t *testing.T) {
	t.Parallel()
	binary := plainBinary(t)
	d := startReplay(t, recordings["10"])
	defer d.Close()
	db := filepath.Join(t.TempDir(), "names.db")
	if code, _, stderr := runProgram(t, nil, "index", "--once", "--db", db, "--oxend", d.URL()); code != 0 {
		t.Fatal(stderr)
	}

	// No daemon: what is known is answered; what is not stays open once the daemon was silent for long (see api.TestBehind).
	s := startServer(t, binary, "--db", db, "--oxend", "http://127.0.0.1:1")
	if code, out, stderr := runProgram(t, nil, "resolve", "bob_name", "--server", s.url); code != 0 || !strings.HasPrefix(out, "052473ae") {
		t.Errorf("without a daemon: exit code %d: %s", code, stderr)
	}
	if code, _, stderr := runProgram(t, nil, "resolve", "bob_name", "--server", s.url, "--network", "mainnet"); code != exitUnavailable || !strings.Contains(stderr, "holds fakechain") {
		t.Errorf("a server of another network: exit code %d: %s", code, stderr)
	}
	if code := s.stop(os.Interrupt); code != 0 {
		t.Errorf("exit code %d after an interrupt, want 0", code)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		says string
		code int
		env  map[string]string
		args []string
	}{
		{"address already in use", exitError, map[string]string{"ONSIGHT_LISTEN": taken.Addr().String()}, []string{"--db", db, "--oxend", d.URL()}},
		{"there is no index yet", exitUnavailable, nil, []string{"--read-only", "--db", filepath.Join(t.TempDir(), "none.db")}},
		{"leave --oxend", exitUsage, nil, []string{"--read-only", "--db", db, "--oxend", d.URL()}},
		{"at least 1s", exitUsage, nil, []string{"--interval", "1ms"}},
	} {
		code, _, stderr := runProgram(t, c.env, append([]string{"serve"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: exit code %d, want %d and %q: %s", c.args, code, c.code, c.says, stderr)
		}
	}
}

// TestJobsSurviveAPanic shows that a round which panics is not the last one.
func TestJobsSurviveAPanic(t *testing.T) {
	t.Parallel()
	feed := &panickyFeed{}
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "names.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := &service{index: index.New(feed), nodes: directory.New(directory.Config{Store: db})}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := s.startJobs(ctx, cancel, serveOptions{}, slog.New(slog.DiscardHandler))
	defer stop()
	defer cancel(nil)
	await(t, "a round after the panic", func() bool { return feed.asked.Load() > 1 })
}

// panickyFeed panics the first time it is asked.
type panickyFeed struct{ asked atomic.Int64 }

func (f *panickyFeed) Since(context.Context, uint64) (indexer.Delta, error) {
	if f.asked.Add(1) == 1 {
		panic("as it happens")
	}
	return indexer.Delta{Full: true}, nil
}

// TestPools: a daemon whose list of nodes is of no use stays the one that names are read from, and keeps its good name.
func TestPools(t *testing.T) {
	t.Parallel()
	n := startDevnet(t, 5)
	bad := spoiling(t, n)
	p := program{stdout: io.Discard, stderr: io.Discard, env: func(string) string { return "" }}
	f := flags{oxend: []string{bad, n.Oxend()}, db: filepath.Join(t.TempDir(), "names.db")}
	opt := serveOptions{followOptions: followOptions{acceptBelow: 40}}
	s, err := p.openService(t.Context(), &f, opt, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.db.Close()
	defer s.write.meter.stop()
	if s.nodes.AcceptBelow != 40 || s.write.AcceptBelow != 40 {
		t.Errorf("accepts below %d for nodes, %d for names, want 40", s.nodes.AcceptBelow, s.write.AcceptBelow)
	}
	if err := s.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := s.db.State(t.Context())
	if up := s.upstreams(); err != nil || up[0].Whole == nil || *up[0].Whole != *st.Tip || up[1].Whole != nil {
		t.Errorf("after a round the index is at %v, the daemons are %+v, error %v", st.Tip, up, err)
	}
	if err := s.nodes.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(s.nodes.Snapshot().Entries); got != 5 {
		t.Errorf("%d nodes, want 5 of the other daemon", got)
	}
	s.look(nil)
	if up := s.upstreams(); !up[0].Active || up[0].Error != "" || up[0].Whole != nil {
		t.Errorf("the daemon of the names is now %+v", up)
	}
}
