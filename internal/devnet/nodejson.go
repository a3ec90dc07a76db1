package devnet

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"onsight/ons"
)

// shown is a service node on its way into a reply.
type shown struct {
	c      *Chain
	n      *stakeNode
	key    [32]byte
	proof  Proof
	proven bool // the daemon has a proof, be it an old one
	tip    uint64
	now    time.Time
	self   [32]byte // the service node that answers; zero: a plain node
	w      wanted
}

func (x *shown) sn() bool { return x.self != [32]byte{} }

// nodeField writes one field of an entry with its key; or nothing, where it is left out.
type nodeField struct {
	name  string
	write func(b []byte, x *shown) []byte
}

// always is a field that is always there.
func always(name string, write func(b []byte, x *shown) []byte) nodeField {
	key := `"` + name + `":`
	return nodeField{name, func(b []byte, x *shown) []byte { return write(append(b, key...), x) }}
}

// proved is a field of a proof: 11.x leaves it out where there is none.
func proved(d Dialect, name string, write func(b []byte, x *shown) []byte) nodeField {
	f := always(name, write)
	return nodeField{name, func(b []byte, x *shown) []byte {
		if d == Dialect11 && !x.proven {
			return b
		}
		return f.write(b, x)
	}}
}

func number(name string, value func(x *shown) uint64) nodeField {
	return always(name, func(b []byte, x *shown) []byte { return strconv.AppendUint(b, value(x), 10) })
}

func appendBool(b []byte, v bool) []byte { return strconv.AppendBool(b, v) }

// hexKey writes a key in hex; 10.x shows none as an empty text.
func hexKey(b []byte, key [32]byte) []byte {
	if key == ([32]byte{}) {
		return append(b, `""`...)
	}
	return appendHex(b, `"`, key[:])
}

func version(b []byte, v [3]uint16) []byte {
	return appendUints(b, "", []uint64{uint64(v[0]), uint64(v[1]), uint64(v[2])})
}

func unix(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.Unix())
}

// nodeFields are the fields of an entry by dialect, ascending by name as oxend writes them.
var nodeFields = map[Dialect][]nodeField{Dialect10: entryFields(Dialect10), Dialect11: entryFields(Dialect11)}

func entryFields(d Dialect) []nodeField {
	fields := []nodeField{
		always("active", func(b []byte, x *shown) []byte { return appendBool(b, x.n.isActive()) }),
		{"contributors", appendContributors},
		number("decommission_count", func(x *shown) uint64 { return uint64(x.n.decommissions) }),
		always("earned_downtime_blocks", func(b []byte, x *shown) []byte { return strconv.AppendInt(b, x.n.earned(x.tip), 10) }),
		always("funded", func(b []byte, x *shown) []byte { return appendBool(b, x.n.funded()) }),
		number("last_reward_block_height", func(x *shown) uint64 { return x.n.rewarded }),
		number("last_reward_transaction_index", func(x *shown) uint64 { return uint64(x.n.rewardIndex) }),
		number("last_uptime_proof", func(x *shown) uint64 { return unix(x.proof.Time) }),
		proved(d, "lokinet_version", func(b []byte, x *shown) []byte { return version(b, x.proof.Lokinet) }),
		always("operator_address", func(b []byte, x *shown) []byte { return x.appendAddress(b, x.n.operator) }),
		number("portions_for_operator", func(x *shown) uint64 { return x.n.portions() }),
		proved(d, "pubkey_ed25519", func(b []byte, x *shown) []byte { return hexKey(b, x.proof.Ed25519) }),
		proved(d, "pubkey_x25519", func(b []byte, x *shown) []byte { return hexKey(b, x.proof.X25519) }),
		proved(d, "public_ip", func(b []byte, x *shown) []byte {
			ip := x.proof.IP
			if !ip.IsValid() {
				ip = netip.IPv4Unspecified()
			}
			return append(ip.AppendTo(append(b, '"')), '"')
		}),
		proved(d, "quorumnet_port", func(b []byte, x *shown) []byte { return strconv.AppendUint(b, uint64(x.proof.QuorumnetPort), 10) }),
		number("registration_height", func(x *shown) uint64 { return x.n.registered }),
		number("registration_hf_version", func(x *shown) uint64 { return uint64(x.n.fork) }),
		number("requested_unlock_height", func(x *shown) uint64 { return x.n.unlock }),
		always("service_node_pubkey", func(b []byte, x *shown) []byte {
			if x.n.registered == 0 {
				return append(b, `""`...)
			}
			return appendHex(b, `"`, x.key[:])
		}),
		proved(d, "service_node_version", func(b []byte, x *shown) []byte { return version(b, x.proof.Oxend) }),
		number("staking_requirement", func(x *shown) uint64 { return x.n.requirement }),
		number("state_height", func(x *shown) uint64 { return x.n.stateHeight() }),
		proved(d, "storage_lmq_port", func(b []byte, x *shown) []byte { return strconv.AppendUint(b, uint64(x.proof.OMQPort), 10) }),
		proved(d, "storage_port", func(b []byte, x *shown) []byte { return strconv.AppendUint(b, uint64(x.proof.StoragePort), 10) }),
		proved(d, "storage_server_version", func(b []byte, x *shown) []byte { return version(b, x.proof.Storage) }),
		always("swarm", appendSwarm),
		number("swarm_id", func(x *shown) uint64 { return x.n.swarm }),
		number("total_contributed", func(x *shown) uint64 { return x.n.contributed }),
	}
	fields = append(fields, reachabilityFields(d, "lokinet", func(p *Proof) *Reachability { return &p.LokinetReachability })...)
	fields = append(fields, reachabilityFields(d, "storage_server", func(p *Proof) *Reachability { return &p.StorageReachability })...)
	if d == Dialect10 {
		fields = append(fields, fields10()...)
	} else {
		fields = append(fields, fields11()...)
	}
	slices.SortFunc(fields, func(a, b nodeField) int { return compareText(a.name, b.name) })
	return fields
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// reachabilityFields are X_reachable and its three times. 11.x shows them on a service node only, and no time that is zero.
func reachabilityFields(d Dialect, what string, of func(*Proof) *Reachability) (fields []nodeField) {
	hidden := func(f nodeField, zero func(x *shown) bool) nodeField {
		return nodeField{f.name, func(b []byte, x *shown) []byte {
			if d == Dialect11 && (!x.sn() || zero(x)) {
				return b
			}
			return f.write(b, x)
		}}
	}
	fields = append(fields, hidden(always(what+"_reachable", func(b []byte, x *shown) []byte {
		return appendBool(b, x.n.registered > 0 && (!x.sn() || of(&x.proof).reachable(x.now, x.c.grace())))
	}), func(*shown) bool { return false }))
	for suffix, value := range map[string]func(r *Reachability) time.Time{
		"_last_reachable":    func(r *Reachability) time.Time { return r.LastReachable },
		"_first_unreachable": func(r *Reachability) time.Time { return r.FirstUnreachable },
		"_last_unreachable":  func(r *Reachability) time.Time { return r.LastUnreachable },
	} {
		at := func(x *shown) uint64 {
			if !x.sn() {
				return 0 // a plain node tests nobody
			}
			return unix(value(of(&x.proof)))
		}
		fields = append(fields, hidden(number(what+suffix, at), func(x *shown) bool { return at(x) == 0 }))
	}
	return fields
}

// fields10 are the fields 10.x has for itself. Its lists are left out while empty.
func fields10() []nodeField {
	rows := func(name string, list func(x *shown) []string) nodeField {
		return nodeField{name, func(b []byte, x *shown) []byte {
			l := list(x)
			if len(l) == 0 {
				return b
			}
			b = append(append(append(b, '"'), name...), `":[`...)
			for i, s := range l {
				if i > 0 {
					b = append(b, ',')
				}
				b = append(b, s...)
			}
			return append(b, ']')
		}}
	}
	tests := func(row string) func(x *shown) []string {
		return func(x *shown) []string {
			if !x.sn() || !x.proven {
				return nil
			}
			return slices.Repeat([]string{row}, 8)
		}
	}
	return []nodeField{
		number("total_reserved", func(x *shown) uint64 { return x.n.reserved }),
		rows("checkpoint_participation", func(x *shown) (l []string) {
			for _, p := range x.n.checkpoints {
				b := appendUint(nil, `{"height":`, p.height)
				l = append(l, string(append(appendBool(append(b, `,"is_pulse":false,"voted":`...), p.voted), '}')))
			}
			return l
		}),
		rows("pulse_participation", func(x *shown) (l []string) {
			for _, p := range x.n.pulses {
				b := appendUint(nil, `{"height":`, p.height)
				b = appendUint(b, `,"is_pulse":true,"pulse_round":`, uint64(p.round))
				l = append(l, string(append(appendBool(append(b, `,"voted":`...), p.voted), '}')))
			}
			return l
		}),
		rows("timestamp_participation", tests(`{"participated":true}`)),
		rows("timesync_status", tests(`{"in_sync":true}`)),
	}
}

// fields11 are the fields 11.x has for itself.
func fields11() []nodeField {
	votes := func(name string, list func(x *shown) []participation, one func(b []byte, p participation) []byte) nodeField {
		return nodeField{name, func(b []byte, x *shown) []byte {
			l := list(x)
			if len(l) == 0 {
				return b
			}
			b = append(append(append(b, '"'), name...), `":{`...)
			for i, voted := range [...]bool{false, true} {
				b = append(b, [...]string{`"missed":[`, `,"voted":[`}[i]...)
				for _, p := range l {
					if p.voted != voted {
						continue
					}
					if b[len(b)-1] != '[' {
						b = append(b, ',')
					}
					b = one(b, p)
				}
				b = append(b, ']')
			}
			return append(b, '}')
		}}
	}
	when := func(f nodeField, ok func(x *shown) bool) nodeField {
		return nodeField{f.name, func(b []byte, x *shown) []byte {
			if !ok(x) {
				return b
			}
			return f.write(b, x)
		}}
	}
	tested := func(x *shown) bool { return x.sn() && x.proven }
	passed := func(b []byte, _ *shown) []byte { return append(b, "[8,0]"...) }
	return []nodeField{
		when(number("total_reserved", func(x *shown) uint64 { return x.n.reserved }), func(x *shown) bool { return x.n.reserved != x.n.contributed }),
		number("operator_fee", func(x *shown) uint64 { return x.n.fee * 100 }),
		always("payable", func(b []byte, x *shown) []byte {
			return appendBool(b, x.n.isActive() && x.n.active+x.c.rewardDelay() <= x.tip)
		}),
		when(always("pubkey_bls", func(b []byte, x *shown) []byte {
			h := sha256.Sum256(append([]byte("bls"), x.key[:]...))
			return appendHex(b, `"`, append(h[:], h[:]...))
		}), func(x *shown) bool { return x.sn() && x.key == x.self }),
		when(always("quorumnet_tests", passed), tested),
		when(always("timesync_tests", passed), tested),
		votes("checkpoint_votes", func(x *shown) []participation { return x.n.checkpoints }, func(b []byte, p participation) []byte {
			return strconv.AppendUint(b, p.height, 10)
		}),
		votes("pulse_votes", func(x *shown) []participation { return x.n.pulses }, func(b []byte, p participation) []byte {
			return appendUints(b, "", []uint64{p.height, uint64(p.round)})
		}),
		when(number("last_decommission_reason_consensus_all", func(x *shown) uint64 { return x.n.all }), func(x *shown) bool { return x.n.all != 0 }),
		when(number("last_decommission_reason_consensus_any", func(x *shown) uint64 { return x.n.some }), func(x *shown) bool { return x.n.some != 0 }),
		when(always("last_decomm_reasons", func(b []byte, x *shown) []byte {
			o := map[string]any{"all": slices.Concat([]string{}, reasons(x.n.all))}
			if some := reasons(x.n.some &^ x.n.all); len(some) > 0 {
				o["some"] = some
			}
			return appendJSON(b, o)
		}), func(x *shown) bool { return x.n.some != 0 }),
	}
}

// appendSwarm writes the swarm's id in hex: 10.x in 16 digits, 11.x in as many as it needs.
func appendSwarm(b []byte, x *shown) []byte {
	if x.n.registered == 0 {
		return append(b, `""`...)
	}
	if x.c.dialect == Dialect11 {
		return append(strconv.AppendUint(append(b, '"'), x.n.swarm, 16), '"')
	}
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], x.n.swarm)
	return appendHex(b, `"`, id[:])
}

// appendAddress writes a wallet's address. Encoding one takes longer than all the rest of an entry, so they are kept.
func (x *shown) appendAddress(b []byte, w ons.Owner) []byte {
	text, ok := x.c.addresses.Load(w)
	if !ok {
		text = `"` + w.Text(x.c.network) + `"`
		x.c.addresses.Store(w, text)
	}
	return append(b, text.(string)...)
}

func appendContributors(b []byte, x *shown) []byte {
	if len(x.n.contributors) == 0 && x.c.dialect == Dialect10 {
		return b
	}
	b = append(b, `"contributors":[`...)
	for i, who := range x.n.contributors {
		if i > 0 {
			b = append(b, ',')
		}
		b = x.appendAddress(append(b, `{"address":`...), who.wallet)
		b = appendUint(b, `,"amount":`, who.amount)
		if len(who.locked) > 0 || x.c.dialect == Dialect11 {
			if x.w.has("locked_contributions") || x.c.dialect == Dialect10 {
				b = append(b, `,"locked_contributions":[`...)
				for i, l := range who.locked {
					if i > 0 {
						b = append(b, ',')
					}
					b = appendHex(appendUint(b, `{"amount":`, l.amount), `,"key_image":"`, l.image[:])
					b = append(appendHex(b, `,"key_image_pub_key":"`, l.key[:]), '}')
				}
				b = append(b, ']')
			}
		}
		if who.reserved != who.amount || x.c.dialect == Dialect10 {
			b = appendUint(b, `,"reserved":`, who.reserved)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

// append writes an entry.
func (x *shown) append(b []byte) []byte {
	b = append(b, '{')
	start := len(b)
	for _, f := range nodeFields[x.c.dialect] {
		if !x.w.has(f.name) {
			continue
		}
		if len(b) > start && b[len(b)-1] != ',' {
			b = append(b, ',')
		}
		b = f.write(b, x)
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

// show prepares a view for entries.
func (v *view) show(w wanted) *shown {
	c := v.chain
	return &shown{c: c, tip: uint64(len(c.blocks) - 1), now: c.clock(), self: v.self, w: w}
}

func (x *shown) set(n *stakeNode, key [32]byte) {
	x.n, x.key = n, key
	x.proof, x.proven = x.c.proofs[key]
}

// states are the entries asked for. A limit draws at random, each time anew; less than zero on 11.x means all of them, shuffled.
func (v *view) states(w wanted, keys []string, active bool, limit int64) []*stakeNode {
	c := v.chain
	var list []*stakeNode
	if len(keys) > 0 {
		seen := map[[32]byte]bool{}
		for _, k := range keys {
			h, _ := parseHash(k) // checked before
			if n := c.stakes.nodes[h]; n != nil && !seen[h] {
				seen[h] = true
				list = append(list, n)
			}
		}
	} else {
		list = c.stakes.sorted()
	}
	if active {
		list = slices.DeleteFunc(list, func(n *stakeNode) bool { return !n.isActive() })
	}
	if limit > 0 || limit < 0 && c.dialect == Dialect11 {
		tip := c.tipHash()
		r := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(tip[:]), c.draws.Add(1)))
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if limit > 0 && int64(len(list)) > limit {
			list = list[:limit]
		}
	}
	return list
}

func (v *view) appendStates(b []byte, w wanted, list []*stakeNode) []byte {
	x := v.show(w)
	b = slices.Grow(append(b, '['), 1500*len(list))
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		x.set(n, n.key)
		b = x.append(b)
	}
	return append(b, ']')
}

// debugJSON is as_json: oxend's own structures of the nodes.
func (c *Chain) debugJSON(list []*stakeNode) string {
	type address struct {
		Spend string `json:"m_spend_public_key"`
		View  string `json:"m_view_public_key"`
	}
	wallet := func(o ons.Owner) address { return address{hex.EncodeToString(o.Key[:]), hex.EncodeToString(o.View[:])} }
	rows := []any{}
	for _, n := range list {
		var contributors []any
		for _, who := range n.contributors {
			var images []any
			for _, l := range who.locked {
				images = append(images, map[string]any{
					"version": 0, "key_image": hex.EncodeToString(l.image[:]), "key_image_pub_key": hex.EncodeToString(l.key[:]), "amount": l.amount,
				})
			}
			contributors = append(contributors, map[string]any{
				"version": 0, "amount": who.amount, "reserved": who.reserved, "address": wallet(who.wallet), "locked_contributions": images,
			})
		}
		since := int64(n.active)
		if n.decommissioned {
			since = -since
		}
		rows = append(rows, map[string]any{"pubkey": hex.EncodeToString(n.key[:]), "info": map[string]any{
			"version": 7, "registration_height": n.registered, "requested_unlock_height": n.unlock, "last_reward_block_height": n.rewarded,
			"last_reward_transaction_index": n.rewardIndex, "decommission_count": n.decommissions, "active_since_height": since,
			"last_decommission_height": n.decommissionedAt, "contributors": contributors, "total_contributed": n.contributed,
			"total_reserved": n.reserved, "staking_requirement": n.requirement, "portions_for_operator": n.portions(),
			"operator_address": wallet(n.operator), "swarm_id": n.swarm, "last_ip_change_height": n.penalised,
			"registration_hf_version": n.fork, "recommission_credit": n.credit,
			"pulse_sorter":                           map[string]any{"last_height_validating_in_quorum": 0, "quorum_index": 0},
			"last_decommission_reason_consensus_all": n.all, "last_decommission_reason_consensus_any": n.some,
		}})
	}
	return string(appendJSON(nil, rows))
}

// rawNodes are recorded entries as JSON.
func rawNodes(list []object) json.RawMessage { return appendJSON(nil, list) }
