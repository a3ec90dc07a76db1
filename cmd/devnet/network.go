package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"onsight/internal/devnet"
	"onsight/ons"
)

// demoNames is how many names --names demo makes.
const demoNames = 200

// serveNetwork serves a whole network and runs the command inside, or waits.
func (o *options) serveNetwork(ctx context.Context, command, env []string, std stdio) (err error) {
	cfg, err := o.networkConfig(std)
	if err != nil {
		return err
	}
	n, err := devnet.Start(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	control, err := n.OpenControl(o.socket)
	if err != nil {
		return err
	}
	defer control.Close()
	vars := append(n.Environment(), devnet.SocketEnv+"="+control.Path())
	if len(command) == 0 {
		return wait(ctx, n.Daemon(0), vars, std)
	}
	err = execute(ctx, command, append(env, vars...), std)
	for i := range n.Daemons() {
		if crashed := n.Daemon(i).Crashed(); crashed != nil {
			return &exitError{1, crashed.Error()}
		}
	}
	return err
}

// networkConfig makes what the flags say into a configuration.
func (o *options) networkConfig(std stdio) (devnet.Config, error) {
	cfg := o.network
	cfg.Seed, cfg.Dialect, cfg.Year = o.seed, devnet.Dialect(o.dialect), o.year
	if o.addr != "127.0.0.1:0" {
		cfg.Addr = o.addr
	}
	if cfg.Nodes == 0 {
		cfg.Nodes = -1 // zero means the default to devnet, none to a person
	}
	if o.verbose {
		cfg.Log = slog.New(slog.NewTextHandler(std.err, nil))
	}
	var list []string
	for _, item := range strings.Split(o.faults, ",") {
		rate, ok := strings.CutPrefix(strings.TrimSpace(item), "dice")
		if !ok {
			list = append(list, item)
			continue
		}
		cfg.Dice = 0.2
		if rate != "" {
			var err error
			if cfg.Dice, err = strconv.ParseFloat(strings.TrimPrefix(rate, "="), 64); err != nil || !(cfg.Dice >= 0 && cfg.Dice <= 100) {
				return cfg, usage("--faults: dice=RATE wants a number of faults a block, as dice=0.2")
			}
		}
	}
	var err error
	if cfg.Faults, err = devnet.ParseFaults(strings.Join(list, ",")); err != nil {
		return cfg, usage("--faults: %v", err)
	}
	cfg.Names, err = readNames(o.names, o.seed)
	return cfg, err
}

func readNames(path string, seed uint64) ([]devnet.NameEntry, error) {
	switch path {
	case "":
		return nil, nil
	case "demo":
		return devnet.DemoNames(seed, demoNames), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usage("--names: %v", err)
	}
	defer f.Close()
	names, err := devnet.ParseNames(f, ons.Fakechain)
	if err != nil {
		return nil, fmt.Errorf("--names: %s: %w", path, err)
	}
	return names, nil
}
