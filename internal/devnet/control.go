package devnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"onsight/ons"
)

// Status is what a running network says of itself.
type Status struct {
	Height      uint64    `json:"height"` // of the newest block
	Tip         string    `json:"tip"`
	Oxend       []string  `json:"oxend"`
	Seeds       []string  `json:"seeds"`
	LokinetYear uint64    `json:"lokinet_year"`
	Nodes       int       `json:"nodes"`
	Staked      int       `json:"staked"`
	Active      int       `json:"active"`
	Swarms      int       `json:"swarms"`
	Names       [3]uint64 `json:"names"` // session, wallet, lokinet
	Pool        int       `json:"pool"`
}

// NodeStatus is one node of a running network.
type NodeStatus struct {
	Node   int      `json:"node"`
	Key    string   `json:"key"` // on the chain
	URL    string   `json:"url"`
	State  string   `json:"state"`           // awaiting, active, decommissioned, unlocking or gone
	Swarm  string   `json:"swarm,omitempty"` // hex
	Credit int64    `json:"credit"`          // blocks
	Faults []string `json:"faults,omitempty"`
}

// Command is what a running network can be told to do. Which fields count depends on the path it is sent to.
type Command struct {
	Blocks  int      `json:"blocks,omitempty"`  // mine, pop: how many; zero: 1
	Depth   int      `json:"depth,omitempty"`   // reorg; zero: 1
	Type    string   `json:"type,omitempty"`    // register, update, renew: if not said lokinet for NAME.loki, else session
	Name    string   `json:"name,omitempty"`    // register, update, renew
	Value   string   `json:"value,omitempty"`   // register, update: as ParseNameValue reads it
	Years   uint8    `json:"years,omitempty"`   // register, renew: of a lokinet name
	Node    int      `json:"node,omitempty"`    // node
	Act     string   `json:"act,omitempty"`     // node: decommission, recommission, deregister, unlock, move or stake
	Reasons []string `json:"reasons,omitempty"` // node: of a decommission or deregistration
	Faults  string   `json:"faults,omitempty"`  // faults: as ParseFaults reads them
}

// ErrCommand is what errors about a command that makes no sense wrap.
var ErrCommand = errors.New("invalid command")

// Control answers commands: POST /mine /reorg /pop /register /update /renew /node /faults with a Command, GET /status /nodes /events.
// A reply is JSON: what was asked for, or after a command the Status, or {"error": "…"} with status 400. It is meant for a unix
// socket, as whoever may send to it may do everything.
func (n *Network) Control() http.Handler {
	mux := http.NewServeMux()
	for path, show := range map[string]func() any{
		"GET /status": func() any { return n.Status() },
		"GET /nodes":  func() any { return n.NodeStatus() },
		"GET /events": func() any { return n.Events() },
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, show()) })
	}
	for path, act := range map[string]func(Command) error{
		"POST /mine":     func(c Command) error { return n.moved(c.Blocks, n.Mine) },
		"POST /reorg":    func(c Command) error { return n.moved(c.Depth, n.Reorg) },
		"POST /pop":      func(c Command) error { return n.moved(c.Blocks, n.PopBlocks) },
		"POST /register": n.registerCommand,
		"POST /update":   n.updateCommand,
		"POST /renew":    n.renewCommand,
		"POST /node":     n.nodeCommand,
		"POST /faults":   n.faultsCommand,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			var c Command
			d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
			d.DisallowUnknownFields()
			err := d.Decode(&c)
			if err == nil {
				if _, more := d.Token(); more != io.EOF {
					err = fmt.Errorf("%w: one command at a time", ErrCommand)
				}
			} else if errors.Is(err, io.EOF) {
				err = nil // no body is a command without fields
			}
			if err == nil {
				err = act(c)
			}
			if err != nil {
				writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
				return
			}
			writeJSON(w, http.StatusOK, n.Status())
		})
	}
	return mux
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}

// maxMoved bounds the blocks of one command.
const maxMoved = 10_000

func (n *Network) moved(k int, move func(int)) error {
	if k == 0 {
		k = 1
	}
	if k < 1 || k > maxMoved {
		return fmt.Errorf("%w: %d blocks: 1 to %d", ErrCommand, k, maxMoved)
	}
	move(k)
	return nil
}

func (c Command) name() (ons.Name, error) {
	t := ons.Session
	if strings.HasSuffix(c.Name, ".loki") {
		t = ons.Lokinet
	}
	if c.Type != "" {
		var err error
		if t, err = ons.ParseType(c.Type); err != nil {
			return ons.Name{}, fmt.Errorf("%w: no type %q: use session, wallet or lokinet", ErrCommand, c.Type)
		}
	}
	return ons.ParseName(t, c.Name)
}

// named reads a command's name and value.
func (n *Network) named(c Command) (ons.Name, ons.Value, error) {
	name, err := c.name()
	if err != nil {
		return name, ons.Value{}, err
	}
	value, err := ParseNameValue(name.Type(), c.Value, n.chain.Network())
	return name, value, err
}

func (n *Network) registerCommand(c Command) error {
	name, value, err := n.named(c)
	if err != nil {
		return err
	}
	_, err = n.Register(name, value, c.Years)
	return err
}

func (n *Network) updateCommand(c Command) error {
	name, value, err := n.named(c)
	if err != nil {
		return err
	}
	_, err = n.Update(name, value)
	return err
}

func (n *Network) renewCommand(c Command) error {
	name, err := c.name()
	if err != nil {
		return err
	}
	_, err = n.Renew(name, c.Years)
	return err
}

func (n *Network) faultsCommand(c Command) error {
	faults, err := ParseFaults(c.Faults)
	if err != nil {
		return err
	}
	if len(faults) == 0 {
		return fmt.Errorf("%w: no faults named", ErrCommand)
	}
	return n.Inject(faults...)
}
