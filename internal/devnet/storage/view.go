package storage

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"onsight/internal/snode"
)

// view is what a server makes of one snapshot of the members.
type view struct {
	members []Member
	swarms  []uint64            // ids, ascending
	in      map[uint64][]Member // by swarm, in the snapshot's order
	self    Member
	known   bool // the server itself is a member
}

// view is the present one. It is made anew when the network shows another snapshot.
func (s *Server) view() *view {
	members := s.config.Network.Members()
	if v := s.last.Load(); v != nil && len(v.members) == len(members) && (len(members) == 0 || &v.members[0] == &members[0]) {
		return v
	}
	v := &view{members: members, in: map[uint64][]Member{}, self: Member{Swarm: snode.NoSwarm}}
	for _, m := range members {
		if m.Legacy == s.config.Legacy {
			v.self, v.known = m, true
		}
		if m.Swarm == snode.NoSwarm {
			continue
		}
		if v.in[m.Swarm] == nil {
			v.swarms = append(v.swarms, m.Swarm)
		}
		v.in[m.Swarm] = append(v.in[m.Swarm], m)
	}
	slices.Sort(v.swarms)
	s.last.Store(v)
	return v
}

// swarmOf is the swarm an account belongs to.
func (v *view) swarmOf(id snode.ID) (uint64, bool) {
	return snode.Choose(v.swarms, snode.Position(id))
}

// placed says whether the server is in a swarm.
func (v *view) placed() bool { return v.known && v.self.Swarm != snode.NoSwarm }

// mine says whether an account belongs to the swarm the server is in.
func (v *view) mine(id snode.ID) bool {
	swarm, ok := v.swarmOf(id)
	return ok && v.placed() && swarm == v.self.Swarm
}

// others are the swarm's members but for the server itself.
func (v *view) others() []Member {
	others := make([]Member, 0, len(v.in[v.self.Swarm]))
	for _, m := range v.in[v.self.Swarm] {
		if m.Legacy != v.self.Legacy {
			others = append(others, m)
		}
	}
	return others
}

// firstFork is the hard fork that storage servers of this kind wait for (spec C.1).
var firstFork = [2]int{19, 3}

// Ready says why the server answers nothing yet: "" when it does, else the reason that stands behind "Service node is not ready: ".
func (s *Server) Ready() string {
	var reasons []string
	if fork := s.config.Network.Fork(); slices.Compare(fork[:], firstFork[:]) < 0 {
		reasons = append(reasons, "not yet on hardfork 19.3")
	}
	if !s.view().placed() {
		reasons = append(reasons, "not in any swarm")
	}
	return strings.Join(reasons, "; ")
}

// contact is a node in get_swarm.
type contact struct {
	Address string `json:"address"`
	IP      string `json:"ip"`
	Port    string `json:"port"` // a string, and port_https a number (recorded)
	HTTPS   uint16 `json:"port_https"`
	OMQ     uint16 `json:"port_omq"`
	QUIC    uint16 `json:"port_quic"`
	Ed25519 key    `json:"pubkey_ed25519"`
	Legacy  key    `json:"pubkey_legacy"`
	X25519  key    `json:"pubkey_x25519"`
}

// swarmReply is the answer of get_swarm and the body of 421.
type swarmReply struct {
	HF     [2]int    `json:"hf"`
	Snodes []contact `json:"snodes"`
	Swarm  string    `json:"swarm"` // hex without leading zeros (recorded)
	T      int64     `json:"t"`
}

// swarm answers which nodes keep an account's messages.
func (s *Server) swarm(v *view, id snode.ID, status int) Reply {
	swarm, ok := v.swarmOf(id)
	if !ok {
		swarm = snode.NoSwarm
	}
	nodes := v.in[swarm]
	if s.lies().Swarm {
		nodes = nil // the members of all other swarms: the liar sends its clients astray
		for _, m := range v.members {
			if m.Swarm != swarm && m.Swarm != snode.NoSwarm {
				nodes = append(nodes, m)
			}
		}
	}
	r := swarmReply{HF: s.config.Network.Fork(), Snodes: make([]contact, 0, len(nodes)), Swarm: strconv.FormatUint(swarm, 16), T: s.now()}
	for _, m := range nodes {
		if !m.IP.IsValid() || m.HTTPS == 0 || m.OMQ == 0 {
			continue // no contact data yet (spec C.5)
		}
		r.Snodes = append(r.Snodes, contact{
			Address: snode.Address(m.Legacy), IP: m.IP.String(), Port: strconv.Itoa(int(m.HTTPS)), HTTPS: m.HTTPS, OMQ: m.OMQ, QUIC: m.OMQ,
			Ed25519: m.Ed25519, Legacy: m.Legacy, X25519: m.X25519,
		})
	}
	return encode(status, r)
}

// misplaced is the answer to a request for an account that is not the server's swarm's; nil if it is.
func (s *Server) misplaced(v *view, id snode.ID) *Reply {
	var r Reply
	switch {
	case v.mine(id):
		return nil
	case len(v.swarms) == 0:
		r = text(http.StatusInternalServerError, "No swarms known!")
	default:
		r = s.swarm(v, id, http.StatusMisdirectedRequest)
	}
	return &r
}
