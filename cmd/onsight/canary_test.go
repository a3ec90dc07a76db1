package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"onsight/internal/canary"
	"onsight/internal/devnet"
	"onsight/ons"
)

// marked is a secret that the suite lets loose, and all the shapes in which it would be known again.
type marked struct {
	what   string
	public bool // it is on the chain: files made of the chain hold it
	shapes canary.Shapes
}

// of is c in the shapes of bytes too.
func (c marked) of(raw []byte) marked {
	c.shapes = c.shapes.Bytes(raw)
	return c
}

// in returns the shape in which the canary is in some bytes, or "".
func (c marked) in(b, lower []byte) string { return c.shapes.In(b, lower) }

// What is marked: a bird is a session name, a purse a wallet name, a lair a lokinet name. Those that are here are registered.
var (
	canaryNames = []string{
		"canary-bird-here", "canary-purse-here", "canary-lair-here.loki",
		"canary-bird-gone", "canary-purse-gone", "canary-lair-gone.loki",
	}
	canaryAccount = "05" + strings.Repeat("ca9a97", 10) + "ca9a"
	canaryOwner   = strings.Repeat("0ca9a970", 8)
	canaryNode    = strings.Repeat("90ca9a97", 8)
	canarySwarm   = "ca9a97ca9a97ca9a"
	canaryClients = []string{"198.51.100.77", "2001:db8:77::77"}
)

// canaries returns all that is to be found nowhere.
func canaries(t *testing.T, entries []devnet.NameEntry, staked [32]byte) []marked {
	t.Helper()
	text := func(s string) marked { return marked{what: s, shapes: canary.Text(s)} }
	var all []marked
	for _, name := range canaryNames {
		plain := strings.TrimSuffix(name, ".loki")
		all = append(all, text(plain).of([]byte(plain)))
		for _, kind := range []ons.Type{ons.Session, ons.Lokinet} { // a wallet name has the hash of the session name
			h := mustCanary(t, kind, plain).Hash()
			registered := slices.ContainsFunc(entries, func(e devnet.NameEntry) bool { return e.Name.Hash() == h })
			all = append(all, marked{what: "the hash of the " + kind.String() + " name " + plain, public: registered}.of(h[:]))
		}
	}
	for _, e := range entries {
		if e.Name.Type() == ons.Session {
			all = append(all, marked{what: "the account that a name stands for"}.of(e.Value.Bytes))
		}
	}
	for what, digits := range map[string]string{"the account": canaryAccount[2:], "the owner": canaryOwner, "the node": canaryNode, "the swarm": canarySwarm} {
		raw, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, marked{what: what}.of(raw))
	}
	all = append(all, marked{what: "the node that is looked at", public: true}.of(staked[:]))
	for _, address := range canaryClients {
		all = append(all, text(address))
	}
	return append(all, text("canary")) // all that is free text
}

// mustCanary returns the name that a text is as some type.
func mustCanary(t *testing.T, kind ons.Type, plain string) ons.Name {
	t.Helper()
	n, err := ons.ParseName(kind, strings.TrimSuffix(plain, ".loki"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// entriesOf returns the marked names that are registered, and enough others that ranges are of several bits.
func entriesOf(t *testing.T) (marked, all []devnet.NameEntry) {
	t.Helper()
	for i, kind := range []ons.Type{ons.Session, ons.Wallet, ons.Lokinet} {
		value, err := devnet.ParseNameValue(kind, "@"+canaryNames[i], ons.Fakechain)
		if err != nil {
			t.Fatal(err)
		}
		marked = append(marked, devnet.NameEntry{Name: mustCanary(t, kind, canaryNames[i]), Value: value})
	}
	return marked, append(devnet.DemoNames(7, 700), marked...)
}

// canaryRun is one way to run a command. In arguments, words in capitals stand for what startAviary puts there.
type canaryRun struct {
	args  string
	stdin string
	told  bool // the server's URLs hold what is asked about, as the user chose; else they must not
	says  bool // its error quotes the key or id that was typed
	fails bool // it exits with what is not 0: the name is not registered, the node not there
}

// canaryCommands has a line for each command of the program, in the order in which they are run. A new command needs one here.
var canaryCommands = []struct {
	command string
	runs    []canaryRun
}{
	{"onsight serve", nil}, // runs all the time: see startAviary
	{"onsight version", []canaryRun{{}}},
	{"onsight help", []canaryRun{{args: "resolve"}}},
	{"onsight completion bash", []canaryRun{{}}},
	{"onsight completion zsh", []canaryRun{{}}},
	{"onsight completion fish", []canaryRun{{}}},
	{"onsight completion powershell", []canaryRun{{}}},
	{"onsight index", []canaryRun{{args: "--once --db OWN --oxend OXEND"}}},
	{"onsight status", []canaryRun{{args: "--db OWN"}}},
	{"onsight verify", []canaryRun{{args: "--db OWN --oxend OXEND"}}},
	{"onsight bundle", []canaryRun{{}}},
	{"onsight bundle pull", []canaryRun{{args: "--server SERVER"}, {args: "--server SERVER"}}},
	{"onsight bundle resolve", []canaryRun{
		{args: "canary-bird-here"}, {args: "canary-bird-gone", fails: true}, {args: "- -o json", stdin: "canary-bird-here\n"},
	}},
	{"onsight events", []canaryRun{{args: "--db OWN"}, {args: "--server SERVER -o jsonl"}}},
	{"onsight names", []canaryRun{{args: "--db OWN"}, {args: "--expiring --server SERVER -o json"}}},
	{"onsight stats", []canaryRun{{args: "--db OWN"}, {args: "--server SERVER"}}},
	{"onsight export", []canaryRun{{args: "--db OWN --static OUT"}, {args: "--db OWN --static OUT"}}},
	{"onsight resolve", []canaryRun{
		{args: "canary-bird-here --server SERVER"},
		{args: "canary-purse-here --type wallet --server SERVER -o json"},
		{args: "canary-lair-here.loki --server SERVER"},
		{args: "CANARY-Bird-Gone --server SERVER", fails: true},
		{args: "- --server SERVER", stdin: "canary-bird-here\n"},
		{args: "canary-bird-here --exact --server SERVER", told: true},
		{args: "canary-bird-gone --exact --server SERVER", told: true, fails: true},
		{args: "canary-bird-here --history --server SERVER"},
		{args: "canary-bird-here --at-height 1 --server SERVER", fails: true},
		{args: "canary-bird-here --offline"},
		{args: "canary-lair-gone.loki --offline -o json", fails: true},
		{args: "canary-bird-here --db OWN --history"},
		{args: "canary-bird-here --db OWN --at-height 1 -o json", fails: true},
		{args: "canary-bird-gone --db OWN", fails: true},
		{args: "canary-bird-here --oxend OXEND -o json"},
		{args: "canary-bird-gone --oxend OXEND", fails: true},
		{args: "canary-bird-here --exact --server DEAD", fails: true}, // errors that say what could not be reached
		{args: "canary-bird-here --oxend DEAD", fails: true},
	}},
	{"onsight doctor", []canaryRun{
		{args: "canary-bird-here --db OWN"},
		{args: "canary-bird-gone --db OWN", fails: true},
		{args: "canary-bird-here --oxend OXEND -o json"},
		{args: "canary-bird-here --server SERVER"},
		{args: "canary-bird-here --offline"},
		{args: "- --server SERVER", stdin: "Canary-Bird-gone\n", fails: true},
		{args: "canary-bird-here --exact --server SERVER", told: true},
		{args: "canary-bird-gone --server DEAD", fails: true},
	}},
	{"onsight probe", []canaryRun{{args: "--once --db OWN --oxend OXEND"}}},
	{"onsight probe keygen", []canaryRun{{}}},
	{"onsight probers", []canaryRun{{}}},
	{"onsight probers add", []canaryRun{{args: "berlin " + strings.Repeat("11", ed25519.PublicKeySize) + " --db OWN"}}},
	{"onsight probers list", []canaryRun{{args: "--db OWN"}}},
	{"onsight probers remove", []canaryRun{{args: "berlin --db OWN"}}},
	{"onsight nodes", []canaryRun{
		{args: "--search canary-bird-here --server SERVER"}, {args: "--operator canary-bird-here --db OWN"}, {args: "--oxend OXEND"},
	}},
	{"onsight node", []canaryRun{
		{args: "STAKED --server SERVER", told: true}, {args: "STAKED --db OWN"}, {args: "STAKED --oxend OXEND"},
		{args: "NODE --server SERVER", says: true, fails: true}, {args: "NODE --db OWN", says: true, fails: true},
	}},
	{"onsight pick", []canaryRun{{args: "--avoid STAKED --max-latency 1m --server SERVER"}, {args: "--avoid STAKED --max-latency 1m --db OWN"}}},
	{"onsight swarm", []canaryRun{
		{args: "ACCOUNT --server SERVER"}, {args: "- --db OWN", stdin: canaryAccount}, {args: "ACCOUNT --oxend OXEND"},
		{args: "--id SWARM --server SERVER", says: true, fails: true},
	}},
	{"onsight paths", []canaryRun{{}}},
	{"onsight paths audit", []canaryRun{
		{args: "NODE NODE NODE --server SERVER", says: true, fails: true}, {args: "--simulate 100 --db OWN"},
	}},
	{"onsight demo", []canaryRun{{args: "--for 300ms --nodes 3 --names 10 --listen 127.0.0.1:0"}}},
	{"onsight __complete", []canaryRun{{args: "resolve canary-bird-here"}}}, // what shells run for Tab; cobra's own
}

// canaryParams are what stands for the parameters in paths, each value in turn. A new parameter needs a line here.
func canaryParams(t *testing.T) map[string][]string {
	here, gone := mustCanary(t, ons.Session, "canary-bird-here").Hash(), mustCanary(t, ons.Session, "canary-bird-gone").Hash()
	return map[string][]string{
		"type":  {"session", "canary-bird-here"},
		"hash":  {here.String(), gone.String(), strings.ToUpper(gone.String()), base64.RawURLEncoding.EncodeToString(here[:]), "canary-bird-here"},
		"owner": {canaryOwner, "canary-bird-here"},
		"bits":  {"0", "1", gone.String()},
		"index": {"0", "1", gone.String()},
		"key":   {canaryNode, "canary-bird-here"},
		"id":    {canarySwarm, "canary-bird-here"},
		"name":  {"berlin", "canary-bird-here"},
	}
}

// canaryBodies are what is sent to operations that take a body. A new one needs a line here.
func canaryBodies(t *testing.T) map[string][]string {
	here, gone := mustCanary(t, ons.Session, "canary-bird-here").Hash(), mustCanary(t, ons.Session, "canary-bird-gone").Hash()
	list := func(kind, hash string) string {
		return `{"names":[{"type":"session","hash":"` + here.String() + `"},{"type":"` + kind + `","hash":"` + hash + `"}]}`
	}
	return map[string][]string{
		"resolve":  {list("session", gone.String()), list("wallet", "canary-bird-here"), list("canary-bird-here", gone.String()), "canary-bird-here"},
		"report":   {"canary-bird-here", string(here[:])},
		"logLevel": {`{"level":"debug"}`, `{"level":"canary-bird-here"}`},
		"enrol":    {`{"key":"` + gone.String() + `"}`, "canary-bird-here"},
	}
}
