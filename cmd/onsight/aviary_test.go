package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/spf13/cobra"

	"onsight/directory"
	"onsight/internal/devnet"
	"onsight/internal/stack"
	"onsight/ons"
)

// aviary is where the canaries fly: a network, a server with all that it can tell of requests, and one who asks.
type aviary struct {
	binary  string
	server  *recorder // before serve
	oxend   *recorder // before the daemon
	direct  string    // serve's URL
	metrics string    // where it serves them
	process *exec.Cmd
	theirs  string // folder of all files of the server
	ours    string // folder of all files of who asks
	secrets []marked
	words   *strings.Replacer
}

func startAviary(t *testing.T) *aviary {
	t.Helper()
	marked, names := entriesOf(t)
	n, err := devnet.Start(devnet.Config{Seed: 5, Nodes: 8, Past: 60, Names: names})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	a := &aviary{theirs: t.TempDir(), ours: t.TempDir(), binary: filepath.Join(t.TempDir(), "onsight"), secrets: canaries(t, marked, n.Nodes()[0].Key())}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", a.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}

	log, err := os.Create(filepath.Join(a.theirs, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	a.process = a.command(context.WithoutCancel(t.Context()), a.theirs, "serve", "--listen", "127.0.0.1:0", "--db", filepath.Join(a.theirs, "names.db"),
		"--oxend", n.Oxend(), "--lokinet-year", fmt.Sprint(n.Chain().Year()), "--interval", "1s", "--probe-every", "1m", "--verbose", "--log-format", "json", "--log-requests", "--metrics", "127.0.0.1:0",
		"--trust-proxy", "127.0.0.0/8", "--client-rate", "0", "--client-concurrent", "0")
	a.process.Stdout, a.process.Stderr = log, log
	if err := a.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.process.Process.Kill() })
	await(t, "the server", func() bool {
		for line := range strings.Lines(a.file(t, "log")) {
			if at, ok := strings.CutPrefix(line, "serving "); ok && strings.HasSuffix(line, "\n") {
				a.direct = strings.TrimSpace(at)
			}
			var entry struct{ Msg, Address string }
			if err := json.Unmarshal([]byte(line), &entry); err == nil && entry.Msg == "serving metrics" {
				a.metrics = entry.Address
			}
		}
		return a.direct != "" && a.metrics != "" && (&server{url: a.direct}).ready()
	})
	await(t, "measurements", func() bool {
		res, err := http.Get(a.direct + "/v1/nodes?reachable=up&fields=key")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return err == nil && bytes.Count(b, []byte(`"key":`)) >= 6
	})
	a.server, a.oxend = record(t, a.direct), record(t, n.Oxend())
	a.words = strings.NewReplacer("SERVER", a.server.URL, "OXEND", a.oxend.URL, "DEAD", "http://127.0.0.1:1", "OWN", filepath.Join(a.ours, "own.db"), "OUT", filepath.Join(a.ours, "export"),
		"NODE", canaryNode, "STAKED", directory.Key(n.Nodes()[0].Key()).String(), "ACCOUNT", canaryAccount, "SWARM", canarySwarm)
	return a
}

// command prepares a process whose files are all in a folder.
func (a *aviary) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, a.binary, args...)
	tmp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		panic(err)
	}
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "TMPDIR=" + tmp, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// file returns what is in a file of the server.
func (a *aviary) file(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(a.theirs, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// search fails the test for each canary in some bytes. What is public is let pass where the bytes are made of the chain.
func (a *aviary) search(t *testing.T, where string, b []byte, ofChain bool) {
	t.Helper()
	lower := bytes.ToLower(b)
	for _, c := range a.secrets {
		if ofChain && c.public {
			continue
		}
		if shape := c.in(b, lower); shape != "" {
			t.Errorf("%s: has %s, as %s", where, c.what, shape)
		}
	}
}

// searchFiles looks through a folder, names of files included, and returns in how many files it found what is public.
func (a *aviary) searchFiles(t *testing.T, dir string) (public int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		a.search(t, "the name of the file "+d.Name(), []byte(d.Name()), false)
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		ofChain := strings.Contains(d.Name(), ".db") || strings.HasSuffix(d.Name(), ".bundle") || strings.Contains(path, "/export/v1/names/")
		a.search(t, "the file "+d.Name(), b, ofChain)
		if slices.ContainsFunc(a.secrets, func(c marked) bool { return c.public && c.in(b, nil) != "" }) {
			public++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// TestNoTrace lets marked names, accounts, owners, keys and addresses loose in every command and operation there is, and finds
// them nowhere: not in logs, metrics, databases, other files, their names, URLs that servers received, nor what a process that
// is told to quit leaves behind. What the user chose to tell (--exact, an operation that takes a hash) is in the path of the
// request, and nowhere else.
func TestNoTrace(t *testing.T) {
	t.Parallel()
	a := startAviary(t)
	t.Run("control", a.control)
	t.Run("commands", a.commands)
	t.Run("operations", a.operations)
	t.Run("proxy", a.proxy)
	t.Run("quit", a.quit)
	t.Run("metrics", func(t *testing.T) {
		res, err := http.Get("http://" + a.metrics + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		a.search(t, "metrics", b, false)
		doc, _ := apiDocument(t)
		for _, item := range doc.Paths.Map() {
			for _, op := range item.Operations() {
				if !strings.Contains(string(b), `,operation="`+op.OperationID+`",`) {
					t.Errorf("the operation %s was not reached", op.OperationID)
				}
			}
		}
	})
	t.Run("quit serve", a.quitServe)
	t.Run("files", func(t *testing.T) {
		// That the names which are registered are found shows that it is looked at the right places.
		if n := a.searchFiles(t, a.theirs); n == 0 {
			t.Error("the server's database has no registered name")
		}
		if n := a.searchFiles(t, a.ours); n < 2 {
			t.Errorf("%d files of the chain, want a database and a bundle", n)
		}
	})
}

// control shows that a canary is known again in each of its shapes.
func (a *aviary) control(t *testing.T) {
	h := mustCanary(t, ons.Session, "canary-bird-here").Hash()
	c := marked{what: "a hash"}.of(h[:])
	list, err := json.Marshal([32]byte(h))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"JSON": string(list), "raw": string(h[:]), "hexadecimal": h.String(), "capitals": strings.ToUpper(h.String()), "base64": base64.StdEncoding.EncodeToString(h[:]),
		"base64url": base64.URLEncoding.EncodeToString(h[:]), "printed": fmt.Sprint([32]byte(h)), "quoted": fmt.Sprintf("%q", h[:]),
		"dumped": fmt.Sprintf("Record({0x0, {0x%x, 0x%x, 0x%x, 0x%x, 0x%x, ...}})", h[0], h[1], h[2], h[3], h[4]),
	} {
		if c.in([]byte("x"+text+"y"), bytes.ToLower([]byte("x"+text+"y"))) == "" {
			t.Errorf("%s: not found", name)
		}
	}
	if c.in([]byte("nothing"), []byte("nothing")) != "" {
		t.Error("found where it is not")
	}
}

// commands runs every command of the program.
func (a *aviary) commands(t *testing.T) {
	left := map[string]bool{}
	root, _ := program{env: func(string) string { return "" }, stdout: io.Discard, stderr: io.Discard}.root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		left[c.CommandPath()] = c.Runnable() && c != root
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	left["onsight __complete"] = true
	delete(left, "onsight completion") // which cobra makes runnable to say that a shell is missing
	for _, c := range canaryCommands {
		if !left[c.command] {
			t.Errorf("%s: the program has no such command", c.command)
		}
		left[c.command] = false
		for _, r := range c.runs {
			a.run(t, c.command, r)
		}
	}
	for command, missing := range left {
		if missing {
			t.Errorf("%s: give it a line in canaryCommands", command)
		}
	}
}

// run runs a command and looks at what it logs, and at what it sent.
func (a *aviary) run(t *testing.T, command string, r canaryRun) {
	t.Helper()
	a.server.take()
	a.oxend.take()
	words := append(strings.Fields(command)[1:], strings.Fields(a.words.Replace(r.args))...)
	if words[0] != "__complete" {
		words = append(words, "--verbose", "--log-format", "json")
	}
	what := strings.TrimSpace(command + " " + r.args)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := a.command(ctx, a.ours, words...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(r.stdin), &stdout, &stderr
	if err := cmd.Run(); (err != nil) != r.fails || ctx.Err() != nil || cmd.ProcessState.ExitCode() == exitUsage {
		t.Errorf("%s: %v, want a failure: %v\n%s", what, err, r.fails, &stderr)
	}
	if !r.says {
		a.search(t, what+": standard error", stderr.Bytes(), false)
	}
	told := false
	for _, x := range a.server.take() {
		sameForAll(t, what, x)
		told = a.sent(t, what, x, r.told) || told
		a.search(t, what+": a body that the server received", x.body, false)
	}
	if told != r.told {
		t.Errorf("%s: told the server what is asked about: %v, want %v", what, told, r.told)
	}
	for _, x := range a.oxend.take() {
		a.sent(t, what, x, false)
	}
}

// sameForAll fails the test if a request carries a header by which one of us could be told from another.
func sameForAll(t *testing.T, what string, x exchange) {
	t.Helper()
	for name, values := range x.header {
		allowed := map[string][]string{
			"User-Agent": {"Go-http-client/1.1"}, "Accept-Encoding": {"gzip", "identity"}, "Accept": {"application/x-ndjson"},
		}[name]
		if len(values) != 1 || !slices.Contains(allowed, values[0]) {
			t.Errorf("%s: the server was sent the header %s: %q", what, name, values)
		}
	}
}

// sent looks for canaries in a request but for its body, and reports whether one is in its path, where it may be.
func (a *aviary) sent(t *testing.T, what string, x exchange, may bool) (told bool) {
	t.Helper()
	var header bytes.Buffer
	if err := x.header.Write(&header); err != nil {
		t.Fatal(err)
	}
	query, err := url.QueryUnescape(x.url.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	a.search(t, what+": the query of a request", []byte(query), false)
	a.search(t, what+": the header of a request", header.Bytes(), false)
	path := []byte(x.url.Path)
	for _, c := range a.secrets {
		if c.in(path, bytes.ToLower(path)) != "" {
			told = true
		}
	}
	if !may {
		a.search(t, what+": the path of a request", path, false)
	}
	return told
}

// operations asks the server for every operation of the document about what is marked. What may have become of it is looked
// at in its files.
func (a *aviary) operations(t *testing.T) {
	doc, _ := apiDocument(t)
	params, bodies := canaryParams(t), canaryBodies(t)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			targets := []string{path}
			var query []string
			for _, p := range op.Parameters {
				switch values := params[p.Value.Name]; {
				case p.Value.In == openapi3.ParameterInQuery:
					query = append(query, p.Value.Name)
				case p.Value.In == openapi3.ParameterInHeader: // all requests have them: see ask
				case values == nil:
					t.Errorf("%s: give the parameter %s a line in canaryParams", op.OperationID, p.Value.Name)
				default:
					var filled []string
					for _, target := range targets {
						for _, v := range values {
							filled = append(filled, strings.ReplaceAll(target, "{"+p.Value.Name+"}", url.PathEscape(v)))
						}
					}
					targets = filled
				}
			}
			sent := []string{""}
			media := ""
			if op.RequestBody != nil {
				if sent = bodies[op.OperationID]; sent == nil {
					t.Errorf("%s: give it a line in canaryBodies", op.OperationID)
				}
				for media = range op.RequestBody.Value.Content {
				}
			}
			for _, target := range targets {
				with := []string{"", "?canary-bird-here=1", "?q=" + params["hash"][1]}
				for _, name := range query {
					with = append(with, "?"+name+"=canary-bird-here", "?"+name+"="+params["hash"][1])
				}
				for _, q := range with {
					for _, body := range sent {
						a.ask(t, method, target+q, media, body)
					}
				}
			}
		}
	}
	for _, path := range []string{"/canary-bird-here", "/v1/names/" + params["hash"][1], "/v1/names/session/" + params["hash"][1] + "/"} {
		a.ask(t, http.MethodGet, path, "", "")
		a.ask(t, http.MethodPut, path, "", "canary-bird-here")
		a.ask(t, http.MethodOptions, path, "", "")
	}
}

// ask sends a request as a proxy does that is trusted, with all that a client might betray itself by.
func (a *aviary) ask(t *testing.T, method, target, media, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, a.direct+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"User-Agent", "Referer", "If-None-Match", "Cookie", "Authorization", "Last-Event-Id", "X-Request-Id"} {
		r.Header.Set(name, "canary-bird-here")
	}
	r.Header.Set("X-Forwarded-For", canaryClients[len(target)%2])
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err == nil && kind == "text/event-stream" {
		return // which has no end
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Errorf("%s %s: %v", method, target, err)
	}
	if res.StatusCode == http.StatusInternalServerError || res.StatusCode == http.StatusTooManyRequests {
		t.Errorf("%s %s: status %d", method, target, res.StatusCode)
	}
}

// proxy asks through a proxy that the environment names, for a server whose name only the proxy can look up, and a server that
// passes the question on to another one.
func (a *aviary) proxy(t *testing.T) {
	a.server.take()
	var passed atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		passed.Add(1)
		if r.URL.Host != "names.invalid" {
			t.Errorf("the proxy is asked for %s", r.URL.Host)
		}
		if strings.HasPrefix(r.URL.Path, "/v1/names/session/") {
			http.Redirect(w, r, a.server.URL+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		at := *r.URL
		at.Host = strings.TrimPrefix(a.direct, "http://")
		res, err := http.Get(at.String())
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		io.Copy(w, res.Body)
	}))
	defer proxy.Close()
	for args, want := range map[string]int{
		"resolve - --server http://names.invalid":         exitOK,
		"resolve - --exact --server http://names.invalid": exitUnavailable, // to be asked elsewhere is no answer
	} {
		cmd := a.command(t.Context(), a.ours, strings.Fields(args)...)
		cmd.Env = append(cmd.Env, "HTTP_PROXY="+proxy.URL)
		cmd.Stdin = strings.NewReader("canary-bird-here\n")
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: exit code %d, want %d: %v, %s", args, got, want, err, out)
		}
	}
	if n := passed.Load(); n < 4 || len(a.server.take()) != 0 {
		t.Errorf("%d requests went through the proxy, want 4, and none past it", n)
	}
}

// quit tells programs to quit while they wait for a server that does not answer, and looks at what other processes see of them
// and at what they leave.
func (a *aviary) quit(t *testing.T) {
	for _, args := range []string{
		"resolve - --exact --network fakechain --server SERVER", "resolve - --server SERVER", "doctor - --server SERVER", "resolve - --oxend SERVER",
	} {
		asked, over := make(chan struct{}, 64), make(chan struct{})
		silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/status" { // so that it gets to its question
				io.WriteString(w, `{"network":"fakechain","ready":true}`)
				return
			}
			asked <- struct{}{}
			select {
			case <-over:
			case <-r.Context().Done():
			}
		}))
		cmd := a.command(t.Context(), a.ours, strings.Fields(strings.ReplaceAll(args, "SERVER", silent.URL))...)
		var stderr bytes.Buffer
		cmd.Stdin, cmd.Stderr = strings.NewReader("canary-bird-gone\n"), &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-asked
		for _, seen := range []string{"cmdline", "environ"} { // of the process, as the machine's other users see the first of them
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, seen))
			if err == nil {
				a.search(t, args+": "+seen, b, false)
			} else if !errors.Is(err, fs.ErrNotExist) { // no such thing on other systems
				t.Error(err)
			}
		}
		if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if cmd.ProcessState.ExitCode() != stack.ExitQuit || !strings.Contains(stderr.String(), "main.program.run") {
			t.Errorf("%s: exit code %d, and no word of where it was: %s", args, cmd.ProcessState.ExitCode(), &stderr)
		}
		a.search(t, args+": what it left when it quit", stderr.Bytes(), false)
		close(over)
		silent.Close()
	}
}

// quitServe tells the server to quit while it reads a request and has others behind it. What it says is in its log.
func (a *aviary) quitServe(t *testing.T) {
	c, err := net.Dial("tcp", strings.TrimPrefix(a.direct, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	half := canaryBodies(t)["resolve"][0]
	_, err = fmt.Fprintf(c, "POST /v1/names/resolve?full=1 HTTP/1.1\r\nHost: canary-bird-here\r\nUser-Agent: canary-bird-here\r\nContent-Type: application/json\r\n"+
		"X-Forwarded-For: %s\r\nContent-Length: %d\r\n\r\n%s", canaryClients[0], len(half)+1, half)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the request", func() bool { return a.running(t) })
	if err := a.process.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	a.process.Wait()
	if log := a.file(t, "log"); a.process.ProcessState.ExitCode() != stack.ExitQuit || !strings.Contains(log, "onsight/api.(*Server).resolve") {
		t.Errorf("exit code %d, and no word of the request in %.2000s", a.process.ProcessState.ExitCode(), log[max(0, len(log)-2000):])
	}
}

// running reports whether the server is answering a request.
func (a *aviary) running(t *testing.T) bool {
	t.Helper()
	res, err := http.Get("http://" + a.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, []byte("\nonsight_requests_running 1\n"))
}
