// Package frontend is the dashboard: pages that ask the API they are served beside, and hash names and open values in the
// browser. `make frontend` builds them into dist, which is embedded where it is there; a program built without it says so.
//
// Nothing a visitor types is part of a path or query of a page, so there is nothing in a request for one to keep secret, and none is
// logged.
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

// The pattern matches dist-missing.html, which is committed, and dist once it is built.
//
//go:embed dist*
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
	pages []string         // patterns of paths at which the one page stands; a segment that begins with a colon is any
	index *file
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
	if f == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.next.ServeHTTP(w, r)
		return
	}
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
	if given := r.Header.Get("If-None-Match"); given != "" && slices.Contains(strings.Fields(strings.ReplaceAll(given, ",", " ")), chosen.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if chosen.encoding != "" {
		h.Set("Content-Encoding", chosen.encoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(chosen.body)))
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
	if slices.ContainsFunc(s.pages, func(page string) bool { return matches(page, at) }) {
		return s.index
	}
	return nil
}

// matches reports whether a path is one of a pattern.
func matches(pattern, at string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(at, "/")
	return slices.EqualFunc(want, got, func(w, g string) bool {
		return w == g || strings.HasPrefix(w, ":") && g != ""
	})
}

// choose returns the smallest form that a client takes.
func (f *file) choose(accepted []string) form {
	all := strings.Join(accepted, ",")
	for _, one := range f.forms {
		if one.encoding == "" || accepts(all, one.encoding) {
			return one
		}
	}
	return f.forms[len(f.forms)-1]
}

// accepts reports whether a list of encodings holds one, not with the weight 0. The asterisk is not read: nobody sends it alone.
func accepts(list, encoding string) bool {
	for part := range strings.SplitSeq(list, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), encoding) {
			continue
		}
		weight, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !ok || err == nil && q > 0
	}
	return false
}
