package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"onsight/internal/devnet"
)

// TestAdminToken gives serve files that hold no token that only the operator can know.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", leastToken)
	for name, c := range map[string]struct {
		holds string
		mode  os.FileMode
		says  string // "": it is taken
	}{
		"good": {"\n " + long + "\n", 0o600, ""}, "read only": {long, 0o400, ""},
		"short": {long[1:], 0o600, "at least 32"}, "empty": {"", 0o600, "at least 32"}, "two words": {long + " " + long, 0o600, "one word"},
		"not ASCII": {long + "ß", 0o600, "ASCII"}, "for all to read": {long, 0o604, "others may read it"},
	} {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(c.holds), c.mode); err != nil {
			t.Fatal(err)
		}
		o := guardOptions{token: path}
		got, err := o.adminToken()
		if (err == nil) != (c.says == "") || err == nil && got != long || err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), long)) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if code, _, stderr := runProgram(t, map[string]string{"ONSIGHT_ADMIN_TOKEN_FILE": filepath.Join(t.TempDir(), "none")}, "serve"); code != exitError || !strings.Contains(stderr, "operator's token") {
		t.Errorf("a file that is not there: exit code %d: %s", code, stderr)
	}
}

// TestServeAdmin asks a server as its operator, and one that has none. Both were started where few files may be open.
func TestServeAdmin(t *testing.T) {
	t.Parallel()
	binary := plainBinary(t)
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 22, Blocks: 300, ONS: 20})
	d, err := devnet.Serve(chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	dir := t.TempDir()
	narrow, token := filepath.Join(dir, "narrow"), strings.Repeat("canary", 8)
	for path, text := range map[string]string{
		narrow: "#!/bin/sh\nulimit -Sn 300 && exec " + binary + " \"$@\"\n", filepath.Join(dir, "token"): token + "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	db := filepath.Join(dir, "names.db")
	writer := startServer(t, narrow, "--db", db, "--oxend", d.URL(), "--probe-every", "0", "--admin-token-file", filepath.Join(dir, "token"))
	await(t, "the writer", writer.ready)
	reader := startServer(t, narrow, "--db", db, "--read-only", "--admin-token-file", filepath.Join(dir, "token"))
	closed := startServer(t, narrow, "--db", db, "--read-only")

	do := func(s *server, method, path, body string, into any) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	var status struct {
		FileLimit   uint64 `json:"file_limit"`
		LogLevel    string `json:"log_level"`
		Connections struct{ Open, Limit int }
	}
	var hard syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &hard); err != nil {
		t.Fatal(err)
	}
	if code := do(writer, "GET", "/v1/admin/status", "", &status); code != 200 || status.LogLevel != "info" || status.Connections.Open < 1 || status.Connections.Limit < 1 {
		t.Errorf("got %d %+v", code, status)
	}
	if want := min(hard.Max-1, 1<<16); status.FileLimit < want { // Go stays one below the hard limit
		t.Errorf("%d files may be open, want %d at least", status.FileLimit, want)
	}
	key := strings.Repeat("ab", 32)
	var said struct {
		Status any // a number in errors
		Code   string
		Detail string
	}
	if code := do(reader, "PUT", "/v1/admin/probers/berlin", `{"key":"`+key+`"}`, &said); code != 503 || said.Code != "not_the_writer" || !strings.Contains(said.Detail, "only read") {
		t.Errorf("a server that only reads: got %d %+v", code, said)
	}
	if code := do(writer, "PUT", "/v1/admin/probers/berlin", `{"key":"`+key+`"}`, &said); code != 200 || said.Status != "enrolled" {
		t.Errorf("got %d %+v", code, said)
	}
	if code := do(writer, "PUT", "/v1/admin/probers/tokyo", `{"key":"`+key+`"}`, &said); code != 409 || said.Code != "cannot_enrol" {
		t.Errorf("a key twice: got %d %+v", code, said)
	}
	if _, out, _ := runProgram(t, nil, "probers", "list", "--db", db); !strings.Contains(out, "berlin") || !strings.Contains(out, key) {
		t.Errorf("the database has %s", out)
	}
	if code := do(writer, "DELETE", "/v1/admin/probers/berlin", "", &said); code != 200 || said.Status != "removed" {
		t.Errorf("got %d %+v", code, said)
	}
	if code := do(writer, "DELETE", "/v1/admin/probers/berlin", "", &said); code != 404 {
		t.Errorf("got %d %+v", code, said)
	}
	if code := do(writer, "PUT", "/v1/admin/log-level", `{"level":"debug"}`, &said); code != 200 {
		t.Errorf("got %d %+v", code, said)
	}
	if code := do(closed, "GET", "/v1/admin/status", "", &said); code != 403 || said.Code != "admin_closed" {
		t.Errorf("a server without an operator: got %d %+v", code, said)
	}
}
