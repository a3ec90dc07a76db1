package storage

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/snode"
)

func TestExpire(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 2)
	s, now := swarms[0][0], w.clock
	u := newUser(t, s, snode.Session, 0)
	a := want(t, s, "store", u.store(0, "a", now, time.Hour))["hash"].(string)
	b := want(t, s, "store", u.store(2, "b", now, 2*time.Hour))["hash"].(string)
	both := []string{a, b}
	hour := int64(3_600_000)
	for _, step := range []struct {
		mode     string
		expiries []int64
		updated  []string
		expiry   any
		applied  []int64
		kept     map[string]int64
	}{
		{"extend", []int64{now + 2*hour}, []string{a}, float64(now + 2*hour), []int64{now + 2*hour}, map[string]int64{b: now + 2*hour}},
		{"shorten", []int64{now + 2*hour}, nil, float64(now + 2*hour), []int64{now + 2*hour}, map[string]int64{a: now + 2*hour, b: now + 2*hour}},
		{"", []int64{now + hour, now + hour}, both, []any{float64(now + hour), float64(now + hour)}, []int64{now + hour, now + hour}, nil},
		{"shorten", []int64{now + 2*hour, now}, []string{b}, []any{float64(now)}, []int64{now}, map[string]int64{a: now + hour}},
		{"", []int64{now + 99*day}, []string{a}, float64(now + 30*day), []int64{now + 30*day}, nil},
	} {
		p := u.with(snode.ExpireText(step.mode, step.expiries, both), object{"messages": both, "expiry": step.expiries})
		if step.mode != "" {
			p[step.mode] = true
		}
		reply := want(t, s, "expire", p)
		for _, peer := range swarms[0] {
			e := entryOf(reply, peer)
			verifies(t, peer, e, snode.ExpiredText(u.id, step.applied, both, step.updated, step.kept))
			if diff := cmp.Diff(step.expiry, e["expiry"]); diff != "" || len(list(e["updated"])) != len(step.updated) {
				t.Errorf("%v: got %v", step, e)
			}
			if _, there := e["unchanged"]; there != (step.mode != "") {
				t.Errorf("%v: unchanged is %v", step, there)
			}
		}
	}
	got := want(t, s, "get_expiries", u.with(snode.GetExpiriesText(now, both), object{"messages": both, "timestamp": now}))
	if diff := cmp.Diff(object{"expiries": object{a: float64(now + 30*day)}}, got); diff != "" {
		t.Error(diff)
	}
	all := u.with(snode.ExpireAllText(nil, now+day), object{"expiry": now + day, "namespace": "all"})
	e := entryOf(want(t, s, "expire_all", all), swarms[0][1])
	verifies(t, swarms[0][1], e, snode.DeletedAllText(u.id, now+day, []string{a}))
	if diff := cmp.Diff(any(object{"0": []any{a}}), e["updated"]); diff != "" {
		t.Error(diff)
	}
	past := now - 60_001
	refused(t, s, "expire_all", u.with(snode.ExpireAllText(nil, past), object{"expiry": past, "namespace": "all"}), 406,
		"expire_all timestamp should be >= current time")
	refused(t, s, "expire_all", u.with(snode.ExpireAllText(nil, past), object{"expiry": now, "namespace": "all"}), 401,
		"expire_all signature verification failed")
	refused(t, s, "expire", u.with(snode.ExpireText("", []int64{past}, both), object{"expiry": past, "messages": both}), 401,
		"expire: timestamp should be >= current time")
	refused(t, s, "get_expiries", u.with(snode.GetExpiriesText(past, both), object{"timestamp": past, "messages": both}), 406,
		"get_expiries timestamp too far from current time")
}
