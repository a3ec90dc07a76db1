package storage

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"onsight/internal/snode"
)

func TestIfelse(t *testing.T) {
	t.Parallel()
	_, swarms := newWorld(t, 1)
	s := swarms[0][0] // 2.11.0, fork 19.6, height 335
	branch := func(conditions object, yes, no any) object {
		p := object{"if": conditions}
		if yes != nil {
			p["then"] = yes
		}
		if no != nil {
			p["else"] = no
		}
		return p
	}
	info := object{"method": "info", "params": object{}}
	for _, test := range []struct {
		conditions object
		want       bool
	}{
		{object{}, true},
		{object{"hf_at_least": []int{19, 6}}, true},
		{object{"hf_at_least": []int{19, 7}}, false},
		{object{"hf_at_least": 19}, true},
		{object{"hf_before": []int{19, 6}}, false},
		{object{"hf_before": []int{20}}, true},
		{object{"v_at_least": []int{2, 11}}, true},
		{object{"v_at_least": []int{2, 11, 1}}, false},
		{object{"v_before": []int{3}}, true},
		{object{"height_at_least": 335, "height_before": 336}, true},
		{object{"height_at_least": 335, "height_before": 335}, false},
		{object{"height_at_least": 335, "v_before": []int{1}}, false},
		{object{"height_before": nil}, true},
	} {
		got := want(t, s, "ifelse", branch(test.conditions, info, nil))
		if _, there := got["result"]; got["condition"] != test.want || there != test.want || got["height"] != 335.0 {
			t.Errorf("%v: got %v, want %v", test.conditions, got, test.want)
		}
	}
	nested := object{"method": "ifelse", "params": branch(object{"height_before": 1}, info, object{
		"method": "batch", "params": object{"requests": []any{info, object{"method": "retrieve", "params": object{"pubkey": "05" + strings.Repeat("0", 64)}}}},
	})}
	got := want(t, s, "ifelse", branch(object{"height_before": 1}, nil, nested))
	results := got["result"].(object)["body"].(object)["result"].(object)["body"].(object)["results"].([]any)
	if len(results) != 2 || results[1].(object)["code"] != 401.0 {
		t.Errorf("got %v", got)
	}
}

// A batch waits for all its requests at once: the peer answers the one only when it is asked the other, the daemon too.
func TestBatchIsParallel(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 2)
	s := swarms[0][0]
	u := newUser(t, s, snode.Session, 0)
	meet := func() func() {
		met := make(chan bool)
		return func() {
			select {
			case met <- true:
			case <-met:
			}
		}
	}
	peer, daemon := meet(), meet()
	w.wire[swarms[0][1].key] = func(r Reply) (Reply, error) { peer(); return r, nil }
	w.oxend = func(string, json.RawMessage) (json.RawMessage, error) { daemon(); return json.RawMessage("{}"), nil }
	store := func(data string) object { return object{"method": "store", "params": u.store(0, data, w.clock, day24)} }
	oxend := object{"method": "oxend_request", "params": object{"endpoint": "ons_resolve"}}
	read := object{"method": "retrieve", "params": u.retrieve(0, w.clock, nil)}
	results := want(t, s, "batch", object{"requests": []any{store("a"), oxend, read, oxend, store("b"), read}})["results"].([]any)
	body := func(i int) object { return results[i].(object)["body"].(object) }
	if e := entryOf(body(0), swarms[0][1]); e["hash"] == nil {
		t.Errorf("got %v", e)
	}
	// What the server does by itself it does in the order of the requests.
	if first, second := texts(t, body(2)), texts(t, body(5)); !slices.Equal(first, []string{"a"}) || !slices.Equal(second, []string{"a", "b"}) {
		t.Errorf("got %q and %q", first, second)
	}
}
