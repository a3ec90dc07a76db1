package storage

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"onsight/internal/snode"
)

// Each row changes one parameter of a good request; nil takes it away.
func TestParameters(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 1)
	s, now := swarms[0][0], w.clock
	u, g := newUser(t, s, snode.Session, 0), newUser(t, s, snode.Group, 0)
	hash := strings.Repeat("A", 43)
	zeros := func(n int) string { return strings.Repeat("00", n) }
	good := map[string]object{
		"store":                 u.store(2, "x", now, 1e10),
		"retrieve":              u.retrieve(0, now, nil),
		"get_expiries":          u.with(snode.GetExpiriesText(now, []string{hash}), object{"messages": hash, "timestamp": now}),
		"delete":                u.with(snode.DeleteText([]string{hash}), object{"messages": []string{hash}}),
		"delete_all":            u.with(snode.DeleteAllText(nil, now), object{"timestamp": now, "namespace": "all"}),
		"delete_before":         u.with(snode.DeleteBeforeText(nil, now), object{"before": now, "namespace": "all"}),
		"expire":                u.with(snode.ExpireText("", []int64{now}, []string{hash}), object{"expiry": now, "messages": hash}),
		"expire_all":            u.with(snode.ExpireAllText(nil, now), object{"expiry": now, "namespace": "all"}),
		"revoke_subaccount":     g.with(snode.RevokeText(now, []snode.Token{{}}), object{"revoke": zeros(36), "timestamp": now}),
		"unrevoke_subaccount":   g.with(snode.UnrevokeText(now, []snode.Token{{}}), object{"unrevoke": []string{zeros(36)}, "timestamp": now}),
		"revoked_subaccounts":   g.with(snode.RevokedText(now), object{"timestamp": now}),
		"get_swarm":             {"pubKey": u.id.String()},
		"get_snodes_for_pubkey": {"pubkey": u.id.String(), "pubKey": nil},
		"info":                  {},
		"ifelse":                {"if": object{}, "then": object{"method": "info", "params": object{}}},
		"batch":                 {"requests": []any{object{"method": "info", "params": object{}}}},
	}
	for method, params := range good {
		want(t, s, method, params)
	}
	tests := []struct {
		method, name string
		value        any
		want         string
	}{
		{"store", "pubkey", nil, "Required field 'pubkey' missing"},
		{"store", "pubKey", u.id.String(), "Cannot specify both 'pubkey' and 'pubKey'"},
		{"store", "pubkey", 5, "Invalid value given for 'pubkey': expected string"},
		{"store", "pubkey", "05", badPubkey},
		{"get_swarm", "pubKey", "05", badSwarmPubkey},
		{"store", "pubkey_ed25519", "zz", "invalid pubkey_ed25519: value is not hex"},
		{"store", "pubkey_ed25519", zeros(31), "Invalid pubkey_ed25519: expected 64 hex char or 32 byte pubkey"},
		{"store", "pubkey_ed25519", "0", "Invalid pubkey_ed25519: expected 64 hex char or 32 byte pubkey"},
		{"revoked_subaccounts", "pubkey_ed25519", zeros(32), "pubkey_ed25519 is only permitted for 05[...] pubkeys"},
		{"store", "signature", "AA", "invalid signature: expected base64 encoded Ed25519 signature"},
		{"store", "signature", strings.Repeat("A", 86), ""},
		{"store", "signature", strings.Repeat("A", 86) + "==", ""},
		{"store", "signature", strings.Repeat("A", 86) + "=", "invalid signature: expected base64 encoded Ed25519 signature"},
		{"store", "signature", strings.Repeat("A", 86) + "\n\n", "invalid signature: expected base64 encoded Ed25519 signature"},
		{"store", "subaccount", "x", "invalid subaccount: expected base64 or hex-encoded subaccount token"},
		{"store", "subaccount", zeros(36), "invalid subaccount: subaccount_sig is required when using subaccount"},
		{"store", "timestamp", nil, "Required field 'timestamp' missing"},
		{"store", "timestamp", 999_999_999, "Invalid timestamp for 'timestamp': timestamp must be in milliseconds"},
		{"store", "timestamp", "x", `Invalid value given for 'timestamp': "x"`},
		{"store", "timestamp", 1.5, "Invalid value given for 'timestamp': expected integer timestamp (in milliseconds)"},
		{"store", "timestamp", true, "Invalid value given for 'timestamp': expected integer timestamp (in milliseconds)"},
		{"store", "timestamp", uint64(1) << 63, "Invalid value given for 'timestamp': value out of range"},
		{"store", "ttl", nil, "Required field 'expiry' or 'ttl' missing"},
		{"store", "ttl", -1, "Invalid value given for 'ttl': expected positive integer"},
		{"store", "expiry", now, "Cannot specify both 'expiry' and 'ttl'"},
		{"store", "sig_timestamp", "1", "Invalid value given for 'sig_timestamp': expected integer timestamp (in milliseconds)"},
		{"store", "namespace", 32768, "Invalid value given for 'namespace': value out of range"},
		{"store", "namespace", -32769, "Invalid value given for 'namespace': value out of range"},
		{"store", "namespace", 2.5, "Invalid value given for 'namespace': expected 16-bit integer"},
		{"store", "data", nil, "Required field 'data' missing"},
		{"store", "data", 1, "Invalid value given for 'data': expected string"},
		{"store", "data", "A", "Invalid 'data' value: not base64 encoded"},
		{"store", "data", "QQ=", "Invalid 'data' value: not base64 encoded"},
		{"store", "data", "QUFB\nQUE", "Invalid 'data' value: not base64 encoded"},
		{"store", "data", strings.Repeat("A", 102_401), "Message body exceeds maximum allowed length of 76800 bytes"},
		{"retrieve", "signature", nil, "Required field 'signature' missing"},
		{"retrieve", "timestamp", nil, "Required field 'timestamp' missing"},
		{"retrieve", "max_count", "1", "Invalid value given for 'max_count': expected integer"},
		{"retrieve", "max_size", 1.0e30, "Invalid value given for 'max_size': expected integer"},
		{"retrieve", "last_hash", "abc", "Invalid last_hash: expected base64 (43 chars)"},
		{"retrieve", "lastHash", strings.Repeat("*", 43), "Invalid last_hash: not base64"},
		{"retrieve", "last_hash", nil, ""},
		{"get_expiries", "messages", nil, "Required field 'messages' missing"},
		{"get_expiries", "messages", []string{}, "messages does not contain any message hashes"},
		{"get_expiries", "messages", []any{1}, "Invalid value given for 'messages': expected string array"},
		{"get_expiries", "messages", "x", "invalid message hash: x"},
		{"get_expiries", "messages", []any{hash, strings.Repeat("*", 43)}, "invalid message hash: " + strings.Repeat("*", 43)},
		{"delete", "required", "yes", "Invalid value given for 'required': expected boolean"},
		{"delete", "required", nil, ""},
		{"delete_all", "namespace", "some", `Invalid value given for 'namespace': expected integer or "all"`},
		{"delete_all", "namespace", 99999, "Invalid value given for 'namespace': value out of range"},
		{"delete_all", "timestamp", nil, "Required field 'timestamp' missing"},
		{"delete_before", "before", nil, "Required field 'before' missing"},
		{"expire", "expiry", nil, "Required field 'expiry' missing"},
		{"expire", "expiry", []any{}, "'expiry' must be a single expiry, or the same length as 'messages'"},
		{"expire", "expiry", []any{now, now}, "'expiry' must be a single expiry, or the same length as 'messages'"},
		{"expire", "expiry", []any{"x"}, "Invalid value given for 'expiry': expected timestamp array"},
		{"expire", "expiry", 5, "Invalid timestamp for 'expiry': timestamp must be in milliseconds"},
		{"expire_all", "expiry", nil, "Required field 'expiry' missing"},
		{"revoke_subaccount", "revoke", nil, "Required field 'revoke' missing"},
		{"revoke_subaccount", "revoke", []any{}, "Required field 'revoke' missing"},
		{"revoke_subaccount", "revoke", "zz", "invalid subaccount: expected base64 or hex-encoded subaccount token"},
		{"unrevoke_subaccount", "unrevoke", make([]string, 51), "'unrevoke' holds more than 50 subaccount tokens"},
		{"ifelse", "if", nil, `Invalid ifelse request: no valid "if" field`},
		{"ifelse", "if", object{"hf_before": []int{1, 2, 3}}, "Invalid value given for 'hf_before': expected integer array"},
		{"ifelse", "if", object{"height_before": "x"}, "Invalid value given for 'height_before': expected integer array"},
		{"ifelse", "then", object{"method": "nope", "params": object{}}, `Invalid ifelse subrequest: invalid method "nope"`},
		{"ifelse", "then", object{"method": "info"}, "Invalid ifelse request: subrequests must have method/params keys"},
		{"batch", "requests", object{}, `Invalid batch request: no valid "requests" field`},
		{"batch", "requests", []any{1}, "Invalid batch request: subrequests must have method/params keys"},
		{"batch", "requests", []any{object{"method": "ifelse", "params": object{}}}, "Invalid batch subrequest: subrequests may not contain meta-requests"},
	}
	for _, test := range tests {
		params := maps.Clone(good[test.method])
		params[test.name] = test.value
		r := s.Call(t.Context(), request(t, test.method, params))
		bad := r.Status == 400 && strings.HasPrefix(string(r.Body), "invalid request: ")
		if test.want == "" && bad || test.want != "" && string(r.Body) != "invalid request: "+test.want {
			t.Errorf("%s with %s = %.60v: got %d %s, want %q", test.method, test.name, test.value, r.Status, r.Body, test.want)
		}
	}
	both := maps.Clone(good["expire"])
	both["extend"], both["shorten"] = true, true
	refused(t, s, "expire", both, 400, "invalid request: cannot specify both 'shorten' and 'extend'")
	half := maps.Clone(good["store"])
	half["subaccount"], half["subaccount_sig"] = zeros(36), "AA"
	refused(t, s, "store", half, 400, "invalid request: invalid subaccount signature: expected base64 encoded Ed25519 signature")
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 1)
	s := swarms[0][0]
	deep := `{"method":"info","params":{}}`
	for range maxDepth + 1 {
		deep = fmt.Sprintf(`{"method":"ifelse","params":{"if":{},"then":%s}}`, deep)
	}
	for _, test := range []struct {
		request string
		status  int
		want    string
	}{
		{"", 400, "invalid json"},
		{"nope", 400, "invalid json"},
		{"{} {}", 400, "invalid json"},
		{"{\"method\":\"\xff\",\"params\":{}}", 400, "invalid json"},
		{"[]", 400, "invalid json: no `method` field"},
		{"7", 400, "invalid json: no `method` field"},
		{`{"Method":"info","params":{}}`, 400, "invalid json: no `method` field"},
		{`{"method":1,"params":{}}`, 400, "invalid json: no `method` field"},
		{`{"method":"info"}`, 400, "invalid json: no `params` field"},
		{`{"method":"info","params":null}`, 400, "invalid json: no `params` field"},
		{`{"method":"x<y","params":{}}`, 400, "no method x<y"},
		{`{"method":"\u0069nfo","params":{"x":1},"id":3}`, 200, ""},
		{deep, 400, "invalid request: Invalid ifelse request: nested too deeply"},
	} {
		r := s.Call(t.Context(), []byte(test.request))
		if r.Status != test.status || test.want != "" && string(r.Body) != test.want {
			t.Errorf("%.50s: got %d %s, want %d %s", test.request, r.Status, r.Body, test.status, test.want)
		}
	}
	for method, text := range map[string]string{"nope": "no method nope", "retrieve": "no method retrieve", "batch": "no method batch"} {
		params := `{"pubkey":"05` + strings.Repeat("00", 32) + `","requests":[{"method":"info","params":{}}]}`
		if r := s.Forwarded(t.Context(), method, []byte(params)); r.Status != 400 || string(r.Body) != text {
			t.Errorf("forwarded %s: got %d %s", method, r.Status, r.Body)
		}
	}
	for params, text := range map[string]string{
		"": "invalid json: no `params` field", "[]": "invalid json: no `params` field", "{": "invalid json: no `params` field",
		"{}": "invalid request: Required field 'pubkey' missing",
	} {
		if r := s.Forwarded(t.Context(), "delete", []byte(params)); r.Status != 400 || string(r.Body) != text {
			t.Errorf("forwarded %q: got %d %s, want %s", params, r.Status, r.Body, text)
		}
	}

	// The members may go while a request is being answered.
	none := &view{}
	if r := s.misplaced(none, snode.ID{}); r.Status != 500 || string(r.Body) != "No swarms known!" {
		t.Errorf("got %d %s", r.Status, r.Body)
	}
	if r := s.swarm(none, snode.ID{}, 200); string(r.Body) != `{"hf":[19,6],"snodes":[],"swarm":"ffffffffffffffff","t":1800000000000}` {
		t.Errorf("got %s", r.Body)
	}
	w.fork = [2]int{19, 2}
	w.change(func(_ int, m *Member) { m.Swarm = snode.NoSwarm })
	const unready = "Service node is not ready: not yet on hardfork 19.3; not in any swarm\n"
	refused(t, s, "info", object{}, 503, unready)
	if r := s.Forwarded(t.Context(), "delete", []byte("{}")); r.Status != 503 || string(r.Body) != unready {
		t.Errorf("got %d %s", r.Status, r.Body)
	}
}
