package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"onsight/ons"
)

// doctorView is what `doctor -o json` prints.
type doctorView struct {
	Text       string           `json:"text"`
	Clients    []clientView     `json:"clients"`
	Names      []registeredView `json:"names"`
	Lookalikes *lookalikesView  `json:"lookalikes"` // null: not looked for
	Advice     []string         `json:"advice"`
	Source     string           `json:"source"`          // "index", "daemon", "exact" (a server) or "bundle"
	Revealed   int              `json:"hashes_revealed"` // to who was asked; none to an index, nor by a bundle
	Pool       *bool            `json:"pool"`            // whether a daemon's pool was looked through; null: no daemon to ask
}

type clientView struct {
	Client  string  `json:"client"`
	Outcome string  `json:"outcome"`  // finds, misses, unknown
	AsksFor *string `json:"asks_for"` // null: it asks for nothing that can be registered
	Value   *string `json:"value"`
	Why     string  `json:"why,omitempty"`
}

// registeredView is a name as the registry has it.
type registeredView struct {
	Name   string  `json:"name"`
	Type   string  `json:"type"`
	State  string  `json:"state"` // registered, needs_update, unreadable, expired, not_registered, not_mined, unknown
	Value  *string `json:"value"`
	Reason string  `json:"reason,omitempty"`
	Same   *bool   `json:"same_value,omitempty"` // of a look-alike: as the name asked about; left out where that is not known
}

type lookalikesView struct {
	By    string           `json:"by"` // "index" or "bundle"
	Tried int              `json:"tried"`
	More  bool             `json:"more"` // there are more than were tried
	Found []registeredView `json:"found"`
}

func newClientView(d ons.Verdict) clientView {
	v := clientView{Client: string(d.Client), Outcome: string(d.Outcome), Why: d.Why}
	if d.Name != (ons.Name{}) {
		v.AsksFor = text(d.Name.String())
	}
	if d.Outcome == ons.Finds {
		v.Value = text(hex.EncodeToString(d.Value.Bytes))
	}
	return v
}

func (c *patient) registered(n ons.Name) registeredView {
	v := registered(n, c.answers[n], c.network)
	if at := c.expired[n]; at != 0 && v.State == "not_registered" {
		v.State, v.Reason = string(ons.StatusExpired), fmt.Sprintf("at height %d", at)
	}
	if c.waiting[ons.Key{Type: n.Type(), Hash: n.Hash()}] && !c.has(n) {
		v.State, v.Reason = "not_mined", "its purchase waits in the daemon's pool"
	}
	return v
}

func registered(n ons.Name, a ons.Answer, network ons.Network) registeredView {
	v := registeredView{Name: n.String(), Type: n.Type().String()}
	var shown string
	err := a.Err
	if err == nil {
		shown, err = a.Value.Text(network)
	}
	switch {
	case errors.Is(err, ons.ErrUnavailable):
		v.State, v.Reason = "unknown", "it could not be found out whether it is registered"
	case errors.Is(err, ons.ErrNotFound):
		v.State = "not_registered"
	case err != nil:
		v.State, v.Reason = "unreadable", "what its owner stored is no value of this name"
	case a.Legacy:
		v.State, v.Value = string(ons.StatusNeedsUpdate), &shown
	default:
		v.State, v.Value = string(ons.StatusRegistered), &shown
	}
	return v
}

func (p program) printDoctor(v doctorView, who string) error {
	tw := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CLIENT\tASKS FOR\tFINDS")
	for _, c := range v.Clients {
		asks, finds := "-", "nothing: "+c.Why
		if c.AsksFor != nil {
			asks = *c.AsksFor
		}
		if c.Value != nil {
			finds = *c.Value
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", c.Client, asks, finds)
	}
	if len(v.Names) > 0 {
		fmt.Fprintln(tw, "\nTYPE\tNAME\tSTATE")
	}
	for _, n := range v.Names {
		fmt.Fprintln(tw, n.line())
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout)
	switch l := v.Lookalikes; {
	case len(v.Names) == 0:
	case l == nil:
		fmt.Fprintln(p.stdout, "look-alikes: not looked for, as who was asked would know the name by them; a bundle tells (onsight bundle pull), or an index of your own")
	case l.More:
		fmt.Fprintf(p.stdout, "look-alikes: %d registered of the nearest %d\n", len(l.Found), l.Tried)
	default:
		fmt.Fprintf(p.stdout, "look-alikes: %d registered of %d\n", len(l.Found), l.Tried)
	}
	if l := v.Lookalikes; l != nil && len(l.Found) > 0 {
		for _, n := range l.Found {
			fmt.Fprintln(tw, n.line())
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	for _, s := range v.Advice {
		fmt.Fprintln(p.stdout, "advice: "+s)
	}
	_, err := fmt.Fprintln(p.stdout, "asked: "+who)
	return err
}

// who is who was asked, and what they learnt.
func (c *patient) who() string {
	who := "nobody"
	switch c.source {
	case fromIndex:
		who = "an index on this machine: nobody learnt anything"
	case fromBundle:
		who = "the bundle on this machine: nobody learnt anything"
		if c.server != "" {
			who = fmt.Sprintf("the bundle of %s, which learnt your address and that its bundle was asked for, and nothing of the name", c.server)
		}
	case fromDaemon:
		who = fmt.Sprintf("a daemon, which learnt your address and the hashes of the names above: %d", c.revealed())
	case fromExact:
		who = fmt.Sprintf("a server, which learnt your address and the hashes of the names above: %d", c.revealed())
	}
	if c.waiting != nil && c.source != fromDaemon {
		who += "; and a daemon for all of its pool"
	}
	return who
}

// line is a row of a table.
func (v registeredView) line() string {
	s := v.Type + "\t" + v.Name + "\t" + strings.ReplaceAll(v.State, "_", " ")
	if v.Reason != "" {
		s += ": " + v.Reason
	}
	if v.Value != nil {
		s += ": " + *v.Value
	}
	switch {
	case v.Same == nil:
	case *v.Same:
		s += " (the same)"
	default:
		s += " (another)"
	}
	return s
}
