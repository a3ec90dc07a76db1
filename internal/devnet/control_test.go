package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func control(t testing.TB, h http.Handler, method, path, body string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if got := w.Header().Get("Content-Type"); (w.Code == 200 || w.Code == 400) && got != "application/json" {
		t.Errorf("%s %s: Content-Type %q", method, path, got)
	}
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestControl(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 12})
	h := n.Control()
	height := n.Status().Height
	if code, body := control(t, h, "GET", "/events", ""); code != 200 || body != "[]" {
		t.Errorf("no events: %d %s", code, body)
	}
	for _, c := range []struct {
		path, body string
		blocks     int    // by which the chain grows
		tell       string // what the error says; "" for none
	}{
		{"/mine", ``, 1, ""},
		{"/mine", `{}`, 1, ""},
		{"/mine", `{"blocks":3}`, 3, ""},
		{"/mine", `{"blocks":-1}`, 0, "1 to 10000"},
		{"/mine", `{"blocks":10001}`, 0, "1 to 10000"},
		{"/mine", `{"blocks":"3"}`, 0, "cannot unmarshal"},
		{"/mine", `{"bricks":3}`, 0, `unknown field "bricks"`},
		{"/mine", `{"blocks":3} {"blocks":4}`, 0, "one command at a time"},
		{"/mine", `[]`, 0, "cannot unmarshal"},
		{"/mine", `{`, 0, "unexpected EOF"},
		{"/mine", `{"name":"` + strings.Repeat("x", 1<<17) + `"}`, 0, "too large"},
		{"/reorg", ``, 1, ""},
		{"/reorg", `{"depth":4}`, 1, ""},
		{"/reorg", `{"depth":-4}`, 0, "1 to 10000"},
		{"/pop", ``, -1, ""},
		{"/pop", `{"blocks":2}`, -2, ""},
		{"/register", `{"name":"carla","value":"@carla"}`, 1, ""},
		{"/register", `{"name":"carla","value":"@carla"}`, 0, "already"},
		{"/register", `{"type":"lokinet","name":"carla.loki","value":"@carla","years":2}`, 1, ""},
		{"/register", `{"type":"lokinet","name":"dora","value":"@carla","years":3}`, 0, "lokinet_1y"},
		{"/register", `{"type":"email","name":"carla","value":"@carla"}`, 0, "email"},
		{"/register", `{"name":"-carla","value":"@carla"}`, 0, "hyphen"},
		{"/register", `{"name":"dora","value":"nonsense"}`, 0, "value"},
		{"/register", `{"name":"","value":"@x"}`, 0, "name"},
		{"/update", `{"name":"carla","value":"@other"}`, 1, ""},
		{"/update", `{"name":"dora","value":"@other"}`, 0, "does not exist"},
		{"/update", `{"name":"carla"}`, 0, "value"},
		{"/renew", `{"type":"lokinet","name":"carla.loki"}`, 1, ""},
		{"/renew", `{"name":"carla"}`, 0, "Unsupported"},
		{"/node", `{"node":3,"act":"move"}`, 1, ""},
		{"/node", `{"node":3,"act":"decommission","reasons":["storage","lokinet"]}`, 1, ""},
		{"/node", `{"node":3,"act":"decommission"}`, 0, "not possible"},
		{"/node", `{"node":12,"act":"move"}`, 0, "the nodes are 0 to 11"},
		{"/node", `{"node":-1,"act":"move"}`, 0, "the nodes are 0 to 11"},
		{"/node", `{"node":3,"act":"dance"}`, 0, `no act "dance": use decommission, recommission`},
		{"/node", `{"node":3}`, 0, `no act ""`},
		{"/node", `{"node":3,"act":"deregister","reasons":["mood"]}`, 0, "use uptime"},
		{"/faults", `{"faults":"3:down,oxend:slow=1ms"}`, 0, ""},
		{"/faults", `{"faults":"3:sleepy"}`, 0, "use one of ahead, backwards, clock, down"},
		{"/faults", `{"faults":"99:down"}`, 0, "the nodes are 0 to 11"},
		{"/faults", `{"faults":""}`, 0, "no faults named"},
		{"/faults", ``, 0, "no faults named"},
	} {
		before := n.Status()
		code, body := control(t, h, "POST", c.path, c.body)
		after := n.Status()
		if got := int(after.Height) - int(before.Height); got != c.blocks {
			t.Errorf("%s %.60s: the chain grew by %d, want %d", c.path, c.body, got, c.blocks)
		}
		if c.tell == "" {
			var got Status
			if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 || !cmp.Equal(got, after) {
				t.Errorf("%s %.60s: %d %s, %v, want the status", c.path, c.body, code, body, err)
			}
			continue
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 400 || len(got) != 1 || !strings.Contains(got["error"], c.tell) {
			t.Errorf("%s %.60s: %d %.200s, %v, want %q", c.path, c.body, code, body, err, c.tell)
		}
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{{"GET", "/mine", 405}, {"POST", "/status", 405}, {"DELETE", "/node", 405}, {"GET", "/", 404}, {"POST", "/dance", 404}} {
		if code, body := control(t, h, c.method, c.path, ""); code != c.want {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, code, body, c.want)
		}
	}
	var nodes []NodeStatus
	if _, body := control(t, h, "GET", "/nodes", ""); json.Unmarshal([]byte(body), &nodes) != nil || len(nodes) != 12 || nodes[3].State != "decommissioned" || nodes[3].Faults[0] != "down" {
		t.Errorf("nodes: %s", body)
	}
	var status Status
	if _, body := control(t, h, "GET", "/status", ""); json.Unmarshal([]byte(body), &status) != nil || status.Height <= height || status.Tip == "" {
		t.Errorf("status: %s", body)
	}
	var events []Event
	if _, body := control(t, h, "GET", "/events", ""); json.Unmarshal([]byte(body), &events) != nil || len(events) < 5 {
		t.Errorf("events: %s", body)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 2, Daemons: 2, Past: 60})
	url, pin := n.SeedTLS()
	want := []string{
		"ONSIGHT_OXEND=" + n.Daemon(0).URL() + "," + n.Daemon(1).URL(), "ONSIGHT_LOKINET_YEAR=200",
		"COURIER_SEEDS=" + strings.TrimSuffix(n.Seed(), "/"), "LOCAL_DEVNET_SEED_URL=" + n.Seed(), "DEVNET_SEED_TLS=" + strings.TrimSuffix(url, "/"), "DEVNET_SEED_PIN=" + pin,
	}
	if diff := cmp.Diff(want, n.Environment()); diff != "" {
		t.Error(diff)
	}
}

func openControl(t testing.TB, n *Network, path string) *ControlSocket {
	t.Helper()
	s, err := n.OpenControl(path, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// statusAt asks at a socket.
func statusAt(t testing.TB, path string) (s Status, err error) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	resp, err := (&http.Client{Transport: transport}).Get("http://devnet/status")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return s, errors.Join(err, json.Unmarshal(b, &s))
}

func TestSockets(t *testing.T) {
	t.Parallel()
	runtimeDir := t.TempDir()
	path, err := DefaultSocket(runtimeDir)
	if err != nil {
		t.Fatal(err)
	}
	a, b := startNetwork(t, Config{Nodes: 2, Past: 60}), startNetwork(t, Config{Nodes: 3, Past: 60})
	first := openControl(t, a, path)
	if want := filepath.Join(runtimeDir, "devnet.sock"); first.Path() != want {
		t.Errorf("the socket is %s, want %s", first.Path(), want)
	}
	info, err := os.Stat(first.Path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("permissions %v, %v", info.Mode(), err)
	}
	// Another network's is beside it.
	second := openControl(t, b, path)
	if want := filepath.Join(runtimeDir, "devnet-2.sock"); second.Path() != want {
		t.Errorf("the second socket is %s, want %s", second.Path(), want)
	}
	for s, nodes := range map[*ControlSocket]int{first: 2, second: 3} {
		if status, err := statusAt(t, s.Path()); err != nil || status.Nodes != nodes {
			t.Errorf("%s: %+v, %v", s.Path(), status, err)
		}
	}
	// One that was asked for is not put elsewhere.
	if _, err := b.OpenControl(first.Path(), false); err == nil || !strings.Contains(err.Error(), "name another one") {
		t.Errorf("a socket that is taken: %v", err)
	}
	if status, err := statusAt(t, first.Path()); err != nil || status.Nodes != 2 {
		t.Errorf("it was taken from the first: %+v, %v", status, err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(first.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("closed, and still there: %v", err)
	}
	// What a killed network left is replaced.
	l, err := net.Listen("unix", first.Path())
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := os.Lstat(first.Path()); err != nil {
		t.Fatal(err)
	}
	if again := openControl(t, a, path); again.Path() != first.Path() {
		t.Errorf("the socket is %s, want %s", again.Path(), first.Path())
	}
	// What is no socket is left alone.
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := a.OpenControl(file, false); err == nil {
		s.Close()
		t.Error("a file was taken for a socket")
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file is now %q, %v", b, err)
	}
	for path, want := range map[string]string{
		filepath.Join(t.TempDir(), "no", "such", "folder.sock"):        "no such file",
		filepath.Join(t.TempDir(), strings.Repeat("long", 60)+".sock"): "shorter",
	} {
		if _, err := a.OpenControl(path, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s…: %v, want %q", path, err, want)
		}
	}
}

// TestDefaultSocket must not be parallel: it changes the environment.
func TestDefaultSocket(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	path, err := DefaultSocket("")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 || filepath.Dir(dir) != tmp {
		t.Errorf("the folder %s: %v", dir, err)
	}
	if again, err := DefaultSocket(""); err != nil || again != path {
		t.Errorf("got %s and then %s, %v", path, again, err)
	}
	// A folder that others may write to, or that leads elsewhere, is not trusted.
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := DefaultSocket(""); err == nil || !strings.Contains(err.Error(), "name another control socket") {
		t.Errorf("an open folder: %v", err)
	}
	if err := errors.Join(os.Remove(dir), os.Symlink(t.TempDir(), dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := DefaultSocket(""); err == nil {
		t.Error("a link is trusted")
	}
}
