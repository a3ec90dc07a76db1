package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"onsight/internal/snode"
)

// TestJunkIsCheap is about the memory that one request can cost, so it runs alone: no more than a few times its own size, whatever is in
// it, and no part of it reaches the other members.
func TestJunkIsCheap(t *testing.T) {
	w, swarms := newWorld(t, 6)
	s := swarms[0][0]
	const size = 2 << 20 // of the 10 MiB there may be
	u := newUser(t, s, snode.Session, 0)
	fill := func(open, item, end string) string {
		var b bytes.Buffer
		b.WriteString(open)
		for i := 0; b.Len() < size-len(end)-40; i++ {
			if i > 0 {
				b.WriteByte(',')
			}
			if strings.Contains(item, "%") {
				fmt.Fprintf(&b, item, i)
			} else {
				b.WriteString(item)
			}
		}
		b.WriteString(end)
		return b.String()
	}
	good := fmt.Sprintf(`"pubkey":%q,"namespace":0,"timestamp":%d,"ttl":60000,"data":""`, u.id, w.clock)
	signed := string(bytes.Trim(marshal(u.with(nil, nil)), "{}"))
	for _, test := range []struct{ name, request, want string }{
		{"params", fill(`{"method":"store","params":{`+good+`,`, `"%x":0`, `}}`), "invalid request: more than 64 fields"},
		{"envelope", fill(`{"method":"store","params":{`+good+`},`, `"%x":0`, `}`), "invalid json: more than 64 fields"},
		{"one name", fill(`{"method":"store","params":{`+good+`,`, `"":0`, `}}`), "invalid request: more than 64 fields"},
		{"requests", fill(`{"method":"batch","params":{"requests":[`, `0`, `]}}`), "invalid request: Invalid batch request: subrequest limit exceeded"},
		{"within a batch", fill(`{"method":"batch","params":{"requests":[{"method":"info","params":{`, `"%x":0`, `}}]}}`),
			"invalid request: more than 64 fields"},
		{"a request of a batch", fill(`{"method":"batch","params":{"requests":[{`, `"%x":0`, `}]}}`), "invalid request: more than 64 fields"},
		{"if", fill(`{"method":"ifelse","params":{"if":{`, `"%x":0`, `}}}`), "invalid request: more than 64 fields"},
		{"messages", fill(`{"method":"delete","params":{"messages":[`, `""`, `],`+signed+`}}`),
			"invalid request: Invalid value given for 'messages': more than 65536 values"},
		{"expiries", fill(`{"method":"expire","params":{"expiry":[`, `1800000000000`, `],"messages":"",`+signed+`}}`),
			"invalid request: Invalid value given for 'expiry': more than 65536 values"},
		{"tokens", fill(`{"method":"revoke_subaccount","params":{"revoke":[`, `""`, `],`+signed+`}}`),
			"invalid request: Invalid value given for 'revoke': more than 65536 values"},
		{"condition", fill(`{"method":"ifelse","params":{"if":{"height_before":[`, `1`, `]}}}`),
			"invalid request: Invalid value given for 'height_before': more than 65536 values"},
		{"brackets", `{"method":"store","params":{` + good + `,"x":` + strings.Repeat(strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+`,"x":`, size/18006) + `0}}`,
			"invalid request: more than 64 fields"},
		{"one value", fill(`{"method":"store","params":{`+good+`,"x":{`, `"%x":0`, `}}}`), ""},
	} {
		w.asked = 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := s.Call(t.Context(), []byte(test.request))
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 5*size {
			t.Errorf("%s: %d MiB for %d MiB", test.name, allocated>>20, len(test.request)>>20)
		}
		if test.want == "" {
			if r.Status != 200 {
				t.Errorf("%s: got %d %.200s", test.name, r.Status, r.Body)
			}
			continue
		}
		if r.Status != 400 || string(r.Body) != test.want || w.asked != 0 {
			t.Errorf("%s: got %d %.200s, want %s; %d peers asked", test.name, r.Status, r.Body, test.want, w.asked)
		}
	}
}

// A request whose client has gone is carried on no further.
func TestCallEndsWithContext(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 2)
	s := swarms[0][0]
	u := newUser(t, s, snode.Session, 0)
	store := func(data string) object { return object{"method": "store", "params": u.store(0, data, w.clock, day24)} }
	oxend := object{"method": "oxend_request", "params": object{"endpoint": "ons_resolve"}}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, method := range []string{"batch", "sequence"} {
		if r := s.Call(gone, request(t, method, object{"requests": []any{store("a")}})); r.ok() {
			t.Errorf("%s for nobody: %d %s", method, r.Status, r.Body)
		}
	}
	if r := s.Call(gone, request(t, "store", u.store(0, "a", w.clock, day24))); r.ok() {
		t.Errorf("for nobody: %d %s", r.Status, r.Body)
	}
	going, cancel := context.WithCancel(t.Context())
	w.oxend = func(string, json.RawMessage) (json.RawMessage, error) { cancel(); return json.RawMessage("{}"), nil }
	s.Call(going, request(t, "sequence", object{"requests": []any{store("b"), oxend, store("c")}}))
	for i, server := range swarms[0] {
		if got := texts(t, want(t, server, "retrieve", u.retrieve(0, w.clock, nil))); !slices.Equal(got, []string{"b"}) {
			t.Errorf("server %d holds %q", i, got)
		}
	}
}

// What a batch asks for, all members do in its order: they end up holding the same in the same order.
func TestBatchKeepsOrderOnPeers(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		w, swarms := newWorld(t, 5)
		s := swarms[0][0]
		u := newUser(t, s, snode.Session, 0)
		hash := snode.Hash(u.id, 0, []byte("gone"))
		var requests []any
		var wanted []string
		store := func(data string) {
			requests = append(requests, object{"method": "store", "params": u.store(0, data, w.clock, day24)})
		}
		for i := range 18 {
			store(fmt.Sprint(i))
			wanted = append(wanted, fmt.Sprint(i))
		}
		store("gone")
		requests = append(requests, object{"method": "delete", "params": u.with(snode.DeleteText([]string{hash}), object{"messages": []string{hash}})})
		want(t, s, "batch", object{"requests": requests})
		for i, server := range swarms[0] {
			if got := texts(t, want(t, server, "retrieve", u.retrieve(0, w.clock, nil))); !slices.Equal(got, wanted) {
				t.Fatalf("round %d, member %d holds %q", round, i, got)
			}
		}
	}
}
