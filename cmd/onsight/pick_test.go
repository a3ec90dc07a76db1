package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"onsight/directory"
	"onsight/ons"
)

// sameRange is a source of good nodes that are all in one /24, with 100, 101, … blocks of credit.
func sameRange(network ons.Network, nodes int) *nodeSource {
	s := &directory.Snapshot{Network: network, Observed: true}
	for i := range nodes {
		e := directory.Entry{Node: directory.Node{
			Key: directory.Key{byte(i >> 8), byte(i)}, State: directory.Active, Active: true, Funded: true, Credit: int64(100 + i),
			IP: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), StoragePort: 22021, Swarm: directory.NoSwarm, Operator: fmt.Sprint("L", i),
		}}
		e.Estimate = e.Estimate.Add(directory.Sample{
			At: time.Unix(1.7e9, 0), TCP: time.Millisecond, TLS: time.Millisecond, Info: time.Duration(10+i) * time.Millisecond, OMQ: directory.NotTried, OK: true,
		})
		s.Entries = append(s.Entries, e)
	}
	return &nodeSource{Snapshot: s, name: fromDatabase}
}

func pickOf(t *testing.T, s *nodeSource, opt pickOptions) (pickView, error) {
	t.Helper()
	var out, errs strings.Builder
	p := program{stdout: &out, stderr: &errs, env: func(string) string { return "" }}
	if err := p.printPick("json", s, opt); err != nil {
		return pickView{}, err
	}
	var v pickView
	if err := json.Unmarshal([]byte(out.String()), &v); err != nil {
		t.Fatal(err)
	}
	return v, nil
}

// TestPickUnknownNetwork: nodes of a /24 are chosen together only where it is known not to be mainnet.
func TestPickUnknownNetwork(t *testing.T) {
	t.Parallel()
	for network, want := range map[ons.Network]int{ons.Mainnet: 1, "": 1, ons.Testnet: 3} {
		v, err := pickOf(t, sameRange(network, 5), pickOptions{rules: directory.Rules{N: 3, Strategy: directory.Fast}})
		if err != nil || len(v.Nodes) != want {
			t.Errorf("%q: got %d nodes, error %v; want %d", network, len(v.Nodes), err, want)
		}
	}
}

// TestPickSeed: a seed that is named in two places means the same choice in both.
func TestPickSeed(t *testing.T) {
	t.Parallel()
	s := sameRange(ons.Testnet, 50)
	rules := directory.Rules{N: 5, Strategy: directory.Random}
	v, err := pickOf(t, s, pickOptions{rules: rules, seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := directory.Pick(directory.Seeded(7), s.Entries, rules)
	for i, p := range want {
		if got := v.Nodes[i].Key; got != p.Entry.Node.Key.String() {
			t.Errorf("node %d: got %s, want %s", i, got, p.Entry.Node.Key)
		}
	}
}

// TestWhyNone: what each node lacks by another measure is one reason all the same.
func TestWhyNone(t *testing.T) {
	t.Parallel()
	_, err := pickOf(t, sameRange(ons.Testnet, 50), pickOptions{rules: directory.Rules{N: 3, Limits: directory.Limits{MinCredit: 700}}})
	if err == nil || err.Error() != errNoGood.Error()+": of 50 nodes it has too little credit" {
		t.Errorf("got %v", err)
	}
}
