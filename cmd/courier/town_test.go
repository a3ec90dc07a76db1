package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"onsight/internal/devnet"
	"onsight/ons"
)

// towns are the networks of scripts.
var towns sync.Map // of *testscript.TestScript → *devnet.Network

// townCommands are what scripts have beside courier.
var townCommands = map[string]func(*testscript.TestScript, bool, []string){
	"town": town, "person": person, "register": register, "point": point, "faults": faults, "code": code, "published": published, "deaf": deaf,
}

// town starts a network until the script ends: town [NODES]. courier finds it.
func town(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: town [NODES]")
	}
	cfg := devnet.Config{Seed: 7, Past: 20}
	if len(args) == 1 {
		var err error
		cfg.Nodes, err = strconv.Atoi(args[0])
		ts.Check(err)
	}
	n, err := devnet.Start(cfg)
	ts.Check(err)
	ts.Defer(func() { n.Close() })
	towns.Store(ts, n)
	ts.Defer(func() { towns.Delete(ts) })
	ts.Setenv("COURIER_SEEDS", n.Seed())
	ts.Setenv("COURIER_MAX_LATENCY", "5s") // the machine may be busy
}

func townOf(ts *testscript.TestScript) *devnet.Network {
	n, ok := towns.Load(ts)
	if !ok {
		ts.Fatalf("no town")
	}
	return n.(*devnet.Network)
}

// person makes profiles, and sets a variable to the id of each: person NAME… sets ID_NAME.
func person(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: person NAME…")
	}
	for _, name := range args {
		ts.Check(ts.Exec("courier", "init", "--profile", name, "--name", "I am "+name))
		ts.Setenv("ID_"+name, strings.TrimSpace(ts.ReadFile("stdout")))
	}
}

// register buys a name for an account: register NAME ID.
func register(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: register NAME ID")
	}
	name, value := entry(ts, args)
	_, err := townOf(ts).Register(name, value, 0)
	ts.Check(err)
}

// point has a name stand for another account: point NAME ID.
func point(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: point NAME ID")
	}
	name, value := entry(ts, args)
	_, err := townOf(ts).Update(name, value)
	ts.Check(err)
}

func entry(ts *testscript.TestScript, args []string) (ons.Name, ons.Value) {
	name, err := ons.ParseName(ons.Session, args[0])
	ts.Check(err)
	value, err := devnet.ParseNameValue(ons.Session, args[1], ons.Fakechain)
	ts.Check(err)
	return name, value
}

// deaf starts a bus that answers nothing, as a keyring does while it waits for its owner: deaf.
func deaf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: deaf")
	}
	dir, err := os.MkdirTemp("", "bus") // the script's own folder may be too long a name for a socket
	ts.Check(err)
	ts.Defer(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "bus"))
	ts.Check(err)
	ts.Defer(func() { l.Close() }) // whom it never took is sent away then
	ts.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+l.Addr().String())
}

// faults has nodes break, or mend: faults SPEC, as devnet --faults takes it.
func faults(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: faults SPEC")
	}
	list, err := devnet.ParseFaults(args[0])
	ts.Check(err)
	ts.Check(townOf(ts).Inject(list...))
}
