package devnet

import (
	"encoding/json"
	"maps"
	"slices"
)

// getStateChanges counts the state changes of a range of blocks.
func getStateChanges(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	top := uint64(len(c.blocks) - 1)
	r, fault := p.heights()
	if fault != nil {
		return b, fault
	}
	start, end, given := r.start, r.end, r.ended
	if !given {
		end = top
	}
	if end < start {
		return b, errorf(-1, "The provided end_height needs to be higher than start_height")
	}
	var totals [4]uint64
	var unlocks uint64
	for h := start; h <= min(end, top); h++ {
		for _, t := range c.blocks[h].txs {
			unlocks += b2u(t.kind == 2)
			if state, ok := t.newState(); ok {
				totals[min(state, 3)]++
			}
		}
	}
	o := map[string]any{
		"start_height": start, "end_height": end, "status": "OK", "total_deregister": totals[0], "total_decommission": totals[1],
		"total_recommission": totals[2], "total_ip_change_penalty": totals[3],
	}
	if c.dialect == Dialect10 {
		o["untrusted"] = false
	} else {
		o["total_unlock"] = unlocks
	}
	return appendJSON(b, o), nil
}

// newState is the state a state change brings.
func (t *transaction) newState() (uint64, bool) {
	if t.kind != 1 {
		return 0, false
	}
	fields, _ := splitExtra(t.extra)
	for _, f := range fields {
		if f.tag == 0x78 {
			c := &cursor{b: f.body}
			if x := c.varint(); x != 4 {
				return x, true
			}
			return c.varint(), true
		}
	}
	return 0, false
}

// serviceNode is a service node as a recorded daemon showed it.
type serviceNode struct{ object }

var topFields = [...]string{"block_hash", "hardfork", "height", "snode_revision", "target_height"}

// wanted are the fields a get_service_nodes asks for.
type wanted struct {
	all   bool
	names map[string]bool // true: asked for, false: left out of all
}

func (w wanted) has(name string) bool {
	v, named := w.names[name]
	return named && v || w.all && !(named && !v)
}

func (p params) fields() (wanted, *rpcError) {
	w := wanted{names: map[string]bool{}}
	raw, ok := p.given("fields")
	if !ok {
		return wanted{all: true}, nil
	}
	switch {
	case raw[0] == '{':
		var o object
		if json.Unmarshal(raw, &o) != nil {
			return wanted{all: true}, nil
		}
		for name, v := range o {
			if t := jsonType(v); t != "boolean" && p.d == Dialect11 {
				return w, badParams("[json.exception.type_error.302] type must be boolean, but is %s", t)
			}
			if string(v) == "true" {
				w.names[name] = true
			}
		}
	case raw[0] == '[' && p.d == Dialect11:
		var list []string
		if json.Unmarshal(raw, &list) != nil {
			return w, badParams("Invalid values in 'fields'")
		}
		for _, name := range list {
			if len(name) > 0 && name[0] == '-' {
				w.names[name[1:]] = false
			} else {
				w.names[name] = true
			}
		}
	case p.d == Dialect10:
		return wanted{all: true}, nil // an array is ignored
	default:
		return w, badParams("Invalid values in 'fields'")
	}
	w.all = w.names["all"]
	return w, nil
}

func getServiceNodes(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	w, fault := p.fields()
	if fault != nil {
		return b, fault
	}
	keys, _, fault := p.strings("service_node_pubkeys")
	if fault != nil {
		return b, fault
	}
	for i, k := range keys {
		if _, err := parseHash(k); err == nil {
			continue
		}
		if c.dialect == Dialect11 {
			return b, badParams("Invalid values in 'service_node_pubkeys'")
		}
		return b, errorf(-1, "Could not convert to a public key, arg: %d which is pubkey: %s", i, k)
	}
	active, fault := p.bool("active_only")
	if fault != nil {
		return b, fault
	}
	limit, _, fault := p.int("limit")
	if fault != nil {
		return b, fault
	}
	poll, polled, fault := p.string("poll_block_hash")
	if fault != nil {
		return b, fault
	}
	tip := len(c.blocks) - 1
	top := c.blocks[tip].hash.String()
	if c.dialect == Dialect11 && poll != "" {
		if _, err := parseHash(poll); err != nil {
			return b, badParams("Invalid values in 'poll_block_hash'")
		}
	}
	o := object{}
	o.set("status", "OK")
	f := c.fork(uint64(tip))
	values := map[string]any{"block_hash": top, "hardfork": f.Version, "height": tip, "snode_revision": c.revision(f), "target_height": 0}
	for _, key := range topFields {
		if w.has(key) {
			o.set(key, values[key])
		}
	}
	unchanged := polled && poll == top
	if c.dialect == Dialect10 && polled {
		o.set("unchanged", unchanged)
		if !unchanged {
			o.set("block_hash", top)
		}
	} else if unchanged {
		o.set("unchanged", true)
	}
	debug, fault := p.bool("include_json")
	if fault != nil {
		return b, fault
	}
	if unchanged {
		return o.append(b), nil
	}
	if c.recordedInfo != nil {
		if states := c.recordedStates(w, keys, active, limit); len(states) > 0 || c.dialect == Dialect11 {
			o["service_node_states"] = rawNodes(states)
		}
		return o.append(b), nil
	}
	list := v.states(w, keys, active, limit)
	if debug && c.dialect == Dialect10 {
		o.set("as_json", c.debugJSON(list))
	}
	if len(list) > 0 || c.dialect == Dialect11 {
		o["service_node_states"] = v.appendStates(nil, w, list)
	}
	return o.append(b), nil
}

// append writes an object with its keys in order; unlike encoding/json it does not read the values again.
func (o object) append(b []byte) []byte {
	b = append(b, '{')
	for i, key := range slices.Sorted(maps.Keys(o)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(append(b, '"'), key...), `":`...), o[key]...)
	}
	return append(b, '}')
}

func (c *Chain) revision(f Fork) int {
	if f.Version >= 19 {
		return 6
	}
	return 0
}

// recordedStates are the recorded entries asked for. Where oxend draws at random, these are the first.
func (c *Chain) recordedStates(w wanted, keys []string, active bool, limit int64) []object {
	list := []object{}
	for _, n := range c.nodes {
		if active && string(n.object["active"]) != "true" {
			continue
		}
		if len(keys) > 0 && !slices.Contains(keys, n.string("service_node_pubkey")) {
			continue
		}
		if limit > 0 && int64(len(list)) == limit {
			break
		}
		o := object{}
		for name, v := range n.object {
			if w.has(name) {
				o[name] = v
			}
		}
		list = append(list, o)
	}
	return list
}
