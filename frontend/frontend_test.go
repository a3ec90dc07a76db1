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
		"dist/routes.json":           file(`["/", "/names"]`),
		"dist/assets/_a-12ab.js":     file("helper"),
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
		{"no page below", "GET", "/names/x", "", 418, "api", "", "", ""},
		{"a file that begins with _", "GET", "/assets/_a-12ab.js", "", 200, "helper", "text/javascript; charset=utf-8", "", immutable},
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
			for _, tags := range []string{`"other", ` + res.Header.Get("Etag"), `W/` + res.Header.Get("Etag"), "*"} {
				if again := ask(s, tt.method, tt.at, "Accept-Encoding", tt.accept, "If-None-Match", tags); again.StatusCode != http.StatusNotModified {
					t.Errorf("with %s: got %d, want 304", tags, again.StatusCode)
				}
			}
		})
	}
	if got := ask(s, "GET", "/assets/app-12ab.js", "Accept-Encoding", "br").Header.Get("Vary"); got != "Accept-Encoding" {
		t.Errorf("Vary: got %q", got)
	}
}

// TestLost holds that people who follow a broken link are given a page, and programs the API's error.
func TestLost(t *testing.T) {
	t.Parallel()
	missing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			io.WriteString(w, "ready")
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Etag", `"api"`)
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "api")
	})
	s, err := newSite(built(), missing)
	if err != nil {
		t.Fatal(err)
	}
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, tt := range []struct {
		method, at, accept string
		status             int
		body, kind         string
	}{
		{"GET", "/nowhere", browser, 404, "<title>page", "text/html; charset=utf-8"},
		{"HEAD", "/nowhere", browser, 404, "", "text/html; charset=utf-8"},
		{"GET", "/names/x", browser, 404, "<title>page", "text/html; charset=utf-8"},
		{"GET", "/nowhere", "", 404, "api", "application/problem+json"},
		{"GET", "/nowhere", "*/*", 404, "api", "application/problem+json"},
		{"GET", "/nowhere", "application/json, text/html;q=0.9", 404, "api", "application/problem+json"},
		{"GET", "/nowhere", "text/html;q=0", 404, "api", "application/problem+json"},
		{"POST", "/nowhere", browser, 404, "api", "application/problem+json"},
		{"GET", "/v1/nowhere", browser, 404, "api", "application/problem+json"},
		{"GET", "/readyz", browser, 200, "ready", ""},
	} {
		res := ask(s, tt.method, tt.at, "Accept", tt.accept, "If-None-Match", "*")
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != tt.status || string(body) != tt.body || tt.kind != "" && res.Header.Get("Content-Type") != tt.kind {
			t.Errorf("%s %s, %q: got %d %q %q, %v", tt.method, tt.at, tt.accept, res.StatusCode, body, res.Header.Get("Content-Type"), err)
		}
		if tt.kind == "text/html; charset=utf-8" && (res.Header.Get("Content-Security-Policy") != policy || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Etag") != "") {
			t.Errorf("%s %s: headers %v", tt.method, tt.at, res.Header)
		}
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
	if res := ask(s, "GET", "/names", "Accept", "text/html"); res.StatusCode != http.StatusTeapot {
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
