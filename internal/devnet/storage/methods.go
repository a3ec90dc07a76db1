package storage

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"onsight/internal/snode"
)

// step is a request whose parameters are in order.
type step interface {
	answer(ctx context.Context, s *Server) Reply
}

// parser is what a method's parse works on. What it returns counts only if params.err is nil.
type parser struct {
	*params
	server *Server
	depth  int // of ifelse
}

// method is one RPC method.
type method struct {
	parse func(*parser) step
	meta  bool // made of requests itself
}

// second is the first version with the methods of 2026.
var second = [3]uint16{2, 11, 0}

// method finds one by its name.
func (s *Server) method(name string) (method, bool) {
	switch name {
	case "store":
		return method{parse: parseStore}, true
	case "retrieve":
		return method{parse: parseRetrieve}, true
	case "get_swarm", "get_snodes_for_pubkey":
		return method{parse: parseGetSwarm}, true
	case "info":
		return method{parse: func(*parser) step { return info{} }}, true
	case "oxend_request":
		return method{parse: parseOxend}, true
	case "get_expiries":
		return method{parse: parseGetExpiries}, true
	case "delete":
		return method{parse: parseDelete}, true
	case "delete_all":
		return method{parse: parseDeleteAll}, true
	case "delete_before":
		return method{parse: parseDeleteBefore}, true
	case "expire":
		return method{parse: parseExpire}, true
	case "expire_all":
		return method{parse: parseExpireAll}, true
	case "revoke_subaccount":
		return method{parse: parseRevoke}, true
	case "unrevoke_subaccount":
		return method{parse: parseUnrevoke}, true
	case "batch":
		return method{parse: func(p *parser) step { return batch(parseRequests(p)) }, meta: true}, true
	case "sequence":
		return method{parse: func(p *parser) step { return sequence(parseRequests(p)) }, meta: true}, true
	case "ifelse":
		return method{parse: parseIfelse, meta: true}, true
	}
	if version := s.config.Version(); slices.Compare(version[:], second[:]) >= 0 {
		switch name {
		case "active_nodes_bin":
			return method{parse: func(*parser) step { return activeNodes{} }}, true
		case "revoked_subaccounts":
			return method{parse: parseRevoked}, true
		}
	}
	return method{}, false
}

// info says version and time.
type info struct{}

func (info) answer(_ context.Context, s *Server) Reply {
	t := s.now()
	return encode(http.StatusOK, struct {
		HF        [2]int    `json:"hf"`
		T         int64     `json:"t"`
		Timestamp int64     `json:"timestamp"`
		Version   [3]uint16 `json:"version"`
	}{s.config.Network.Fork(), t, t, s.config.Version()})
}

// getSwarm is answered by any server.
type getSwarm struct{ id snode.ID }

func parseGetSwarm(p *parser) step {
	text, ok := alias(p.params, "pubkey", "pubKey", p.text)
	return getSwarm{p.id(text, ok, badSwarmPubkey)}
}

func (r getSwarm) answer(_ context.Context, s *Server) Reply {
	return s.swarm(s.view(), r.id, http.StatusOK)
}

// activeNodes is all nodes in swarms, 51 bytes each:
//
//	Ed25519 key(32) || swarm u64be || IPv4(4) || HTTPS port u16be || OMQ port u16be || version(3), each at most 255
type activeNodes struct{}

func (activeNodes) answer(_ context.Context, s *Server) Reply {
	var b []byte
	for _, m := range s.view().members {
		if m.Swarm == snode.NoSwarm {
			continue
		}
		b = append(b, m.Ed25519[:]...)
		b = binary.BigEndian.AppendUint64(b, m.Swarm)
		if !m.IP.Is4() {
			b = append(b, make([]byte, 4+2+2+3)...) // no proof yet
			continue
		}
		ip := m.IP.As4()
		b = append(b, ip[:]...)
		b = binary.BigEndian.AppendUint16(b, m.HTTPS)
		b = binary.BigEndian.AppendUint16(b, m.OMQ)
		for _, n := range m.Version {
			b = append(b, byte(min(n, 255)))
		}
	}
	return Reply{Status: http.StatusOK, Body: b, Type: Binary}
}

// oxendTimeout is how long a server waits for its daemon (recorded).
const oxendTimeout = 15 * time.Second

// oxendRequest is passed to the server's own daemon.
type oxendRequest struct {
	endpoint string
	params   json.RawMessage
}

func parseOxend(p *parser) step {
	endpoint, ok := p.text("endpoint")
	params, given := p.field("params")
	p.require("endpoint", ok)
	if given && params[0] != '{' {
		p.expected("params", "object")
	}
	if endpoint != "get_service_nodes" && endpoint != "ons_resolve" {
		p.fail("Invalid oxend endpoint '%s'", endpoint)
	}
	if !given {
		params = json.RawMessage("{}")
	}
	return oxendRequest{endpoint, params}
}

// begin does not wait for the daemon; what it returns does, and must be called.
func (r oxendRequest) begin(ctx context.Context, s *Server) func() Reply {
	reply := make(chan Reply, 1)
	go func() { reply <- s.do(ctx, r) }()
	return func() Reply { return <-reply }
}

func (r oxendRequest) answer(ctx context.Context, s *Server) Reply {
	ctx, cancel := context.WithTimeout(ctx, oxendTimeout)
	defer cancel()
	result, err := s.config.Network.Oxend(ctx, r.endpoint, r.params)
	var refused *DaemonError
	if errors.As(err, &refused) {
		return text(http.StatusBadRequest, refused.Error())
	} else if err != nil {
		return text(http.StatusBadRequest, "Unknown oxend error")
	}
	if !json.Valid(result) {
		return text(http.StatusBadGateway, "oxend returned unparsable data")
	}
	if s.lies().ONS && r.endpoint == "ons_resolve" {
		result = s.falsified(r.params, result)
	}
	if s.lies().Nodes && r.endpoint == "get_service_nodes" {
		result = strangers(result)
	}
	return encode(http.StatusOK, struct {
		HF     [2]int          `json:"hf"`
		Result json.RawMessage `json:"result"`
		T      int64           `json:"t"`
	}{s.config.Network.Fork(), result, s.now()})
}

// strangers is an answer of get_service_nodes in which each node has another Ed25519 key.
func strangers(result json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	var states []map[string]json.RawMessage
	if json.Unmarshal(result, &fields) != nil || json.Unmarshal(fields["service_node_states"], &states) != nil {
		return result
	}
	for _, state := range states {
		if key, ok := str(state["pubkey_ed25519"]); ok && len(key) > 2 {
			state["pubkey_ed25519"] = marshal(key[2:] + key[:2])
		}
	}
	fields["service_node_states"] = marshal(states)
	return marshal(fields)
}

// falsified is an answer of ons_resolve with another sealed value: the forged one, or one that opens under no name. One without a value
// stays as it is.
func (s *Server) falsified(params, result json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(result, &fields); err != nil {
		return result
	}
	value, _ := str(fields["encrypted_value"])
	sealed, err := hex.DecodeString(value)
	if err != nil || len(sealed) == 0 {
		return result
	}
	if s.config.Forge != nil {
		if value, nonce, ok := s.config.Forge(params); ok {
			fields["encrypted_value"], fields["nonce"] = marshal(value), marshal(nonce)
			return marshal(fields)
		}
	}
	sealed[0] ^= 1
	fields["encrypted_value"] = marshal(hex.EncodeToString(sealed))
	return marshal(fields)
}
