package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"onsight/ons"
)

const (
	maxTyped      = 256  // bytes of what the doctor looks at
	maxLookalikes = 1000 // how many are looked up
)

var (
	errNobodyFinds = errors.New("no Session client finds this")
	errSomeMiss    = errors.New("not every Session client finds this")
)

func (p program) doctorCommand(f *flags) *cobra.Command {
	var opt doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor NAME",
		Short: "Say which clients find a name, and why not",
		Long: `Say which clients find a name, and why not: what each of the Session clients makes of NAME when somebody types it, whether
that is registered and can be read, and which registered names look like it. Clients differ in capitals, blanks, letters that are
not ASCII and values of 2020, so give NAME as your friends type it.

Asked is who resolve asks: the database if there is one (--db), else a daemon (--oxend). With --server the bundle that is kept here is
brought up to date by that of an onsight server, and everything looked up in it: several hashes, or ranges of them, that belong to one
text would give it away. --exact sends the hashes all the same. --offline takes the bundle as it is. With a daemon named, its pool of
transactions is looked through for names that are bought and not mined yet.

Look-alikes are looked for in a database or a bundle only: who is asked for all of them knows the name.

` + typedHelp + `

Exit codes: 0 every client finds it · 1 some do not · 3 could not find out · 4 none does, or NAME.loki is not registered`,
		Example: `  onsight doctor mag69
  onsight doctor 'Ünal' --server https://names.example.org`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := p.typed(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := opt.check(); err != nil {
				return err
			}
			if err := checkTyped(text); err != nil {
				return err
			}
			return p.doctor(cmd.Context(), f, text, opt)
		},
	}
	cmd.Flags().StringVar(&opt.server, "server", "", "look into the bundle of the onsight server at `URL`")
	cmd.Flags().BoolVar(&opt.exact, "exact", false, "send the server the hashes of all readings")
	cmd.Flags().BoolVar(&opt.offline, "offline", false, "ask nobody: look into the bundle")
	return cmd
}

// doctorOptions are whom to ask.
type doctorOptions struct {
	server         string
	exact, offline bool
}

func (o *doctorOptions) check() error {
	switch {
	case o.offline && o.server != "":
		return usagef("--offline: asks nobody: leave --server out")
	case o.exact && o.server == "":
		return usagef("--exact: is about --server")
	}
	return nil
}

// checkTyped refuses what no client takes for a name to look up.
func checkTyped(typed string) error {
	_, notID := ons.ParseValue(ons.Session, strings.TrimSpace(typed), ons.Mainnet)
	switch {
	case strings.TrimSpace(typed) == "":
		return usagef("the name is empty")
	case notID == nil:
		return usagef("this is a Session id: clients take it as it is, and look no name up")
	case len(typed) > maxTyped:
		return usagef("longer than %d bytes: no name is", maxTyped)
	case !utf8.ValidString(typed):
		return usagef("not UTF-8")
	}
	return nil
}

// patient is a text under the doctor's eyes, and all that was found out about it.
type patient struct {
	text     string
	loki     bool // it is written as a lokinet name
	readings []ons.Reading
	names    []ons.Name // to ask for: the clients' session names, then the first of them as a wallet and a lokinet name
	main     ons.Name   // of names, the one it is about
	answers  map[ons.Name]ons.Answer
	expired  map[ons.Name]uint64 // at which height, where that is known
	waiting  map[ons.Key]bool    // in a daemon's pool; nil: it was not looked through
	source   string
	server   string // that gave the bundle; "" if none was asked
	doubt    error  // why the bundle does not tell what is not registered; nil if it does
	network  ons.Network
}

// admit works out what is to be asked about a text.
func admit(text string) *patient {
	c := &patient{text: text, readings: ons.Readings(text), answers: map[ons.Name]ons.Answer{}, expired: map[ons.Name]uint64{}}
	for _, r := range c.readings {
		if r.Name != (ons.Name{}) && !slices.Contains(c.names, r.Name) {
			c.names = append(c.names, r.Name)
		}
	}
	var plain string
	plain, c.loki = strings.CutSuffix(strings.ToLower(strings.TrimSpace(text)), ".loki")
	if len(c.names) > 0 {
		plain = c.names[0].String()
	} else if n, err := ons.ParseName(ons.Session, plain); err == nil {
		c.names = append(c.names, n)
	}
	for _, t := range []ons.Type{ons.Wallet, ons.Lokinet} {
		if n, err := ons.ParseName(t, plain); err == nil {
			c.names = append(c.names, n)
		}
	}
	for _, n := range c.names {
		if c.main == (ons.Name{}) && (n.Type() == ons.Lokinet) == c.loki {
			c.main = n
		}
	}
	return c
}

func (p program) doctor(ctx context.Context, f *flags, text string, opt doctorOptions) error {
	c := admit(text)
	v := doctorView{Text: text}
	var err error
	if len(c.names) > 0 {
		v.Lookalikes, err = p.examine(ctx, f, c, opt)
	}
	if err != nil {
		return err
	}
	if (len(f.oxend) > 0 || c.source == fromDaemon) && c.wanting() {
		looked := true
		if err := p.lookIntoPool(ctx, f, c); err != nil {
			looked = false
			fmt.Fprintln(p.stderr, "onsight: warning: a daemon's pool could not be looked through for names that are not mined yet:", err)
		}
		v.Pool = &looked
	}
	var verdicts []ons.Verdict
	for _, r := range c.readings {
		d := r.Judge(c.answers[r.Name])
		verdicts, v.Clients = append(verdicts, d), append(v.Clients, newClientView(d))
	}
	for _, n := range c.names {
		v.Names = append(v.Names, c.registered(n))
	}
	v.Source, v.Revealed, v.Advice = c.source, c.revealed(), c.advice(verdicts)
	if f.json() {
		err = p.printJSON(v)
	} else {
		err = p.printDoctor(v, c.who())
	}
	if err != nil {
		return err
	}
	return c.outcome(verdicts)
}

// revealed is how many hashes who was asked has seen: a session and a wallet name of one text have the same.
func (c *patient) revealed() int {
	seen := map[ons.Hash]bool{}
	if c.source == fromDaemon || c.source == fromExact {
		for _, n := range c.names {
			seen[n.Hash()] = true
		}
	}
	return len(seen)
}

// has reports whether the registry has a live name, readable or not.
func (c *patient) has(n ons.Name) bool {
	a, asked := c.answers[n]
	return asked && !errors.Is(a.Err, ons.ErrNotFound) && !c.unknown(n)
}

// unknown reports whether it could not be found out if the registry has a name.
func (c *patient) unknown(n ons.Name) bool { return errors.Is(c.answers[n].Err, ons.ErrUnavailable) }

// advice is what the owner, or who looks for the name, can do.
func (c *patient) advice(verdicts []ons.Verdict) []string {
	out := []string{}
	add := func(s string) { out = append(out, s) }
	values := map[string]bool{}
	session, legacy := false, false
	for _, v := range verdicts {
		if v.Outcome == ons.Finds {
			values[string(v.Value.Bytes)] = true
		}
	}
	for _, n := range c.names {
		session = session || n.Type() == ons.Session && c.has(n)
		legacy = legacy || c.answers[n].Legacy
	}
	if len(values) > 1 {
		add("clients find different accounts for this text: give people the xn-- form of the right one to type")
	}
	if len(c.names) == 0 {
		add("no wallet registers such a name: it may have letters, digits, _ and -, at most 64 of them")
	}
	if legacy {
		add("its owner has to update the record from the wallet that owns it: any update brings the value into today's form")
	}
	if c.loki && session {
		add("as a session name it is typed without .loki")
	}
	if c.loki && !session {
		add("clients of the messenger look for session names only, not for lokinet ones")
	}
	if !c.loki && !session && len(c.names) > 0 {
		for _, n := range c.names {
			if n.Type() != ons.Session && c.has(n) {
				add(fmt.Sprintf("it is registered as a %s name: clients look for session names only, which are bought apart", n.Type()))
			}
		}
		waits := func(n ons.Name) bool {
			return n.Type() == ons.Session && c.waiting[ons.Key{Type: n.Type(), Hash: n.Hash()}]
		}
		if slices.ContainsFunc(c.names, waits) {
			add("it is bought and not mined yet: clients find it when the transaction is in a block, two minutes a block, and the nodes have that")
		} else if c.waiting == nil {
			add("if it was bought just now: nobody finds it before the transaction is mined and the nodes have the block")
		}
	}
	if len(values) == 1 {
		add("where it is found here and still not in an app: desktop, Android and iOS ask three nodes and give up if one does not answer or answers otherwise: try again; and bring the app up to date, as old ones look for nothing that is not ASCII")
	}
	return out
}

// outcome is the error that the exit code tells of.
func (c *patient) outcome(verdicts []ons.Verdict) error {
	if c.loki {
		if c.unknown(c.main) {
			return c.doubt
		}
		if !c.has(c.main) {
			return fmt.Errorf("as a lokinet name: %w", ons.ErrNotFound)
		}
		return nil
	}
	finds := 0
	for _, v := range verdicts {
		if v.Outcome == ons.Unknown {
			return c.doubt
		}
		if v.Outcome == ons.Finds {
			finds++
		}
	}
	switch finds {
	case 0:
		return errNobodyFinds
	case len(verdicts):
		return nil
	}
	return errSomeMiss
}
