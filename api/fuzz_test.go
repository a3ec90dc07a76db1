package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"onsight/api"
	"onsight/internal/index"
)

var empty = index.New(feed{})

// ask has a handler answer a GET.
func ask(h http.Handler, path string) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Result()
}

// wellFormed is what every reply is, whatever was sent.
func wellFormed(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var v struct {
		AsOf *struct{ Height int } `json:"as_of"`
		Code string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v.AsOf == nil || v.AsOf.Height != 5010 {
		t.Errorf("%v in %s", err, w.Body)
	}
	if w.Code >= 500 || (w.Code >= 400) != (v.Code != "") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func FuzzPath(f *testing.F) {
	r := record(1)
	h := api.New(config(indexOf(f, synced(), r))).Handler()
	for _, seed := range [][4]string{
		{"names", "session", r.Hash.String(), ""}, {"names", "lokinet", "AfvB_-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "history?limit=2"},
		{"owners", strings.Repeat("01", 32), "names", "next=AAAA&limit=1"}, {"owners", "T6T", "names", "limit=1001"},
		{"names", "session", r.Hash.String(), "at_height=4000"}, {"names", "expiring", "", "within=1&next=AAAA"}, {"names", "statistics", "", "days=1"},
		{"names", "..", "%2f", ";"}, {"names", "session", "\x00", "%zz"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, what, a, b, query string) {
		for _, path := range []string{"/v1/" + what, "/v1/" + what + "/" + a, "/v1/" + what + "/" + a + "/" + b, "/v1/" + what + "/" + a + "/" + b + "/history"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, &http.Request{Method: "GET", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Body: http.NoBody})
			wellFormed(t, w)
		}
	})
}

func FuzzBody(f *testing.F) {
	r := record(1)
	h := api.New(config(indexOf(f, synced(), r))).Handler()
	f.Add([]byte(batch(r, record(2))), "full=1")
	f.Add([]byte(`{"names":[{"type":"session","hash":"`+r.Hash.Base64()+`"}]}`), "")
	f.Add([]byte(`{"names":[{}],"names":null}`), "full=0")
	f.Add([]byte("[[[["), "full")
	f.Fuzz(func(t *testing.T, body []byte, query string) {
		w := httptest.NewRecorder()
		req := httptest.NewRequest("POST", "/v1/names/resolve", strings.NewReader(string(body)))
		req.URL.RawQuery = query
		req.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(w, req)
		wellFormed(t, w)
	})
}
