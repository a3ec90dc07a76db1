package storage

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"onsight/internal/snode"
)

// FuzzCall: no request makes a server panic, and each is answered with a status of its own kind: JSON that is JSON, or a text. What it
// forwards, its peers answer as well.
func FuzzCall(f *testing.F) {
	paths, err := filepath.Glob("../testdata/rpc/storage/*.json")
	if err != nil || len(paths) == 0 {
		f.Fatal("no recordings", err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		var r recording
		if err := json.Unmarshal(b, &r); err != nil {
			f.Fatal(err)
		}
		if len(r.Request.Params) < 5000 && r.Request.Method != nil {
			f.Add(request(f, *r.Request.Method, r.Request.Params))
		} else if r.Request.Raw != nil && len(*r.Request.Raw) < 5000 {
			f.Add([]byte(*r.Request.Raw))
		}
	}
	w, swarms := newWorld(f, 2)
	s := swarms[0][0]
	w.oxend = func(_ string, params json.RawMessage) (json.RawMessage, error) { return params, nil }
	u := newUser(f, s, snode.Session, 0)
	hash := snode.Hash(u.id, 0, []byte("x"))
	for method, params := range map[string]object{
		"store":               u.store(0, "x", start, day24),
		"retrieve":            u.retrieve(0, start, object{"max_size": -3, "last_hash": hash}),
		"expire":              u.with(snode.ExpireText("", []int64{start}, []string{hash}), object{"messages": hash, "expiry": start}),
		"revoked_subaccounts": u.with(snode.RevokedText(start), object{"timestamp": start}),
		"active_nodes_bin":    {},
	} {
		f.Add(request(f, method, params))
	}
	s.box.maxBytes, swarms[0][1].box.maxBytes = 1<<20, 1<<20
	f.Fuzz(func(t *testing.T, body []byte) {
		r := s.Call(t.Context(), body)
		if r.Status < 200 || r.Status > 599 || r.Type == JSON && !json.Valid(r.Body) || r.Type > Binary || r.Type == Text && r.ok() {
			t.Errorf("got %d, type %d: %q", r.Status, r.Type, r.Body)
		}
	})
}
