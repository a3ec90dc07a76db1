package api

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"onsight/directory"
	"onsight/ons"
)

// Bounds of a choice.
const (
	picksMost = 50
	avoidMost = 100 // items of one list
)

type picksView struct {
	Strategy string     `json:"strategy" enum:"diverse,fast,random"`
	Seed     string     `json:"seed" pattern:"^[0-9]+$" doc:"With this seed, at this as_of, the same question has the same answer"`
	Nodes    []pickView `json:"nodes" nullable:"false" doc:"As they were drawn"`
	Relaxed  []string   `json:"relaxed" nullable:"false" doc:"What could not be had, in words; nothing if all could"`
}

type pickView struct {
	Key     string     `json:"key" pattern:"^[0-9a-f]{64}$" doc:"The legacy key"`
	Ed25519 *string    `json:"ed25519" pattern:"^[0-9a-f]{64}$"`
	X25519  *string    `json:"x25519" pattern:"^[0-9a-f]{64}$"`
	IP      string     `json:"ip"`
	Ports   ports      `json:"ports"`
	Latency *float64   `json:"latency" doc:"Half of the answers come within so many seconds, measured from this server"`
	Score   float64    `json:"score" minimum:"0" maximum:"1"`
	Terms   []termView `json:"terms" nullable:"false" doc:"What score is made of"`
}

func newPicksView(strategy directory.Strategy, seed uint64, picked []directory.Picked, relaxed []string) picksView {
	v := picksView{Strategy: string(strategy), Seed: decimal(seed), Nodes: make([]pickView, len(picked)), Relaxed: orEmpty(relaxed)}
	for i, p := range picked {
		n := &p.Entry.Node
		v.Nodes[i] = pickView{
			Key: n.Key.String(), Ed25519: keyText(n.Ed25519), X25519: keyText(n.X25519), IP: n.IP.String(),
			Ports:   ports{nonzero(n.StoragePort), nonzero(n.OMQPort), nonzero(n.QuorumnetPort)},
			Latency: seconds(p.Entry.Estimate.P50), Score: rounded(p.Score), Terms: newTermViews(p.Terms),
		}
	}
	return v
}

// pick answers GET /v1/nodes/pick. It is never kept: each asks for nodes of its own.
func (s *Server) pick(c *call) error {
	rules, seed, err := c.rules()
	if err != nil {
		return err
	}
	network := c.board.snap.Network
	rules.Mainnet = network == ons.Mainnet || network == "" // where it is not known, the stricter rule holds
	picked, relaxed := directory.Pick(directory.Seeded(seed), c.board.snap.Entries, rules)
	return c.reply(newPicksView(rules.Strategy, seed, picked, relaxed))
}

// rules reads the query of a choice.
func (c *call) rules() (r directory.Rules, seed uint64, err error) {
	seed, r.N, r.Strategy = rand.Uint64(), 3, directory.Diverse
	refuse := func(name, words string) error { return fmt.Errorf("%w: %s must be %s", errParameter, name, words) }
	for _, p := range pickParams {
		if !c.query.Has(p.name) {
			continue
		}
		value := c.query.Get(p.name)
		if value == "" || !p.set(&r, &seed, value) {
			return r, 0, refuse(p.name, p.words)
		}
	}
	return r, seed, nil
}

// pickParams are the query parameters of a choice.
var pickParams = []struct {
	name, words string
	set         func(r *directory.Rules, seed *uint64, value string) bool
}{
	{"n", fmt.Sprintf("how many, 1 to %d; without it 3", picksMost), func(r *directory.Rules, _ *uint64, s string) bool {
		n, err := strconv.ParseUint(s, 10, 16)
		r.N = int(n)
		return err == nil && n >= 1 && n <= picksMost
	}},
	{"strategy", "diverse, fast or random; without it diverse", func(r *directory.Rules, _ *uint64, s string) bool {
		r.Strategy = directory.Strategy(s)
		return r.Strategy == directory.Diverse || r.Strategy == directory.Fast || r.Strategy == directory.Random
	}},
	{"max_latency", "a duration up to 1m that half of the answers come within, as 500ms, which it is without it", func(r *directory.Rules, _ *uint64, s string) bool {
		d, err := time.ParseDuration(s)
		r.MaxLatency = d
		return err == nil && d > 0 && d <= time.Minute
	}},
	{"min_credit", "blocks of credit, 1 to 1440; without it 60", func(r *directory.Rules, _ *uint64, s string) bool {
		n, err := strconv.ParseUint(s, 10, 16)
		r.MinCredit = int64(n)
		return err == nil && n >= 1 && n <= 1440
	}},
	{"seed", "a number below 2^64; without it one is drawn", func(_ *directory.Rules, seed *uint64, s string) bool {
		n, err := strconv.ParseUint(s, 10, 64)
		*seed = n
		return err == nil
	}},
	{"avoid_keys", avoidWords("keys"), func(r *directory.Rules, _ *uint64, s string) bool {
		return avoided(s, &r.AvoidKeys, directory.ParseKey)
	}},
	{"avoid_operators", avoidWords("addresses"), func(r *directory.Rules, _ *uint64, s string) bool {
		return avoided(s, &r.AvoidOperators, func(s string) (string, error) { return s, nil })
	}},
	{"avoid_prefixes", avoidWords("ranges of addresses, as 10.0.0.0/8"), func(r *directory.Rules, _ *uint64, s string) bool {
		return avoided(s, &r.AvoidPrefixes, netip.ParsePrefix)
	}},
	{"avoid_countries", avoidWords("countries of two letters"), func(r *directory.Rules, _ *uint64, s string) bool {
		return avoided(strings.ToUpper(s), &r.AvoidCountries, func(s string) (string, error) {
			if len(s) != 2 {
				return "", errParameter
			}
			return s, nil
		})
	}},
	{"avoid_as", avoidWords("numbers of autonomous systems, with or without AS"), func(r *directory.Rules, _ *uint64, s string) bool {
		return avoided(strings.ToUpper(s), &r.AvoidAS, func(s string) (uint32, error) {
			n, err := strconv.ParseUint(strings.TrimPrefix(s, "AS"), 10, 32)
			return uint32(n), err
		})
	}},
}

func avoidWords(what string) string {
	return fmt.Sprintf("%s separated by commas, at most %d", what, avoidMost)
}

// avoided reads a list of what is not to be chosen.
func avoided[T any](value string, into *[]T, parse func(string) (T, error)) bool {
	if strings.Count(value, ",") >= avoidMost {
		return false
	}
	for one := range strings.SplitSeq(value, ",") {
		v, err := parse(one)
		if err != nil || one == "" {
			return false
		}
		*into = append(*into, v)
	}
	return true
}
