package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"onsight/client"
	"onsight/client/store"
)

const (
	oldPool   = 24 * time.Hour   // a list of nodes that is older is worth a word
	wrongTime = 30 * time.Second // servers take signatures that are 60 s off
	fewCopies = 3                // nodes of a swarm below which messages are not safe
)

// checkView is one thing that a doctor looked at.
type checkView struct {
	Check string `json:"check"`
	State string `json:"state"` // ok, warn, fail
	Says  string `json:"says"`
	Next  string `json:"next,omitempty"` // the command to try
}

// examination looks at one thing after the other.
type examination struct {
	f   *flags
	d   *desk
	say func(checkView) error

	reached bool // somebody
}

// run says of each thing how it is. The error is the context's, or that of who is told.
func (x *examination) run(ctx context.Context) error {
	for _, look := range []func(context.Context) []checkView{
		x.seeds, x.pool, x.guards, x.path, x.clock, x.rules, x.swarm, x.skipped, x.proxy,
	} {
		list := look(ctx)
		if ctx.Err() != nil {
			return ctx.Err() // what it says is that it was interrupted
		}
		for _, v := range list {
			if err := x.say(v); err != nil {
				return err
			}
		}
	}
	return nil
}

func one(check, state, next, format string, args ...any) []checkView {
	return []checkView{{Check: check, State: state, Says: fmt.Sprintf(format, args...), Next: next}}
}

// seeds: a new profile needs one of them, an old one only when its list of nodes is of no use any more.
func (x *examination) seeds(ctx context.Context) (list []checkView) {
	reports := x.d.CheckSeeds(ctx)
	if len(reports) == 0 {
		return one("seeds", "fail", "courier net doctor --seeds URL", "%s has no seed nodes that are known", x.d.account.Network)
	}
	answered := 0
	for _, r := range reports {
		if r.Err == nil {
			answered++
		}
	}
	for _, r := range reports {
		v := checkView{Check: "seed " + hostOf(r.URL), State: "ok", Says: fmt.Sprintf("lists %d nodes, in %.0f ms", r.Nodes, ms(r.Took))}
		if r.Err != nil {
			v.Says, v.State = r.Err.Error(), "warn"
			if answered == 0 {
				v.State = "fail"
			}
			switch {
			case errors.Is(r.Err, client.ErrCertificate):
				v.Next = "do not trust this network: somebody answers in its place; try --proxy socks5://…"
			case errors.Is(r.Err, client.ErrProxy):
				v.Next = "courier net doctor --proxy URL"
			case answered == 0:
				v.Next = "courier net doctor --seeds URL, or --proxy URL where they are blocked"
			}
		}
		list = append(list, v)
	}
	x.reached = answered > 0
	return list
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return u.Host
}

// pool: how many nodes are known, since when, and whether others know the same.
func (x *examination) pool(ctx context.Context) []checkView {
	r, err := x.d.CheckPool(ctx)
	if err != nil {
		return one("nodes", "fail", "courier net doctor --seeds URL", "%v", err)
	}
	age := time.Since(r.At)
	list := one("nodes", "ok", "", "%d in %d swarms, listed %s ago", r.Nodes, r.Swarms, since(age))
	if age > oldPool {
		list[0].State, list[0].Next = "warn", "courier listen renews it"
	}
	v := checkView{Check: "agreement", State: "ok", Says: fmt.Sprintf("witnesses list %d alike, %d of which are ours", r.Listed, r.Same)}
	if r.Err != nil {
		v.State, v.Says, v.Next = "warn", r.Err.Error(), "courier net doctor again: it asks others"
	} else {
		x.reached = true
	}
	return append(list, v)
}

// since is a duration as people say it.
func since(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// guards: those that are kept, in the order of preference.
func (x *examination) guards(ctx context.Context) (list []checkView) {
	if err := x.d.Connect(ctx); err != nil {
		return one("guards", "fail", "courier net doctor --max-latency 2s, or --proxy URL where nodes are blocked", "%v", err)
	}
	reports, err := x.d.CheckGuards(ctx)
	if err != nil {
		return one("guards", "fail", "", "%v", err)
	}
	working := 0
	for _, r := range reports {
		if r.Used && r.Err == nil {
			working++
		}
	}
	for _, r := range reports {
		v := checkView{Check: fmt.Sprintf("guard %x", r.Ed25519[:4]), State: "ok", Says: fmt.Sprintf("answers in %.0f ms", ms(r.Took))}
		switch {
		case r.Err != nil && working == 0:
			v.State, v.Says, v.Next = "fail", r.Err.Error(), "courier net paths -v says which others are tried"
		case r.Err != nil:
			v.State, v.Says = "warn", r.Err.Error()
		case r.Took > x.f.maxLatency:
			v.State, v.Next = "warn", "courier net paths --max-latency "+(r.Took*2).Round(100*time.Millisecond).String()
		}
		if !r.Used {
			v.Says += ", in reserve"
		}
		if !r.Failing.IsZero() {
			v.State = worse(v.State, "warn")
			v.Says += fmt.Sprintf(", failed %s ago", since(time.Since(r.Failing)))
		}
		list = append(list, v)
	}
	return list
}

func worse(a, b string) string {
	if a == "fail" {
		return a
	}
	return b
}

// path: what everything goes through.
func (x *examination) path(ctx context.Context) []checkView {
	trip, err := x.d.Ping(ctx)
	if err != nil {
		return one("path", "fail", "courier net paths -v says where requests get lost", "%v", err)
	}
	x.reached = true
	return one("path", "ok", "", "%d in use, there and back in %.0f ms", len(x.d.Paths()), ms(trip.Took))
}

// clock: messages are sent with the network's time, whatever the machine's is.
func (x *examination) clock(ctx context.Context) []checkView {
	if err := x.d.Sync(ctx); err != nil {
		return one("clock", "warn", "courier net doctor again", "%v", err)
	}
	ahead, heard := x.d.Offset()
	if ahead.Abs() >= wrongTime {
		way := "behind"
		if ahead < 0 {
			way = "ahead of"
		}
		return one("clock", "warn", "set this machine's clock (timedatectl set-ntp true)", "%s %s the network's, by %d nodes; messages carry the network's time", since(ahead.Abs()), way, heard)
	}
	return one("clock", "ok", "", "%.1f s off the network's, by %d nodes", ahead.Abs().Seconds(), heard)
}

// rules: which of those about paths cannot be kept.
func (x *examination) rules(context.Context) (list []checkView) {
	for _, rule := range x.d.Relaxed() {
		list = append(list, checkView{Check: "rules", State: "warn", Says: rule})
	}
	if list == nil {
		return one("rules", "ok", "", "all hold for the paths")
	}
	return list
}

// swarm: who keeps our messages.
func (x *examination) swarm(ctx context.Context) []checkView {
	swarm, members, err := x.d.Swarm(ctx, x.d.account.ID)
	if err != nil {
		return one("own swarm", "fail", "courier net swarm", "%v", err)
	}
	good := 0
	for _, m := range members {
		if !m.Suspect {
			good++
		}
	}
	list := one("own swarm", "ok", "", "%x: %d nodes, %d of which did not fail lately", swarm, len(members), good)
	switch {
	case good == 0:
		list[0].State, list[0].Next = "fail", "courier net swarm"
	case good < fewCopies:
		list[0].State, list[0].Next = "warn", "courier net swarm"
	}
	return list
}

// skipped: what was fetched from our own swarm and is no message to us, ever. Anybody may put anything there.
func (x *examination) skipped(ctx context.Context) []checkView {
	list, err := x.d.store.Skipped(ctx, 10)
	if err != nil {
		return one("skipped", "fail", "courier net doctor", "%v", err)
	}
	v := one("skipped", "ok", "", "nothing")
	for i, s := range list {
		if i == 0 {
			v[0].Says = ""
		} else {
			v[0].Says += "; "
		}
		v[0].Says += fmt.Sprintf("%d × %s", s.N, s.Reason)
		if s.Reason == store.ManyRequests && time.Since(s.Last) < 24*time.Hour {
			v[0].State, v[0].Next = "warn", "courier requests list"
		}
	}
	return v
}

// proxy is judged by whether anybody was reached through it.
func (x *examination) proxy(context.Context) []checkView {
	switch {
	case x.f.by == nil:
		return one("proxy", "ok", "", "none")
	case !x.reached:
		return one("proxy", "fail", "courier net doctor --proxy URL", "nobody was reached through %s", x.f.by.Host)
	}
	return one("proxy", "ok", "", "everything goes through %s", x.f.by.Host) // whose user and password are nobody's business
}
