package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// apiDocument reads the document in the tree.
func apiDocument(t *testing.T) (*openapi3.T, routers.Router) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../../api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation())
	if err != nil {
		t.Fatal(err)
	}
	return doc, router
}

// startDemo runs `onsight demo` in this process until the test ends, with no blocks but the first. It returns the server's URL.
func startDemo(t *testing.T) string {
	t.Helper()
	says, out := io.Pipe()
	var stderr lockedBuffer
	p := program{stdout: out, stderr: &stderr, env: func(string) string { return "" }}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer out.Close()
		if code := p.run(ctx, []string{"demo", "--listen", "127.0.0.1:0", "--block-time", "1h", "--latency", "1ms"}); code != 0 {
			t.Errorf("demo: exit code %d: %s", code, stderr.String())
		}
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	lines := bufio.NewReader(says)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("demo said no address: %v: %s", err, stderr.String())
		}
		if at, ok := strings.CutPrefix(line, "serving "); ok {
			go io.Copy(io.Discard, lines)
			return strings.TrimSpace(at)
		}
	}
}

// exchange is a request that went through a recorder, and the reply.
type exchange struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte
	status int
	given  http.Header
	reply  []byte
}

// recorder is a proxy before a server that keeps all that passes, as it passes.
type recorder struct {
	*httptest.Server
	mu  sync.Mutex // guards all, and what it points to
	all []*exchange
}

// tee is the body of a reply on its way through a recorder.
type tee struct {
	io.ReadCloser
	r *recorder
	x *exchange
}

func (b tee) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	b.x.reply = append(b.x.reply, p[:n]...)
	return n, err
}

// record starts a recorder before a server.
func record(t *testing.T, server string) *recorder {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	type seen struct{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			body, err := io.ReadAll(p.In.Body)
			if err != nil {
				t.Error(err)
			}
			x := &exchange{method: p.In.Method, url: p.In.URL, header: p.In.Header.Clone(), body: body}
			p.Out.Body = io.NopCloser(bytes.NewReader(body))
			p.Out = p.Out.WithContext(context.WithValue(p.Out.Context(), seen{}, x))
			p.SetURL(to)
		},
		ModifyResponse: func(res *http.Response) error {
			x := res.Request.Context().Value(seen{}).(*exchange)
			x.status, x.given = res.StatusCode, res.Header.Clone()
			res.Body = tee{res.Body, r, x}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.all = append(r.all, x)
			return nil
		},
	}
	r.Server = httptest.NewServer(proxy)
	t.Cleanup(r.Close)
	return r
}

// take returns what passed since the last time.
func (r *recorder) take() (all []exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.all {
		all = append(all, *x)
	}
	r.all = nil
	return all
}

// refused are the samples that are refused, with what: all that anybody could write into a page.
var refused = map[string]int{
	"report":      http.StatusBadRequest,
	"adminStatus": http.StatusForbidden, "logLevel": http.StatusForbidden, "probers": http.StatusForbidden,
	"enrol": http.StatusForbidden, "dismiss": http.StatusForbidden,
}

// curlTimeIsUp is what curl exits with when --max-time is over: a line that says so itself listens to what has no end.
const curlTimeIsUp = 28

// TestDocsRun runs every curl line of docs/api.md as it stands, over the network it is meant for. Requests and replies must be
// what the document says, and every operation must have a line.
func TestDocsRun(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("needs curl")
	}
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	doc, router := apiDocument(t)
	missing := map[string]bool{}
	for _, path := range doc.Paths.Map() {
		for _, op := range path.Operations() {
			missing[op.OperationID] = true
		}
	}
	site := record(t, startDemo(t))
	at := strings.TrimPrefix(site.URL, "http://")
	await(t, "the first list of nodes", func() bool {
		res, err := http.Get(site.URL + "/v1/nodes?limit=1")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	site.take()
	for line := range strings.Lines(string(text)) {
		line, ok := strings.CutPrefix(line, "curl ")
		if !ok {
			continue
		}
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), "sh", "-c", curl+" --silent --show-error --max-time 20 "+strings.ReplaceAll(line, "127.0.0.1:8080", at))
		cmd.Dir, cmd.Env = dir, []string{"CURL_HOME=" + dir, "HOME=" + dir}
		out, err := cmd.Output()
		var exit *exec.ExitError
		if late := errors.As(err, &exit) && exit.ExitCode() == curlTimeIsUp; err != nil && !(late && strings.Contains(line, "--max-time")) {
			t.Errorf("curl %s%v", line, err)
			continue
		}
		if made, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(out) == 0 && len(made) == 0 {
			t.Errorf("curl %sgives nothing", line)
		}
		passed := site.take()
		if len(passed) != 1 {
			t.Errorf("curl %s%d requests, want 1", line, len(passed))
			continue
		}
		id := holdToDocument(t, router, passed[0])
		delete(missing, id)
		want := http.StatusOK
		if other, ok := refused[id]; ok {
			want = other
		}
		if passed[0].status != want {
			t.Errorf("curl %sstatus %d, want %d: %.500s", line, passed[0].status, want, passed[0].reply)
		}
	}
	for id := range missing {
		t.Errorf("docs/api.md has no line that works for the operation %s", id)
	}
}

// holdToDocument compares a request and its reply with the document, and returns the operation.
func holdToDocument(t *testing.T, router routers.Router, x exchange) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), x.method, x.url.String(), bytes.NewReader(x.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = x.header
	route, params, err := router.FindRoute(r)
	if err != nil {
		t.Errorf("%s %s: %v", x.method, x.url, err)
		return ""
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
		t.Errorf("%s: the document does not allow the request: %v", route.Operation.OperationID, err)
	}
	out := (&openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: x.status, Header: x.given, Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}).SetBodyBytes(x.reply)
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("%s: the reply is not what the document says: %v", route.Operation.OperationID, err)
	}
	return route.Operation.OperationID
}
