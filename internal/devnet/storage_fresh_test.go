package devnet

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"onsight/internal/curve"
	"onsight/internal/onion"
	"onsight/internal/snode"
)

// TestStorageFresh asks what was never recorded, signed by accounts made for it: straight, and through three hops. Nothing but the
// truth can answer it.
func TestStorageFresh(t *testing.T) {
	t.Parallel()
	w, byPort, _, _ := recordedTown(t)
	daemon := recordedDaemon(t)
	w.change(func() { w.daemon = daemon })
	c := newClient(t)
	node := byPort[ownSwarm]
	own, other := newUser(t), newUser(t)
	for w.members()[node].Swarm != swarmOf(t, w, own) {
		own = newUser(t)
	}
	for w.members()[node].Swarm == swarmOf(t, w, other) {
		other = newUser(t)
	}
	s := session{own: own, other: other, now: func() int64 { return w.now().UnixMilli() }, hf: [2]int{19, 6}}
	s.send = func(t *testing.T, body []byte) (int, []byte) {
		a := mustAsk(t, c, http.MethodPost, w.nodes[node].URL()+rpcPath, body)
		return a.status, a.body
	}
	t.Run("straight", s.run)
	s.send = func(t *testing.T, body []byte) (int, []byte) {
		path := []int{byPort[otherSwarm], byPort[secondMember], byPort[21003], node}
		a, key := w.through(t, c, onion.XChaCha20, string(body), path...)
		status, inner, err := onion.OpenReply(key, a.body)
		if err != nil {
			t.Fatalf("%v, %v", a, err)
		}
		return status, inner
	}
	t.Run("onion", s.run)
	t.Run("oxend_request", func(t *testing.T) {
		b, err := os.ReadFile("testdata/ons_records.json")
		if err != nil {
			t.Fatal(err)
		}
		var records struct {
			Records []struct {
				Hash string `json:"name_hash_base64"`
				Type int    `json:"type_code"`
			}
		}
		if err := json.Unmarshal(b, &records); err != nil || len(records.Records) == 0 {
			t.Fatalf("no records: %v", err)
		}
		for _, r := range records.Records {
			params := fmt.Appendf(nil, `{"type":%d,"name_hash":%q}`, min(r.Type, 2), r.Hash)
			want, err := daemon(t.Context(), "ons_resolve", params)
			if err != nil {
				t.Fatal(err)
			}
			var got struct{ Result json.RawMessage }
			s.ask(t, "oxend_request", map[string]any{"endpoint": "ons_resolve", "params": json.RawMessage(params)}, 200, &got)
			if string(got.Result) != string(want) {
				t.Errorf("%s: got %s, want %s", params, got.Result, want)
			}
		}
	})
}

// TestStorageLive runs the same against a real storage server.
func TestStorageLive(t *testing.T) {
	live := os.Getenv("SNODE_LIVE")
	if live == "" {
		t.Skip("SNODE_LIVE is not set to the URL of a storage server, such as https://203.0.113.7:22021")
	}
	u, err := url.Parse(live)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t)
	s := session{now: func() int64 { return time.Now().UnixMilli() }}
	s.send = func(t *testing.T, body []byte) (int, []byte) {
		a := mustAsk(t, c, http.MethodPost, live+rpcPath, body)
		return a.status, a.body
	}
	for s.own.key == nil || s.other.key == nil {
		a := newUser(t)
		var got struct {
			Snodes []struct {
				IP   string
				Port int `json:"port_https"`
			}
			HF [2]int
		}
		s.ask(t, "get_swarm", map[string]any{"pubkey": a.id.String()}, 200, &got)
		s.hf = got.HF
		ours := false
		for _, n := range got.Snodes {
			ours = ours || n.IP == u.Hostname() && n.Port == port
		}
		if ours {
			s.own = a
		} else {
			s.other = a
		}
	}
	s.run(t)
}

// freshAccount is a Session account made for a test.
type freshAccount struct {
	key ed25519.PrivateKey
	id  snode.ID
}

func newUser(t *testing.T) freshAccount {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x, err := curve.PublicX25519(public)
	if err != nil {
		t.Fatal(err)
	}
	return freshAccount{key, snode.ID(append([]byte{snode.Session}, x[:]...))}
}

func swarmOf(t *testing.T, w *town, a freshAccount) uint64 {
	t.Helper()
	var swarms []uint64
	for _, m := range w.members() {
		if m.Swarm != snode.NoSwarm && !slices.Contains(swarms, m.Swarm) {
			swarms = append(swarms, m.Swarm)
		}
	}
	slices.Sort(swarms)
	swarm, ok := snode.Choose(swarms, snode.Position(a.id))
	if !ok {
		t.Fatal("no swarms")
	}
	return swarm
}

// session is a conversation with one storage server.
type session struct {
	own, other freshAccount // of the server's swarm, and of another
	now        func() int64 // ms
	hf         [2]int
	send       func(t *testing.T, body []byte) (status int, reply []byte)
}

// ask sends a call and reads its JSON reply into v, if that is not nil.
func (s *session) ask(t *testing.T, method string, params map[string]any, status int, v any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	got, reply := s.send(t, body)
	if got != status {
		t.Fatalf("%s: got %d %.300s, want %d", method, got, reply, status)
	}
	if v != nil {
		if err := json.Unmarshal(reply, v); err != nil {
			t.Fatalf("%s: %.300s: %v", method, reply, err)
		}
	}
}

// signed adds to params what an account's owner adds.
func (s *session) signed(text []byte, params map[string]any) map[string]any {
	params["pubkey"] = s.own.id.String()
	params["pubkey_ed25519"] = hex.EncodeToString(s.own.key[32:])
	params["signature"] = base64.StdEncoding.EncodeToString(ed25519.Sign(s.own.key, text))
	return params
}

// swarmReply is what every member of a swarm says.
type swarmReply struct {
	Hash  string
	Swarm map[string]struct {
		Hash, Signature string
		Already         any
		Failed          bool
		Deleted         json.RawMessage
		Updated         []string
		Unchanged       map[string]int64
		Count           int
	}
}

// check fails the test unless all members succeeded and ok likes what they say.
func (r swarmReply) check(t *testing.T, ok func(node string) bool) {
	t.Helper()
	if len(r.Swarm) == 0 {
		t.Errorf("no members answered: %+v", r)
	}
	for node, m := range r.Swarm {
		if m.Failed || !ok(node) {
			t.Errorf("%s: %+v", node, m)
		}
	}
}

func (s *session) run(t *testing.T) {
	day, hour := int64(24*time.Hour/time.Millisecond), int64(time.Hour/time.Millisecond)
	id := s.own.id.String()
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		t.Fatal(err)
	}
	one, two := append([]byte("one"), nonce...), append([]byte("two"), nonce...)
	hash1, hash2 := snode.Hash(s.own.id, 0, one), snode.Hash(s.own.id, 2, two)
	sent := s.now()
	done := func(string) bool { return true }

	var info struct {
		HF           [2]int
		T, Timestamp int64
		Version      [3]int
	}
	s.ask(t, "info", map[string]any{"ignored": 1}, 200, &info)
	if info.HF != s.hf || info.T != info.Timestamp || info.Version[0] < 2 {
		t.Errorf("info: %+v", info)
	}

	var swarms [2]struct {
		Swarm  string
		Snodes []map[string]any
	}
	s.ask(t, "get_swarm", map[string]any{"pubkey": id}, 200, &swarms[0])
	s.ask(t, "get_swarm", map[string]any{"pubkey": s.other.id.String()}, 200, &swarms[1])
	if swarms[0].Swarm == swarms[1].Swarm || len(swarms[0].Snodes) == 0 || len(swarms[1].Snodes) == 0 {
		t.Errorf("get_swarm: %+v", swarms)
	}

	store := func(account freshAccount, data []byte, ttl int64) map[string]any {
		return map[string]any{"pubkey": account.id.String(), "timestamp": sent, "ttl": ttl, "data": base64.StdEncoding.EncodeToString(data)}
	}
	var stored swarmReply
	s.ask(t, "store", store(s.own, one, hour), 200, &stored)
	if stored.Hash != hash1 {
		t.Errorf("store: hash %s, want %s", stored.Hash, hash1)
	}
	stored.check(t, func(node string) bool {
		m := stored.Swarm[node]
		key, _ := hex.DecodeString(node)
		signature, _ := base64.StdEncoding.DecodeString(m.Signature)
		return m.Hash == hash1 && m.Already == nil && len(key) == 32 && ed25519.Verify(key, snode.StoredText(hash1), signature)
	})
	stored = swarmReply{}
	s.ask(t, "store", store(s.own, one, day), 200, &stored)
	stored.check(t, func(node string) bool { return stored.Swarm[node].Already != nil })
	s.ask(t, "store", store(s.other, one, day), 421, &swarms[0])
	if swarms[0].Swarm != swarms[1].Swarm {
		t.Errorf("421 names swarm %s, want %s", swarms[0].Swarm, swarms[1].Swarm)
	}
	inbox := func(sign []byte) map[string]any {
		p := s.signed(sign, store(s.own, two, day))
		p["namespace"], p["sig_timestamp"] = 2, sent
		return p
	}
	s.ask(t, "store", inbox(snode.StoreText(3, sent)), 401, nil)
	stored = swarmReply{}
	s.ask(t, "store", inbox(snode.StoreText(2, sent)), 200, &stored)
	if stored.Hash != hash2 {
		t.Errorf("store: hash %s, want %s", stored.Hash, hash2)
	}

	retrieve := func(namespace int16, at int64) map[string]any {
		return s.signed(snode.RetrieveText(namespace, at), map[string]any{"namespace": namespace, "timestamp": at})
	}
	type message struct{ Hash, Data string }
	for namespace, want := range map[int16]message{
		0: {hash1, base64.StdEncoding.EncodeToString(one)}, 2: {hash2, base64.StdEncoding.EncodeToString(two)},
	} {
		var got struct{ Messages []message }
		s.ask(t, "retrieve", retrieve(namespace, s.now()), 200, &got)
		if !slices.Contains(got.Messages, want) {
			t.Errorf("retrieve from %d: %+v, want %+v", namespace, got, want)
		}
	}
	s.ask(t, "retrieve", retrieve(0, s.now()-120_000), 406, nil)

	var expiries struct{ Expiries map[string]int64 }
	hashes := []string{hash1, hash2}
	expect := func(want1, want2 int64) {
		t.Helper()
		at := s.now()
		expiries.Expiries = nil
		s.ask(t, "get_expiries", s.signed(snode.GetExpiriesText(at, hashes), map[string]any{"timestamp": at, "messages": hashes}), 200, &expiries)
		if len(expiries.Expiries) != 2 || expiries.Expiries[hash1] != want1 || expiries.Expiries[hash2] != want2 {
			t.Errorf("get_expiries: %v, want %d and %d", expiries.Expiries, want1, want2)
		}
	}
	expect(sent+day, sent+day)
	change := func(mode string, expiry int64, hash string) swarmReply {
		t.Helper()
		p := s.signed(snode.ExpireText(mode, []int64{expiry}, []string{hash}), map[string]any{"expiry": expiry, "messages": []string{hash}})
		if mode != "" {
			p[mode] = true
		}
		var r swarmReply
		s.ask(t, "expire", p, 200, &r)
		return r
	}
	r := change("", sent+2*hour, hash1)
	r.check(t, func(node string) bool { return slices.Equal(r.Swarm[node].Updated, []string{hash1}) })
	r = change("extend", sent+hour, hash1)
	r.check(t, func(node string) bool { return r.Swarm[node].Unchanged[hash1] == sent+2*hour })
	expect(sent+2*hour, sent+day)
	r = swarmReply{}
	namespace := int16(2)
	s.ask(t, "expire_all", s.signed(snode.ExpireAllText(&namespace, sent+3*hour), map[string]any{"expiry": sent + 3*hour, "namespace": 2}), 200, &r)
	r.check(t, func(node string) bool { return slices.Contains(r.Swarm[node].Updated, hash2) })
	expect(sent+2*hour, sent+3*hour)

	del := func(required bool) map[string]any {
		return s.signed(snode.DeleteText([]string{hash2}), map[string]any{"messages": []string{hash2}, "required": required})
	}
	r = swarmReply{}
	s.ask(t, "delete", del(true), 200, &r)
	r.check(t, func(node string) bool { return string(r.Swarm[node].Deleted) == `["`+hash2+`"]` })
	s.ask(t, "delete", del(true), 404, nil)
	r = swarmReply{}
	s.ask(t, "delete_before", s.signed(snode.DeleteBeforeText(&namespace, sent), map[string]any{"before": sent, "namespace": 2}), 200, &r)
	r.check(t, done)
	r = swarmReply{}
	at := s.now()
	s.ask(t, "delete_all", s.signed(snode.DeleteAllText(nil, at), map[string]any{"timestamp": at, "namespace": "all"}), 200, &r)
	r.check(t, func(node string) bool { return string(r.Swarm[node].Deleted) == `{"0":["`+hash1+`"]}` })

	at = s.now()
	token := snode.NewToken(snode.Session, snode.Read, [32]byte(s.other.key[:32]))
	r = swarmReply{}
	s.ask(t, "revoke_subaccount", s.signed(snode.RevokeText(at, []snode.Token{token}), map[string]any{"timestamp": at, "revoke": token.String()}), 200, &r)
	r.check(t, done)
	r = swarmReply{}
	s.ask(t, "unrevoke_subaccount", s.signed(snode.UnrevokeText(at, []snode.Token{token}), map[string]any{"timestamp": at, "unrevoke": token.String()}), 200, &r)
	r.check(t, func(node string) bool { return r.Swarm[node].Count == 1 })

	var results struct {
		Results []struct {
			Code int
			Body json.RawMessage
		}
	}
	call := func(method string, params map[string]any) map[string]any {
		return map[string]any{"method": method, "params": params}
	}
	calls := []map[string]any{call("store", store(s.other, one, day)), call("info", map[string]any{})}
	for method, want := range map[string][]int{"batch": {421, 200}, "sequence": {421}} {
		results.Results = nil
		s.ask(t, method, map[string]any{"requests": calls}, 200, &results)
		var got []int
		for _, r := range results.Results {
			got = append(got, r.Code)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", method, got, want)
		}
	}
	for _, condition := range []bool{true, false} {
		var branch struct {
			Condition bool
			Result    struct{ Code int }
		}
		p := map[string]any{"if": map[string]any{"hf_at_least": []int{s.hf[0], s.hf[1]}}, "then": calls[1], "else": calls[0]}
		want := 200
		if !condition {
			p["if"], want = map[string]any{"hf_before": []int{s.hf[0], s.hf[1]}}, 421
		}
		s.ask(t, "ifelse", p, 200, &branch)
		if branch.Condition != condition || branch.Result.Code != want {
			t.Errorf("ifelse: %+v, want %v and %d", branch, condition, want)
		}
	}
	s.ask(t, "oxend_request", map[string]any{"endpoint": "get_info"}, 400, nil)
	s.ask(t, fmt.Sprintf("no_%x", nonce), map[string]any{}, 400, nil)
}
