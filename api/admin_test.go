package api_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/api"
	"onsight/directory"
	"onsight/internal/gate"
)

// enrolled is an Enrolment in memory.
type enrolled struct {
	list []directory.Prober
	err  error // what everything returns, if it is not nil
}

func (e *enrolled) Probers(context.Context) ([]directory.Prober, error) { return e.list, e.err }

func (e *enrolled) Enrol(_ context.Context, name string, key ed25519.PublicKey) error {
	if e.find(name) >= 0 {
		return api.ErrProber
	}
	if e.err == nil {
		e.list = append(e.list, directory.Prober{Name: name, Key: key, Enrolled: now})
	}
	return e.err
}

func (e *enrolled) Dismiss(_ context.Context, name string) error {
	i := e.find(name)
	if i < 0 {
		return api.ErrNoProber
	}
	if e.err == nil {
		e.list = slices.Delete(e.list, i, i+1)
	}
	return e.err
}

func (e *enrolled) find(name string) int {
	return slices.IndexFunc(e.list, func(p directory.Prober) bool { return p.Name == name })
}

const token = "canary-0123456789-0123456789-0123456789"

// adminSite is a site with an operator.
func adminSite(t testing.TB, e *enrolled, level *slog.LevelVar) *site {
	t.Helper()
	cfg := config(indexOf(t, synced(), record(1)))
	cfg.Limits = api.Limits{Rate: 1000, Burst: 1000, Concurrent: 5, Total: 50, Proxies: loopback}
	cfg.Admin = &api.Admin{
		Token: token, Probers: e, Level: level, Lines: gate.Limits{Client: 6, Total: 60}, Files: 600,
		Connections: func() gate.Stats {
			return gate.Stats{Open: 9, Waiting: 8, Clients: 7, Accepted: 30, Displaced: 4, Stalled: 2}
		},
	}
	return serve(t, cfg)
}

// as is the header of who shows a token.
func as(authorization string) http.Header {
	return http.Header{"Authorization": {authorization}, "Content-Type": {"application/json"}}
}

var adminOperations = []struct{ method, path, body string }{
	{"GET", "/v1/admin/status", ""}, {"PUT", "/v1/admin/log-level", `{"level":"debug"}`}, {"GET", "/v1/admin/probers", ""},
	{"PUT", "/v1/admin/probers/berlin", `{"key":"` + strings.Repeat("ab", 32) + `"}`}, {"DELETE", "/v1/admin/probers/berlin", ""},
}

// adminRefusals provokes each refusal of the operator's operations, and returns their codes.
func adminRefusals(t *testing.T) (codes []ProblemCode) {
	t.Helper()
	var level slog.LevelVar
	probers := &enrolled{list: []directory.Prober{{Name: "tokyo", Key: make([]byte, 32), Enrolled: now}}}
	closed, open := serve(t, config(indexOf(t, synced()))), adminSite(t, probers, &level)
	broken, fenced := adminSite(t, &enrolled{err: errors.New("disk of alice")}, &level), adminSite(t, &enrolled{err: directory.ErrFenced}, &level)
	refused := func(s *site, method, path, body string, header http.Header, status int, code ProblemCode) {
		t.Helper()
		got := s.send(t, method, path, body, header)
		p := problemOf(t, got.body)
		codes = append(codes, p.Code)
		if got.status != status || p.Code != code {
			t.Errorf("%s %s %.40s: got %d %s, want %d %s", method, path, body, got.status, got.body, status, code)
		}
		if challenge := got.header.Get("WWW-Authenticate"); (challenge == "Bearer") != (status == 401) {
			t.Errorf("%s %s: status %d with WWW-Authenticate %q", method, path, got.status, challenge)
		}
		if strings.Contains(string(got.body), "alice") || strings.Contains(string(got.body), token) {
			t.Errorf("%s %s: %s says too much", method, path, got.body)
		}
	}
	for _, o := range adminOperations {
		refused(closed, o.method, o.path, o.body, as("Bearer "+token), 403, "admin_closed")
		for _, shown := range []string{"", "Bearer", "Bearer ", "Bearer  " + token, "Bearer " + token[1:], "Bearer " + token + "0", "Basic " + token, token} {
			refused(open, o.method, o.path, o.body, as(shown), 401, "unauthorized")
		}
	}
	if diff := cmp.Diff(1, len(probers.list)); diff != "" || level.Level() != slog.LevelInfo {
		t.Errorf("a stranger changed something: %s %v", diff, level.Level())
	}
	key := `{"key":"` + strings.Repeat("ab", 32) + `"}`
	for _, c := range []struct {
		site               *site
		method, path, body string
		status             int
		code               ProblemCode
	}{
		{open, "PUT", "/v1/admin/log-level", `{"level":"loud"}`, 400, "invalid_body"},
		{open, "PUT", "/v1/admin/log-level", `{"level":"info"}{}`, 400, "invalid_body"},
		{open, "PUT", "/v1/admin/log-level", `{"levle":"info"}`, 400, "invalid_body"},
		{open, "PUT", "/v1/admin/log-level", ``, 400, "invalid_body"},
		{open, "PUT", "/v1/admin/log-level", `{"level":"` + strings.Repeat("x", 4<<10) + `"}`, 413, "body_too_large"},
		{open, "PUT", "/v1/admin/probers/Berlin", key, 400, "invalid_prober"},
		{open, "PUT", "/v1/admin/probers/" + strings.Repeat("b", 33), key, 400, "invalid_prober"},
		{open, "PUT", "/v1/admin/probers/berlin", `{"key":"ab"}`, 400, "invalid_prober"},
		{open, "PUT", "/v1/admin/probers/berlin", `{}`, 400, "invalid_prober"},
		{open, "PUT", "/v1/admin/probers/tokyo", key, 409, "cannot_enrol"},
		{open, "DELETE", "/v1/admin/probers/-", "", 400, "invalid_prober"},
		{open, "DELETE", "/v1/admin/probers/berlin", "", 404, "no_such_prober"},
		{open, "GET", "/v1/admin/status?token=x", "", 400, "unknown_parameter"},
		{broken, "GET", "/v1/admin/probers", "", 500, "internal"},
		{broken, "PUT", "/v1/admin/probers/berlin", key, 500, "internal"},
		{fenced, "PUT", "/v1/admin/probers/berlin", key, 503, "not_the_writer"},
	} {
		refused(c.site, c.method, c.path, c.body, as("Bearer "+token), c.status, c.code)
	}
	plain := as("Bearer " + token)
	plain.Set("Content-Type", "text/plain")
	refused(open, "PUT", "/v1/admin/log-level", `{"level":"info"}`, plain, 415, "unsupported_media_type")
	return codes
}

// TestAdmin does what the operator can do.
func TestAdmin(t *testing.T) {
	t.Parallel()
	var level slog.LevelVar
	probers := &enrolled{}
	s := adminSite(t, probers, &level)
	do := func(method, path, body string, into any) {
		t.Helper()
		got := s.send(t, method, path, body, as("bearer "+token))
		if got.status != 200 || got.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s %s: got %d %v %s", method, path, got.status, got.header, got.body)
		}
		if err := json.Unmarshal(got.body, into); err != nil {
			t.Fatal(err)
		}
	}
	s.send(t, "GET", "/v1/status", "", from("192.0.2.1")) // somebody to remember
	var status AdminStatus
	do("GET", "/v1/admin/status", "", &status)
	if status.Goroutines < 2 || status.HeapBytes < 1<<16 || status.MemoryBytes < status.HeapBytes {
		t.Errorf("got %+v", status)
	}
	want := AdminStatus{
		StartedAt: now.UTC(), LogLevel: "info", FileLimit: 600, Goroutines: status.Goroutines, HeapBytes: status.HeapBytes, MemoryBytes: status.MemoryBytes,
		Requests:    Requests{Running: 0, ClientsRemembered: 1, Limit: 50, ClientRate: 1000, ClientBurst: 1000, ClientLimit: 5},
		Connections: Connections{Open: 9, Waiting: 8, Clients: 7, Limit: 60, ClientLimit: 6, Accepted: 30, Displaced: 4, Stalled: 2},
		AsOf:        status.AsOf,
	}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var reply struct{ Level, Status string }
	do("PUT", "/v1/admin/log-level", `{"level":"debug"}`, &reply)
	if reply.Level != "debug" || level.Level() != slog.LevelDebug {
		t.Errorf("got %+v, %v", reply, level.Level())
	}
	key := strings.Repeat("ab", 32)
	do("PUT", "/v1/admin/probers/berlin", `{"key":"`+key+`"}`, &reply)
	var list Probers
	do("GET", "/v1/admin/probers", "", &list)
	if diff := cmp.Diff([]Prober{{Name: "berlin", Key: key, EnrolledAt: now.UTC().Truncate(time.Second)}}, list.Probers); diff != "" || reply.Status != "enrolled" {
		t.Errorf("%q (-want +got):\n%s", reply.Status, diff)
	}
	do("DELETE", "/v1/admin/probers/berlin", "", &reply)
	do("GET", "/v1/admin/probers", "", &list)
	if len(list.Probers) != 0 || reply.Status != "removed" {
		t.Errorf("got %+v, %q", list.Probers, reply.Status)
	}
	if log := s.log.String(); strings.Contains(log, token) || strings.Count(log, "prober ") != 2 {
		t.Errorf("log: %s", log)
	}
}

// TestAdminPages holds that a page of another origin cannot act for an operator: a browser does not let it show a token.
func TestAdminPages(t *testing.T) {
	t.Parallel()
	s := adminSite(t, &enrolled{}, &slog.LevelVar{})
	for _, o := range adminOperations {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.url+o.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Origin": {"https://page.example"}, "Access-Control-Request-Method": {o.method}, "Access-Control-Request-Headers": {"authorization"}}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if allowed := strings.ToLower(resp.Header.Get("Access-Control-Allow-Headers")); strings.Contains(allowed, "authorization") || strings.Contains(allowed, "*") {
			t.Errorf("%s %s: pages may send %q", o.method, o.path, allowed)
		}
	}
}
