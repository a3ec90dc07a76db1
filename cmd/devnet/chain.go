package main

import (
	"context"
	"fmt"

	"onsight/internal/devnet"
	"onsight/ons"
)

// serveChain serves a chain without nodes, from a recording or a seed, and runs the command inside, or waits.
func (o *options) serveChain(ctx context.Context, command, env []string, std stdio) error {
	chain, err := o.chain()
	if err != nil {
		return err
	}
	d, err := devnet.Serve(chain, devnet.Options{Addr: o.addr, Public: o.public})
	if err != nil {
		return err
	}
	defer d.Close()
	vars := []string{"ONSIGHT_OXEND=" + d.URL()}
	if y := chain.Year(); y > 0 && chain.Network() == ons.Fakechain {
		vars = append(vars, fmt.Sprintf("ONSIGHT_LOKINET_YEAR=%d", y))
	}
	if len(command) == 0 {
		return wait(ctx, d, vars, std)
	}
	err = execute(ctx, command, append(env, vars...), std)
	if crashed := d.Crashed(); crashed != nil {
		return &exitError{1, crashed.Error()}
	}
	return err
}

// chain opens or generates what is to be served.
func (o *options) chain() (*devnet.Chain, error) {
	switch {
	case o.generate && o.replay != "":
		return nil, usage("give either --replay FILE or --generate")
	case o.generate && (o.config.Blocks < 1 || o.config.Ordinary < 0 || o.config.ONS < 0):
		return nil, usage("--blocks must be at least 1, --ordinary and --ons at least 0")
	case o.generate:
		o.config.Seed, o.config.Year, o.config.Dialect = o.seed, o.year, devnet.Dialect(o.dialect)
		chain, _ := devnet.Generate(o.config)
		return chain, nil
	}
	r, err := devnet.OpenRecording(o.replay)
	if err != nil {
		return nil, err
	}
	return r.Chain(), nil
}
