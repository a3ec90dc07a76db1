package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"onsight/indexer"
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
			text, err := p.typed(args[0])
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
	State  string  `json:"state"` // registered, needs_update, unreadable, expired, not_registered, not_mined
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

// examine asks whom resolve asks for every name, and a database or a bundle for look-alikes too.
func (p program) examine(ctx context.Context, f *flags, c *patient, opt doctorOptions) (*lookalikesView, error) {
	switch {
	case opt.exact:
		return p.examineExact(ctx, f, c, opt.server)
	case opt.server != "":
		r, err := f.openRemote(ctx, opt.server)
		if err != nil {
			return nil, err
		}
		got, _, err := p.freshBundle(ctx, f, r)
		if err != nil {
			return nil, err
		}
		c.server = r.Host()
		return c.examineBundle(ctx, got.Bundle)
	case opt.offline:
		b, err := f.readBundle(p.env)
		if err != nil {
			return nil, err
		}
		if warning := stale(b.At()); warning != "" {
			fmt.Fprintln(p.stderr, "onsight: warning:", warning)
		}
		return c.examineBundle(ctx, b)
	}
	local := f.path() != ""
	if !local && len(f.oxend) == 0 {
		var err error
		if local, err = f.hasDatabase(p.env); err != nil {
			return nil, err
		}
	}
	if local {
		seen, err := p.examineIndex(ctx, f, c)
		if !errors.Is(err, ons.ErrUnavailable) || len(f.oxend) == 0 {
			return seen, err
		}
	}
	pool, err := f.pool(f.logger(p, slog.LevelWarn), indexer.State{})
	if err != nil {
		return nil, err
	}
	pick, err := pool.Pick(ctx, nil)
	if err != nil {
		return nil, err
	}
	c.source, c.network = fromDaemon, pick.Identity.Network
	err = c.ask(func(n ons.Name) (ons.Sealed, error) { return pool.Lookup(ctx, n.Type(), n.Hash()) })
	if err != nil {
		return nil, err
	}
	return p.stored(ctx, f, c)
}

// examineExact sends a server all hashes, as it was told to.
func (p program) examineExact(ctx context.Context, f *flags, c *patient, server string) (*lookalikesView, error) {
	r, err := f.openRemote(ctx, server)
	if err != nil {
		return nil, err
	}
	if !r.Ready() {
		fmt.Fprintln(p.stderr, "onsight: warning: the server does not know the newest blocks: this may be out of date")
	}
	c.source, c.network = fromExact, r.Network()
	if err := c.ask(func(n ons.Name) (ons.Sealed, error) { return r.Exact().Lookup(ctx, n.Type(), n.Hash()) }); err != nil {
		return nil, err
	}
	return p.stored(ctx, f, c)
}

// stored looks for look-alikes in the bundle that is kept here; nil if there is none that can be read.
func (p program) stored(ctx context.Context, f *flags, c *patient) (*lookalikesView, error) {
	own := *f
	own.network = string(c.network)
	b, err := own.readBundle(p.env)
	switch {
	case err == nil:
		return c.lookalikes(ctx, fromBundle, inBundle(b))
	case !errors.Is(err, errNoBundle):
		fmt.Fprintf(p.stderr, "onsight: warning: %v: look-alikes are not looked for\n", err)
	}
	return nil, nil
}

// examineBundle asks nobody.
func (c *patient) examineBundle(ctx context.Context, b *ons.Bundle) (*lookalikesView, error) {
	c.source, c.network = fromBundle, b.At().Network
	err := c.ask(func(n ons.Name) (ons.Sealed, error) {
		sealed, err := b.Lookup(ctx, n.Type(), n.Hash())
		if _, expires, ok := b.Find(ons.Key{Type: n.Type(), Hash: n.Hash()}); ok && err != nil {
			c.expired[n] = expires
		}
		return sealed, err
	})
	if err != nil {
		return nil, err
	}
	return c.lookalikes(ctx, fromBundle, inBundle(b))
}

// wanting reports whether a name is not there that may be bought.
func (c *patient) wanting() bool {
	return slices.ContainsFunc(c.names, func(n ons.Name) bool { return !c.has(n) })
}

// lookIntoPool looks for names that wait to be mined. All of the pool is asked for, which reveals nothing of them.
func (p program) lookIntoPool(ctx context.Context, f *flags, c *patient) error {
	own := *f
	own.network = string(c.network)
	pool, err := own.pool(f.logger(p, slog.LevelWarn), indexer.State{})
	if err != nil {
		return err
	}
	ops, err := pool.Pending(ctx)
	if err != nil {
		return err
	}
	c.waiting = map[ons.Key]bool{}
	for _, op := range ops {
		c.waiting[op.Key()] = true
	}
	return nil
}

func (p program) examineIndex(ctx context.Context, f *flags, c *patient) (*lookalikesView, error) {
	db, err := f.openDatabase(ctx, p.env, true)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if age := time.Since(db.state.Asked); age > staleAfter {
		fmt.Fprintf(p.stderr, "onsight: warning: the index last followed a daemon %s ago: this may be out of date\n", age.Round(time.Second))
	}
	if st := db.state; st.Phase != indexer.Synced {
		fmt.Fprintf(p.stderr, "onsight: warning: the index stands at block %d of %d (%s): this may be out of date\n", st.Tip.Height, st.Target, st.Phase)
	}
	c.source, c.network = fromIndex, db.state.Network
	err = c.ask(func(n ons.Name) (ons.Sealed, error) {
		key := ons.Key{Type: n.Type(), Hash: n.Hash()}
		sealed, err := db.Lookup(ctx, key.Type, key.Hash)
		if !errors.Is(err, ons.ErrNotFound) {
			return sealed, err
		}
		if r, old := db.Record(ctx, key); old == nil {
			c.expired[n] = r.Expires
		}
		return sealed, err
	})
	if err != nil {
		return nil, err
	}
	return c.lookalikes(ctx, fromIndex, func(ctx context.Context, keys []ons.Key) (map[ons.Key]ons.Sealed, error) {
		records, err := db.Current(ctx, keys, db.state.Tip.Height)
		if err != nil {
			return nil, unavailable(err)
		}
		live := map[ons.Key]ons.Sealed{}
		for k, r := range records {
			if r.Live(db.state.Tip.Height + 1) {
				live[k] = r.Sealed
			}
		}
		return live, nil
	})
}

// ask asks for every name. It ends at the first that could not be found out.
func (c *patient) ask(look func(ons.Name) (ons.Sealed, error)) error {
	for _, n := range c.names {
		sealed, err := look(n)
		if err != nil {
			if !errors.Is(err, ons.ErrNotFound) || errors.Is(err, ons.ErrUnavailable) {
				return err
			}
			c.answers[n] = ons.Answer{Err: err}
			continue
		}
		value, err := n.Open(sealed)
		c.answers[n] = ons.Answer{Value: value, Legacy: sealed.Legacy(), Err: err}
	}
	return nil
}

// livingIn returns those of some keys that live, with their values.
type livingIn func(ctx context.Context, keys []ons.Key) (map[ons.Key]ons.Sealed, error)

func inBundle(b *ons.Bundle) livingIn {
	return func(ctx context.Context, keys []ons.Key) (map[ons.Key]ons.Sealed, error) {
		live := map[ons.Key]ons.Sealed{}
		for _, k := range keys {
			if sealed, err := b.Lookup(ctx, k.Type, k.Hash); err == nil {
				live[k] = sealed
			}
		}
		return live, nil
	}
}

// lookalikes looks for names that are easily taken for the one it is about. Values of 2020 are not opened: each takes a second.
func (c *patient) lookalikes(ctx context.Context, by string, living livingIn) (*lookalikesView, error) {
	v := &lookalikesView{By: by, Found: []registeredView{}}
	if c.main == (ons.Name{}) {
		return v, nil
	}
	names := ons.Lookalikes(c.main, maxLookalikes+1)
	if v.More = len(names) > maxLookalikes; v.More {
		names = names[:maxLookalikes]
	}
	v.Tried = len(names)
	keys := make([]ons.Key, len(names))
	for i, n := range names {
		keys[i] = ons.Key{Type: n.Type(), Hash: n.Hash()}
	}
	live, err := living(ctx, keys)
	if err != nil {
		return nil, err
	}
	mine := c.answers[c.main]
	for i, n := range names {
		sealed, ok := live[keys[i]]
		if !ok {
			continue
		}
		if sealed.Legacy() {
			v.Found = append(v.Found, registeredView{Name: n.String(), Type: n.Type().String(), State: string(ons.StatusNeedsUpdate)})
			continue
		}
		value, err := n.Open(sealed)
		seen := registered(n, ons.Answer{Value: value, Err: err}, c.network)
		if err == nil && mine.Err == nil {
			same := bytes.Equal(value.Bytes, mine.Value.Bytes)
			seen.Same = &same
		}
		v.Found = append(v.Found, seen)
	}
	return v, nil
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
	return asked && !errors.Is(a.Err, ons.ErrNotFound)
}

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
		if !c.has(c.main) {
			return fmt.Errorf("as a lokinet name: %w", ons.ErrNotFound)
		}
		return nil
	}
	finds := 0
	for _, v := range verdicts {
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
