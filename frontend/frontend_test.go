package frontend

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// built is a dist as the build makes it.
func built() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"dist-missing.html":          file("<p>not built"),
		"dist/index.html":            file("<title>page"),
		"dist/index.html.gz":         file("page, gzipped"),
		"dist/routes.json":           file(`["/", "/names", "/nodes/:key"]`),
		"dist/favicon.svg":           file("<svg/>"),
		"dist/assets/app-12ab.js":    file("plain script"),
		"dist/assets/app-12ab.js.gz": file("script, gzipped"),
		"dist/assets/app-12ab.js.br": file("script, brotli"),
	}
}

var api = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusTeapot)
	io.WriteString(w, "api")
})

func ask(h http.Handler, method, at string, header ...string) *http.Response {
	r := httptest.NewRequest(method, at, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestHandler(t *testing.T) {
	t.Parallel()
	s, err := newSite(built(), api)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, method, at, accept   string
		status                     int
		body, kind, encoding, keep string
	}{
		{"a page", "GET", "/", "", 200, "<title>page", "text/html; charset=utf-8", "", checkEach},
		{"a page, compressed", "GET", "/names", "gzip, br", 200, "page, gzipped", "text/html; charset=utf-8", "gzip", checkEach},
		{"a page of one thing", "GET", "/nodes/3f1a", "", 200, "<title>page", "text/html; charset=utf-8", "", checkEach},
		{"no page of nothing", "GET", "/nodes/", "", 418, "api", "", "", ""},
		{"no page below", "GET", "/nodes/3f1a/x", "", 418, "api", "", "", ""},
		{"a file", "GET", "/favicon.svg", "", 200, "<svg/>", "image/svg+xml", "", checkEach},
		{"a hashed file", "GET", "/assets/app-12ab.js", "gzip, deflate, br, zstd", 200, "script, brotli", "text/javascript; charset=utf-8", "br", immutable},
		{"without brotli", "GET", "/assets/app-12ab.js", "br;q=0, GZIP;q=0.5", 200, "script, gzipped", "text/javascript; charset=utf-8", "gzip", immutable},
		{"without any", "GET", "/assets/app-12ab.js", "identity", 200, "plain script", "text/javascript; charset=utf-8", "", immutable},
		{"HEAD", "HEAD", "/", "", 200, "", "text/html; charset=utf-8", "", checkEach},
		{"an old file", "GET", "/assets/app-0000.js", "", 418, "api", "", "", ""},
		{"the list of pages", "GET", "/routes.json", "", 418, "api", "", "", ""},
		{"the compressed form by itself", "GET", "/assets/app-12ab.js.gz", "", 418, "api", "", "", ""},
		{"the API", "GET", "/v1/status", "", 418, "api", "", "", ""},
		{"what the API does not have", "GET", "/v1/nothing", "", 418, "api", "", "", ""},
		{"another method", "POST", "/", "", 418, "api", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := ask(s, tt.method, tt.at, "Accept-Encoding", tt.accept)
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status || string(body) != tt.body || res.Header.Get("Content-Encoding") != tt.encoding {
				t.Errorf("got %d %q in %q, want %d %q in %q", res.StatusCode, body, res.Header.Get("Content-Encoding"), tt.status, tt.body, tt.encoding)
			}
			if tt.status != 200 {
				return
			}
			for header, want := range map[string]string{
				"Content-Type": tt.kind, "Cache-Control": tt.keep, "Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
			} {
				if got := res.Header.Get(header); got != want {
					t.Errorf("%s: got %q, want %q", header, got, want)
				}
			}
			again := ask(s, tt.method, tt.at, "Accept-Encoding", tt.accept, "If-None-Match", `"other", `+res.Header.Get("Etag"))
			if again.StatusCode != http.StatusNotModified {
				t.Errorf("with its ETag: got %d, want 304", again.StatusCode)
			}
		})
	}
	if got := ask(s, "GET", "/assets/app-12ab.js", "Accept-Encoding", "br").Header.Get("Vary"); got != "Accept-Encoding" {
		t.Errorf("Vary: got %q", got)
	}
}

func TestNotBuilt(t *testing.T) {
	t.Parallel()
	s, err := newSite(fstest.MapFS{"dist-missing.html": built()["dist-missing.html"]}, api)
	if err != nil {
		t.Fatal(err)
	}
	res := ask(s, "GET", "/")
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != "<p>not built" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %q, %v", body, err)
	}
	if res := ask(s, "GET", "/names"); res.StatusCode != http.StatusTeapot {
		t.Errorf("another page: got %d, want the API's answer", res.StatusCode)
	}
}

// TestEmbedded holds what this program was built with, be it the dashboard or the word that it is missing, to the same manners.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	res := ask(Handler(api), "GET", "/")
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), "<!doctype html>") {
		t.Errorf("got %d %.60q, %v", res.StatusCode, body, err)
	}
	if strings.Contains(string(body), "<style") || strings.Contains(string(body), "<script>") {
		t.Error("has inline style or script, which the policy forbids")
	}
}

func ExampleHandler() {
	server := httptest.NewServer(Handler(http.NotFoundHandler())) // the API in its place
	defer server.Close()
	for _, path := range []string{"/", "/v1/nothing"} {
		res, err := http.Get(server.URL + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Println(path, res.StatusCode)
	}
	// Output:
	// / 200
	// /v1/nothing 404
}
