// Package frontend is the dashboard: pages that ask the API they are served beside, and hash names and open values in the
// browser. `make frontend` builds them into dist, which is embedded where it is there; a program built without it says so.
//
// No name, hash or id that a visitor types is part of a path or query of a page, nor what is searched for: those stay in memory or
// behind the #, which no browser sends. What a query of a page does say is which filters were clicked, so no request for one is logged.
package frontend

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The pattern matches dist-missing.html, which is committed, and dist once it is built, with files that begin with _ or a dot, too.
//
//go:embed all:dist*
var embedded embed.FS

// policy lets a page run and load only what came from the server that it came from, send forms nowhere and stand in no frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const (
	immutable = "public, max-age=31536000, immutable" // the name has a hash of the content
	checkEach = "no-cache"                            // may be kept, and is asked for again each time
)

// encodings are the forms a file may be precompressed in, smallest first, with the endings of their files.
var encodings = [...]struct{ name, ending string }{{"br", ".br"}, {"gzip", ".gz"}}

// file is one that is served, in all its forms.
type file struct {
	kind  string // content type
	cache string
	forms []form // plain last
}

type form struct {
	encoding string // "": plain
	body     []byte
	tag      string
}

// site is what Handler serves.
type site struct {
	files map[string]*file // by path
	pages []string         // paths at which the one page stands
	index *file
	lost  bool // the page stands at paths that nobody knows, too, and says so
	next  http.Handler
}

// Handler serves the dashboard at the paths of its pages and files, and leaves all others, and all methods but GET and HEAD, to
// next. It panics if what was embedded is not what the build makes.
func Handler(next http.Handler) http.Handler {
	s, err := newSite(embedded, next)
	if err != nil {
		panic("frontend: internal error: " + err.Error())
	}
	return s
}

func newSite(files fs.FS, next http.Handler) (*site, error) {
	s := &site{files: map[string]*file{}, next: next}
	if _, err := fs.Stat(files, "dist/index.html"); err != nil {
		body, err := fs.ReadFile(files, "dist-missing.html")
		if err != nil {
			return nil, err
		}
		s.pages, s.index = []string{"/"}, &file{kind: kindOf("x.html"), cache: "no-store", forms: []form{newForm("", body)}}
		return s, nil
	}
	dist, err := fs.Sub(files, "dist")
	if err != nil {
		return nil, err
	}
	routes, err := fs.ReadFile(dist, "routes.json")
	if err != nil {
		return nil, err
	}
	s.lost = true
	if err := json.Unmarshal(routes, &s.pages); err != nil {
		return nil, fmt.Errorf("routes.json: %w", err)
	}
	err = fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "routes.json" || slices.ContainsFunc(encodings[:], func(e struct{ name, ending string }) bool {
			return strings.HasSuffix(name, e.ending)
		}) {
			return err
		}
		f, err := readFile(dist, name)
		if err != nil {
			return err
		}
		if name == "index.html" {
			s.index = f
			return nil
		}
		s.files["/"+name] = f
		return nil
	})
	return s, err
}

func readFile(dist fs.FS, name string) (*file, error) {
	f := &file{kind: kindOf(name), cache: checkEach}
	if strings.HasPrefix(name, "assets/") {
		f.cache = immutable
	}
	for _, e := range encodings {
		if body, err := fs.ReadFile(dist, name+e.ending); err == nil {
			f.forms = append(f.forms, newForm(e.name, body))
		}
	}
	body, err := fs.ReadFile(dist, name)
	if err != nil {
		return nil, err
	}
	f.forms = append(f.forms, newForm("", body))
	return f, nil
}

func newForm(encoding string, body []byte) form {
	sum := sha256.Sum256(body)
	return form{encoding: encoding, body: body, tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// kindOf does not depend on the tables of the machine it runs on for what the build makes.
func kindOf(name string) string {
	switch ending := path.Ext(name); ending {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json", ".webmanifest":
		return "application/json"
	default:
		if kind := mime.TypeByExtension(ending); kind != "" {
			return kind
		}
		return "application/octet-stream"
	}
}

// ServeHTTP implements http.Handler.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := s.find(r.URL.Path)
	isRead := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case f != nil && isRead:
		f.serve(w, r, http.StatusOK)
	case s.lost && isRead && !strings.HasPrefix(r.URL.Path, "/v1/") && prefersHTML(r.Header.Values("Accept")):
		// Whoever follows a broken link reads a page, programs the API's error.
		if held := (&holder{ResponseWriter: w}); !held.pass(s.next, r) {
			clear(w.Header())
			s.index.serve(w, r, http.StatusNotFound)
		}
	default:
		s.next.ServeHTTP(w, r)
	}
}

// holder holds a reply back that says 404.
type holder struct {
	http.ResponseWriter
	lost bool
}

// pass reports whether next's reply went through.
func (h *holder) pass(next http.Handler, r *http.Request) bool {
	next.ServeHTTP(h, r)
	return !h.lost
}

func (h *holder) WriteHeader(status int) {
	if status == http.StatusNotFound {
		h.lost = true
	} else {
		h.ResponseWriter.WriteHeader(status)
	}
}

func (h *holder) Write(b []byte) (int, error) {
	if h.lost {
		return len(b), nil
	}
	return h.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (h *holder) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// serve replies with a file.
func (f *file) serve(w http.ResponseWriter, r *http.Request, status int) {
	chosen := f.choose(r.Header.Values("Accept-Encoding"))
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", f.cache)
	h.Set("Etag", chosen.tag)
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if len(f.forms) > 1 {
		h.Set("Vary", "Accept-Encoding")
	}
	if status == http.StatusNotFound {
		h.Set("Cache-Control", "no-store")
		h.Del("Etag")
		h.Add("Vary", "Accept")
	} else if has(r.Header.Values("If-None-Match"), chosen.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if chosen.encoding != "" {
		h.Set("Content-Encoding", chosen.encoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(chosen.body)))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	// An error means that the browser has gone; there is nobody to tell.
	_, _ = w.Write(chosen.body)
}

// find returns what stands at a path; nil: nothing of ours.
func (s *site) find(at string) *file {
	if f := s.files[at]; f != nil {
		return f
	}
	if slices.Contains(s.pages, at) {
		return s.index
	}
	return nil
}

// has reports whether one of the tags of an If-None-Match is tag; weak ones, which a proxy that compresses makes of ours, count as
// strong (RFC 9110, 13.1.2).
func has(headers []string, tag string) bool {
	for given := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		given = strings.TrimPrefix(strings.TrimSpace(given), "W/")
		if given == "*" || given == tag {
			return true
		}
	}
	return false
}

// choose returns the smallest form that a client takes.
func (f *file) choose(accepted []string) form {
	all := strings.Join(accepted, ",")
	for _, one := range f.forms {
		if one.encoding == "" || weight(all, one.encoding) > 0 {
			return one
		}
	}
	return f.forms[len(f.forms)-1]
}

// prefersHTML reports whether a client names HTML, as browsers do for what stands in their address, and not JSON before it.
func prefersHTML(accept []string) bool {
	all := strings.Join(accept, ",")
	return weight(all, "text/html") > weight(all, "application/json")
}

// weight returns the one that a list of what is accepted gives to a word, 0 if it does not hold it. Asterisks are not read: nobody
// sends one alone for an encoding, and who sends one for a type takes anything.
func weight(list, word string) float64 {
	for part := range strings.SplitSeq(list, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), word) {
			continue
		}
		value, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if !ok {
			return 1
		}
		q, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0
		}
		return q
	}
	return 0
}
