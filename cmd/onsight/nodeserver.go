package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"onsight/directory"
	"onsight/ons"
)

const (
	maxList      = 64 << 20 // bytes of a list of nodes: some 2 KB each
	pagesMost    = 8        // of a list
	vantagesMost = 100      // whose histories of a node are asked for
)

// serverNodes is the directory of an onsight server. The list is asked for as a whole and looked at here: the server learns neither
// filters, nor choices, nor accounts, nor paths, but which nodes' details are asked for.
type serverNodes struct {
	base *url.URL
	snap *directory.Snapshot
}

// openServer asks an onsight server for its list; gone nodes are in it only if they are asked for.
func (p program) openServer(ctx context.Context, f *flags, base string, gone bool) (*nodeSource, error) {
	u, err := serverURL(base)
	if err != nil {
		return nil, err
	}
	s := &serverNodes{base: u, snap: &directory.Snapshot{}}
	if err := s.load(ctx, gone); err != nil {
		return nil, err
	}
	switch network := string(s.snap.Network); {
	case !s.snap.Observed:
		return nil, fmt.Errorf("%s: %w", u.Host, errNoNodes)
	case f.network != "" && network != f.network:
		return nil, fmt.Errorf("%s: holds %s, not %s: %w", u.Host, orUnknown(network), f.network, errServerNetwork)
	}
	return &nodeSource{Snapshot: s.snap, of: s, name: fromServer, close: func() error { return nil }}, nil
}

// nodesReply is one page of a list.
type nodesReply struct {
	AsOf      *asOfView  `json:"as_of"`
	Network   string     `json:"network"` // "" from an older server, which does not say
	Truncated int        `json:"truncated"`
	Nodes     []nodeView `json:"nodes"`
}

// load reads the list, page by page. Where the newest block changes between pages it begins again.
func (s *serverNodes) load(ctx context.Context, gone bool) error {
	list := s.base.JoinPath("v1", "nodes")
	query := url.Values{}
	if gone {
		query.Set("state", onList+","+string(directory.Gone))
	}
	for range pagesMost {
		if n := len(s.snap.Entries); n > 0 {
			query.Set("offset", strconv.Itoa(n))
		}
		list.RawQuery = query.Encode()
		var reply nodesReply
		if err := getJSON(ctx, list, &reply, maxList); err != nil {
			return err
		}
		if reply.AsOf == nil {
			return nil
		}
		if s.snap.Observed && reply.AsOf.Hash != s.snap.Hash {
			s.snap.Entries, s.snap.Observed = nil, false
			query.Del("offset")
			continue
		}
		if err := s.take(&reply); err != nil {
			return fmt.Errorf("%s: the reply is not what an onsight server says: %w: %w", s.base.Host, ons.ErrUnavailable, err)
		}
		if reply.Truncated == 0 || len(reply.Nodes) == 0 {
			slices.SortFunc(s.snap.Entries, func(a, b directory.Entry) int { return a.Node.Key.Compare(b.Node.Key) })
			return nil
		}
	}
	return fmt.Errorf("%s: its list does not end: %w", s.base.Host, ons.ErrUnavailable)
}

// take adds a page, which has as_of.
func (s *serverNodes) take(reply *nodesReply) error {
	var r reader
	at := reply.AsOf
	s.snap.Observed, s.snap.Hash, s.snap.At = true, at.Hash, directory.Moment{Height: at.Height, Time: r.time(&at.Time)}
	s.snap.Network = r.network(reply.Network)
	for i := range reply.Nodes {
		e := reply.Nodes[i].entry(&r)
		if r.err != nil {
			return r.err
		}
		s.snap.Entries = append(s.snap.Entries, e)
	}
	return r.err
}

func (s *serverNodes) Snapshot() *directory.Snapshot { return s.snap }

// askVantages asks from where a node's history may be asked for, and puts that into the snapshot.
func (s *serverNodes) askVantages(ctx context.Context, key directory.Key) error {
	var reply struct {
		Vantages []string `json:"vantages"`
	}
	if err := getJSON(ctx, s.base.JoinPath("v1", "nodes", key.String()), &reply, maxAnswer); err != nil {
		return err
	}
	if len(reply.Vantages) > vantagesMost {
		return fmt.Errorf("%s: it has %d vantage points: %w", s.base.Host, len(reply.Vantages), ons.ErrUnavailable)
	}
	s.snap.Probers = nil
	for _, name := range reply.Vantages {
		if name != directory.Here {
			s.snap.Probers = append(s.snap.Probers, directory.Prober{Name: name})
		}
	}
	return nil
}

// Events implements nodes; key is not nil.
func (s *serverNodes) Events(ctx context.Context, key *directory.Key, after uint64, limit int) ([]directory.Stored, error) {
	u := s.base.JoinPath("v1", "nodes", key.String(), "events")
	u.RawQuery = url.Values{"after": {decimal(after)}, "limit": {strconv.Itoa(limit)}}.Encode()
	var reply struct {
		Events []nodeEventView `json:"events"`
	}
	if err := getJSON(ctx, u, &reply, maxAnswer); err != nil {
		return nil, err
	}
	var r reader
	out := make([]directory.Stored, len(reply.Events))
	for i, v := range reply.Events {
		out[i] = directory.Stored{Seq: v.Seq, Event: directory.Event{
			Height: v.Height, Time: r.time(&v.Time), Key: *key, Kind: directory.Kind(v.Kind), From: v.From, To: v.To, Reasons: v.Reasons,
		}}
	}
	return out, r.err
}

// History implements nodes; all there is is asked for.
func (s *serverNodes) History(ctx context.Context, key directory.Key, vantage string, of directory.Series, _, _ time.Time) ([]directory.Object, error) {
	u := s.base.JoinPath("v1", "nodes", key.String(), "history")
	u.RawQuery = url.Values{"vantage": {vantage}, "series": {string(of)}}.Encode()
	var reply struct {
		Objects []struct {
			objectView
			Values []*int16 `json:"values"`
		} `json:"objects"`
	}
	if err := getJSON(ctx, u, &reply, maxAnswer); err != nil {
		return nil, err
	}
	var r reader
	out := make([]directory.Object, len(reply.Objects))
	for i, v := range reply.Objects {
		out[i] = directory.Object{
			First: r.time(v.First), Last: r.time(v.Last), Interval: time.Duration(v.Interval) * time.Second, Factor: v.Factor, Count: v.Count,
		}
		for _, n := range v.Values {
			if n == nil {
				n = new(int16)
				*n = -1
			}
			out[i].Values = append(out[i].Values, directory.Value(*n))
		}
	}
	return out, r.err
}

// entry is newNodeView the other way round.
func (v *nodeView) entry(r *reader) directory.Entry {
	n := directory.Node{
		Key: directory.Key(r.key(&v.Key)), State: directory.State(v.State), Operator: optional(v.Operator), OperatorFee: r.number(v.OperatorFee),
		Contributed: r.number(v.Stake), Required: r.number(v.Required), Reserved: r.number(v.Reserved),
		Registered: v.Registered, Since: v.Since, UnlockHeight: or(v.UnlockHeight), Credit: v.Credit, Decommissions: v.Decommissions,
		LastReward: v.LastReward.Height, LastRewardIndex: v.LastReward.Index, FirstSeen: v.FirstSeen.moment(r), LastSeen: v.LastSeen.moment(r),
		StoragePort: or(v.Ports.Storage), OMQPort: or(v.Ports.OMQ), QuorumnetPort: or(v.Ports.Quorumnet),
		Ed25519: r.key(v.Ed25519), X25519: r.key(v.X25519), BLS: optional(v.BLS),
		Oxend: r.version(v.Version), Storage: r.version(v.StorageVersion), Lokinet: r.version(v.LokinetVersion), Proof: r.time(v.Proof),
		StorageReach: v.StorageReach.reach(r), LokinetReach: v.LokinetReach.reach(r), Swarm: directory.NoSwarm,
	}
	n.Active = n.State == directory.Active || n.State == directory.Unlocking
	n.Funded = n.Active || n.State == directory.Decommissioned
	for _, c := range v.Contributors {
		n.Contributors = append(n.Contributors, directory.Contributor{Address: c.Address, Amount: r.number(c.Amount), Reserved: r.number(c.Reserved)})
	}
	if v.Swarm != nil {
		n.Swarm = r.hex(*v.Swarm)
	}
	if v.Reasons != nil {
		n.Reasons, n.ReasonsMaybe = v.Reasons.All, v.Reasons.Some
	}
	if v.IP != nil {
		n.IP = r.address(*v.IP)
	}
	e := directory.Entry{Node: n, Place: directory.Place{
		Country: optional(v.Country), CountryUnknown: v.Place.CountryUnknown,
		AS: or(v.AS), ASName: optional(v.Place.ASName), ASUnknown: v.Place.ASUnknown,
	}}
	if v.Estimate != nil {
		e.Estimate = v.Estimate.estimate(r)
	}
	if d := v.Verdict; d != nil {
		e.Verdict = directory.Verdict{Health: directory.Health(d.Health), Ups: d.Ups, Downs: d.Downs, Voters: d.Voters, Offline: d.Offline}
	}
	return e
}

func (v *estimateView) estimate(r *reader) directory.Estimate {
	return directory.Estimate{
		Tried: v.Tried, Lost: min(v.Lost, v.Tried), OK: v.OK, Failure: v.Failure, At: r.time(v.At), LastOK: r.time(v.LastOK),
		Latency: r.duration(v.Mean), Jitter: r.duration(v.Jitter), P50: r.duration(v.P50), P95: r.duration(v.P95),
		TCP: r.duration(v.TCP), TLS: r.duration(v.TLS), OMQ: r.duration(v.OMQ),
		ClockOffset: r.duration(v.Unauthenticated.ClockOffset), Version: r.version(v.Unauthenticated.Version),
	}
}

func (v seenView) moment(r *reader) directory.Moment {
	return directory.Moment{Height: v.Height, Time: r.time(v.Time)}
}

func (v reachView) reach(r *reader) directory.Reach {
	return directory.Reach{
		Known: v.Observed, OK: or(v.OK), FirstUnreachable: r.time(v.FirstUnreachable), LastUnreachable: r.time(v.LastUnreachable), LastReachable: r.time(v.LastReachable),
	}
}

// or is the value, or zero for null.
func or[T any](v *T) (zero T) {
	if v == nil {
		return zero
	}
	return *v
}

// reader reads what a server wrote, nil being zero, and keeps the first error.
type reader struct{ err error }

func (r *reader) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) key(s *string) [32]byte {
	if s == nil {
		return [32]byte{}
	}
	k, err := directory.ParseKey(*s)
	r.keep(err)
	return k
}

func (r *reader) number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	r.keep(err)
	return n
}

// network is "" for one that is not told.
func (r *reader) network(s string) ons.Network {
	if s == "" {
		return ""
	}
	n, err := ons.ParseNetwork(s)
	r.keep(err)
	return n
}

func (r *reader) hex(s string) uint64 {
	n, err := strconv.ParseUint(s, 16, 64)
	r.keep(err)
	return n
}

func (r *reader) version(s *string) directory.Version {
	if s == nil {
		return directory.Version{}
	}
	v, err := directory.ParseVersion(*s)
	r.keep(err)
	return v
}

func (r *reader) time(s *string) time.Time {
	if s == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, *s)
	r.keep(err)
	return t
}

func (r *reader) address(s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	r.keep(err)
	return a
}

// longest is more than any measurement takes, and any clock is off by.
const longest = 100 * 365 * 24 * time.Hour

func (r *reader) duration(seconds *float64) time.Duration {
	if seconds == nil {
		return 0
	}
	if *seconds != *seconds || *seconds > longest.Seconds() || *seconds < -longest.Seconds() {
		r.keep(errors.New("a duration is out of range"))
		return 0
	}
	return time.Duration(*seconds * float64(time.Second)).Round(time.Microsecond)
}
