package devnet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is something wrong with one part of a network, by name. As text it is TARGET:NAME or TARGET:NAME=VALUE.
//
//	TARGET  oxend, oxend2 … (a daemon), a node's number, 2-5 (several), all (every node)
//	NAME    of nodes: down, slow=2s, lossy=0.3, clock=-90s, drop-onions, no-oxend, backwards=5, ahead=5, lie-ons,
//	        lie-swarm, lie-signature, lie-nodes, status=503
//	        of daemons: error, busy, stall, truncate, huge, garbage, backwards=5, silent, lie-ons, slow=2s, lossy=0.3, fork=3
//	        of both: ok, which ends all of them
//
// Faults of one target add up.
type Fault struct {
	Target, Name, Value string
}

// String returns the text that ParseFaults reads.
func (f Fault) String() string {
	if f.Value == "" {
		return f.Target + ":" + f.Name
	}
	return f.Target + ":" + f.Name + "=" + f.Value
}

// text is the fault without its target.
func (f Fault) text() string { return strings.TrimPrefix(f.String(), f.Target+":") }

// ErrFault is what errors about the text of faults wrap.
var ErrFault = errors.New("invalid fault")

// ParseFaults reads faults separated by commas. "" is none.
func ParseFaults(text string) ([]Fault, error) {
	var list []Fault
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		target, rest, ok := strings.Cut(item, ":")
		if !ok || target == "" {
			return nil, fmt.Errorf("%w: %q: write TARGET:NAME[=VALUE], as 3:down or oxend:slow=2s", ErrFault, item)
		}
		f := Fault{Target: target}
		f.Name, f.Value, _ = strings.Cut(rest, "=")
		if err := f.check(); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// check tells whether the fault is one, whatever the network.
func (f Fault) check() error {
	if _, ok := f.daemon(); ok {
		return f.change(&DaemonFaults{})
	}
	if _, _, ok := f.nodes(1 << 20); !ok {
		return fmt.Errorf("%w: no target %q: use oxend, oxend2, a node's number, 2-5 or all", ErrFault, f.Target)
	}
	return f.change(&NodeFaults{})
}

// daemon returns the place of the daemon that is meant, if one is.
func (f Fault) daemon() (int, bool) {
	rest, ok := strings.CutPrefix(f.Target, "oxend")
	if !ok || rest == "" {
		return 0, ok
	}
	i, err := strconv.ParseUint(rest, 10, 8)
	return int(i) - 1, err == nil && i > 0
}

// nodes returns the first and the last of the nodes that are meant, of n.
func (f Fault) nodes(n int) (first, last int, ok bool) {
	if f.Target == "all" {
		return 0, n - 1, true
	}
	from, to, several := strings.Cut(f.Target, "-")
	a, err := strconv.ParseUint(from, 10, 31)
	if err != nil {
		return 0, 0, false
	}
	b := a
	if several {
		if b, err = strconv.ParseUint(to, 10, 31); err != nil {
			return 0, 0, false
		}
	}
	return int(a), int(b), a <= b && int(b) < n
}

// nodeFaults are the faults of nodes: each changes what is wrong already.
var nodeFaults = map[string]func(f *NodeFaults, value string) error{
	"ok":            func(f *NodeFaults, v string) error { *f = NodeFaults{}; return none(v) },
	"down":          func(f *NodeFaults, v string) error { f.Down = true; return none(v) },
	"slow":          func(f *NodeFaults, v string) (err error) { f.Delay, err = delay(v); return err },
	"lossy":         func(f *NodeFaults, v string) (err error) { f.Loss, err = share(v); return err },
	"clock":         func(f *NodeFaults, v string) (err error) { f.Clock, err = offset(v); return err },
	"drop-onions":   func(f *NodeFaults, v string) error { f.DropOnions = true; return none(v) },
	"no-oxend":      func(f *NodeFaults, v string) error { f.NoOxend = true; return none(v) },
	"backwards":     func(f *NodeFaults, v string) (err error) { f.Backwards, err = count(v); return err },
	"ahead":         func(f *NodeFaults, v string) (err error) { f.Ahead, err = count(v); return err },
	"lie-ons":       func(f *NodeFaults, v string) error { f.Lies.ONS = true; return none(v) },
	"lie-swarm":     func(f *NodeFaults, v string) error { f.Lies.Swarm = true; return none(v) },
	"lie-signature": func(f *NodeFaults, v string) error { f.Lies.Signature = true; return none(v) },
	"lie-nodes":     func(f *NodeFaults, v string) error { f.Lies.Nodes = true; return none(v) },
	"status":        func(f *NodeFaults, v string) (err error) { f.Status, err = status(v); return err },
}

// daemonFaults are the faults of daemons. A fork is the network's to make.
var daemonFaults = map[string]func(f *DaemonFaults, value string) error{
	"ok":        func(f *DaemonFaults, v string) error { *f = DaemonFaults{}; return none(v) },
	"error":     func(f *DaemonFaults, v string) error { f.Error = true; return none(v) },
	"busy":      func(f *DaemonFaults, v string) error { f.Busy = true; return none(v) },
	"stall":     func(f *DaemonFaults, v string) error { f.Stall = true; return none(v) },
	"truncate":  func(f *DaemonFaults, v string) error { f.Truncate = true; return none(v) },
	"huge":      func(f *DaemonFaults, v string) error { f.Huge = true; return none(v) },
	"garbage":   func(f *DaemonFaults, v string) error { f.Garbage = true; return none(v) },
	"silent":    func(f *DaemonFaults, v string) error { f.Silent = true; return none(v) },
	"lie-ons":   func(f *DaemonFaults, v string) error { f.LieONS = true; return none(v) },
	"backwards": func(f *DaemonFaults, v string) (err error) { f.Backwards, err = count(v); return err },
	"slow":      func(f *DaemonFaults, v string) (err error) { f.Delay, err = delay(v); return err },
	"lossy":     func(f *DaemonFaults, v string) (err error) { f.Loss, err = share(v); return err },
	"fork":      func(_ *DaemonFaults, v string) error { _, err := count(v); return err },
}

// change makes the fault part of what is wrong with a node or a daemon.
func (f Fault) change(to any) (err error) {
	known := ""
	switch to := to.(type) {
	case *NodeFaults:
		if set := nodeFaults[f.Name]; set != nil {
			err = set(to, f.Value)
			break
		}
		known = strings.Join(slices.Sorted(maps.Keys(nodeFaults)), ", ")
	case *DaemonFaults:
		if set := daemonFaults[f.Name]; set != nil {
			err = set(to, f.Value)
			break
		}
		known = strings.Join(slices.Sorted(maps.Keys(daemonFaults)), ", ")
	}
	if known != "" {
		return fmt.Errorf("%w: %s: no fault %q there: use one of %s", ErrFault, f.Target, f.Name, known)
	}
	if err != nil {
		return fmt.Errorf("%w: %v: %v", ErrFault, f, err)
	}
	return nil
}

func none(v string) error {
	if v != "" {
		return errors.New("takes no value")
	}
	return nil
}

func delay(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return 0, errors.New("wants a duration, as 300ms or 2s")
	}
	return d, nil
}

func offset(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, errors.New("wants a duration, as -90s or 2m")
	}
	return d, nil
}

func share(v string) (float64, error) {
	p, err := strconv.ParseFloat(v, 64)
	if err != nil || !(p >= 0 && p <= 1) {
		return 0, errors.New("wants a share between 0 and 1, as 0.2")
	}
	return p, nil
}

func count(v string) (uint64, error) {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n == 0 {
		return 0, errors.New("wants a number of blocks, as 3")
	}
	return n, nil
}

func status(v string) (int, error) {
	switch v {
	case "400", "401", "403", "404", "429", "500", "502", "503", "504":
		n, err := strconv.Atoi(v)
		return n, err
	}
	return 0, errors.New("wants 400, 401, 403, 404, 429, 500, 502, 503 or 504")
}
