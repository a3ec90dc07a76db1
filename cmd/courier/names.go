package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/terminal"
	"onsight/ons"
)

func (p program) namesCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "names", Short: "What names stand for, who says so, and what changed",
		Long: `What names stand for, who says so, and what changed.

Of what a name stands for no server's word is taken: several service nodes are asked through onions, and --agree of --ask must say the
same. What they say first is remembered (the pin); when a name later stands for somebody else, what is sent to it waits until you
approve. Who said what is kept as a receipt: a note of your own, not a proof to others.

An onsight server (--server, COURIER_SERVER) or its bundle (--bundle, COURIER_BUNDLE) is one voice more in the receipt. It decides nothing.
Of a server all names are fetched, so it is told none.`,
	}
	cmd.AddCommand(p.resolveNamesCommand(f), p.pinsCommand(f), p.receiptCommand(f), p.auditCommand(f), p.approveCommand(f))
	return cmd
}

// answerView is what one of those who were asked said.
type answerView struct {
	Node   *string    `json:"node,omitempty"` // Ed25519 key
	Source string     `json:"source,omitempty"`
	Height uint64     `json:"height,omitempty"`
	ID     *client.ID `json:"id"` // null: that there is no such name, or, with a reason, no answer
	Agrees bool       `json:"agrees"`
	Reason string     `json:"reason,omitempty"` // why it does not count
}

// receiptView is who said what of a name, and when.
type receiptView struct {
	Name    string       `json:"name"`
	Outcome string       `json:"outcome"` // agreed, absent, no_account, unreadable, disagreed, unanswered
	ID      *client.ID   `json:"id"`      // null unless agreed
	At      *string      `json:"at"`
	Need    int          `json:"need"`
	Asked   int          `json:"asked"`
	Agreed  int          `json:"agreed"`
	Answers []answerView `json:"answers"`
}

// pinView is what a name stands for here.
type pinView struct {
	Name      string     `json:"name"`
	ID        client.ID  `json:"id"`
	Since     *string    `json:"since"`
	Checked   *string    `json:"checked"`
	Held      bool       `json:"held"`
	Next      *client.ID `json:"next,omitempty"`    // the account that it points to now
	Trouble   string     `json:"trouble,omitempty"` // no_account, unreadable: it points to none now
	NextSince *string    `json:"next_since,omitempty"`
	Gone      *string    `json:"gone,omitempty"` // when nodes said that it is not registered, if nothing else since
}

// resolvedView is what a name was found to stand for.
type resolvedView struct {
	receiptView
	Pin    *pinView `json:"pin"`
	Height uint64   `json:"height"` // the least of the nodes that agree
	Error  string   `json:"error,omitempty"`
}

// auditView is what became of a name since it was pinned.
type auditView struct {
	pinView
	State string `json:"state"` // same, changed, gone, unknown
	Error string `json:"error,omitempty"`
}

// outcomes are those of asking for a name, in JSON.
var outcomes = map[store.Outcome]string{
	0: "unasked", store.Agreed: "agreed", store.Absent: "absent", store.NoAccount: "no_account", store.Unreadable: "unreadable",
	store.Disagreed: "disagreed", store.Unanswered: "unanswered",
}

// outcomeWords are those that tell of no account, for people.
var outcomeWords = map[string]string{
	"absent": "not registered", "no_account": "stands for no account", "unreadable": "cannot be read", "disagreed": "no majority says the same",
	"unanswered": "too few answered",
}

func idOrNone(id client.ID) *client.ID {
	if id == (client.ID{}) {
		return nil
	}
	return &id
}

func newReceiptView(r *store.Receipt) receiptView {
	v := receiptView{Name: r.Name, Outcome: outcomes[r.Outcome], ID: idOrNone(r.ID), At: clock(r.At), Need: r.Need, Asked: r.Asked, Answers: []answerView{}}
	for _, a := range r.Answers {
		one := answerView{Source: a.Source, Height: a.Height, ID: idOrNone(a.ID), Agrees: a.Agrees, Reason: a.Reason}
		if a.Source == "" {
			key := fmt.Sprintf("%x", a.Node)
			one.Node = &key
		}
		if a.Agrees {
			v.Agreed++
		}
		v.Answers = append(v.Answers, one)
	}
	return v
}

func newPinView(pin store.Pin) *pinView {
	v := &pinView{
		Name: pin.Name, ID: pin.ID, Since: clock(pin.Since), Checked: clock(pin.Checked), Held: pin.Held(),
		Next: idOrNone(pin.Next), NextSince: clock(pin.NextSince), Gone: clock(pin.Gone),
	}
	if pin.Trouble != 0 {
		v.Trouble = outcomes[pin.Trouble]
	}
	return v
}

// who is how somebody who answered is shown.
func (a *answerView) who() string {
	if a.Node == nil {
		return a.Source
	}
	return *a.Node
}

// says is what somebody answered.
func (a *answerView) says() string {
	switch {
	case a.Reason != "" && a.ID != nil:
		return "not counted: " + a.Reason + "; " + a.ID.String()
	case a.Reason != "":
		return "not counted: " + a.Reason
	case a.ID == nil:
		return "not registered"
	}
	return a.ID.String()
}

// parseName reads a name as it is given to names commands: with or without the prefix that other commands know.
func parseName(word string) (string, error) {
	if len(word) > 5 && word[:5] == "name:" {
		word = word[5:]
	} else if likeID(word) {
		return "", idError(word)
	}
	n, err := ons.ParseName(ons.Session, word)
	if err != nil {
		return "", usagef("%q cannot be a name: %w", word, err)
	}
	return n.String(), nil
}

func (p program) resolveNamesCommand(f *flags) *cobra.Command {
	var opt extraOptions
	cmd := &cobra.Command{
		Use: "resolve NAME…", Short: "Ask nodes what names stand for",
		Long:    "Ask nodes what names stand for, however lately that was done. Only a hash of each name leaves, through onions.",
		Example: "  courier names resolve alice\n  courier names resolve alice bob -o jsonl --server https://example.org",
		Args:    cobra.MinimumNArgs(1), ValidArgsFunction: p.pinnedNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			names := make([]string, len(args))
			for i, word := range args {
				var err error
				if names[i], err = parseName(word); err != nil {
					return err
				}
			}
			if err := opt.complete(f); err != nil {
				return err
			}
			return p.at(cmd.Context(), f, func(d *desk) error { return p.resolveNames(cmd.Context(), f, d, names) })
		},
	}
	opt.register(cmd)
	return cmd
}

// resolveNames asks for one name after the other. What one of them is in the way of does not keep the others; the error is the first's.
func (p program) resolveNames(ctx context.Context, f *flags, d *desk, names []string) error {
	l := newList(p, f, []string{"NAME", "ID", "AGREED", "HEIGHT", "PINNED"}, func(t *terminal.Table, v resolvedView) {
		t.Add(terminal.Cell{Text: shownName(v.Name)}, terminal.Cell{Text: v.ID.String()}, terminal.Cell{Text: fmt.Sprintf("%d of %d", v.Agreed, v.Asked)},
			terminal.Cell{Text: fmt.Sprint(v.Height), Right: true}, pinCell(v.Pin))
	})
	var first error
	for _, name := range names {
		r, err := d.Resolve(ctx, name)
		var held *client.HeldError
		v := newResolvedView(&r)
		if err != nil {
			v.Name, v.Error = name, terminal.Line(err.Error()) // the name also where nobody could be asked
		}
		if v.ID != nil || f.output != "text" { // else the error says it
			if err := l.add(v); err != nil {
				return err
			}
		}
		if v.ID != nil {
			p.doubts(&r.Receipt)
		}
		if err == nil {
			continue
		}
		errors.As(err, &held)
		if held == nil { // else the error names it
			err = fmt.Errorf("%s: %w", name, err)
		}
		if first == nil {
			first = err
		} else {
			p.tell("error: %v", err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(l.close(), first)
}

func newResolvedView(r *client.Resolution) resolvedView {
	v := resolvedView{receiptView: newReceiptView(&r.Receipt)}
	if r.Pin.Name != "" {
		v.Pin = newPinView(r.Pin)
	}
	for _, a := range r.Receipt.Answers {
		if a.Agrees && (v.Height == 0 || a.Height < v.Height) {
			v.Height = a.Height
		}
	}
	return v
}

// doubts says who of those beside the nodes says something else than they do, or nothing.
func (p program) doubts(r *store.Receipt) {
	for _, a := range newReceiptView(r).Answers {
		switch {
		case a.Node != nil || a.Reason == "" && idOf(a.ID) == r.ID:
		case a.Reason != "":
			p.tell("%s did not answer: %s", a.Source, a.Reason)
		default:
			p.tell("%s says otherwise of %s, as of block %d: %s", a.Source, r.Name, a.Height, a.says())
		}
	}
}

func idOf(id *client.ID) client.ID {
	if id == nil {
		return client.ID{}
	}
	return *id
}

func pinCell(v *pinView) terminal.Cell {
	if v.Held {
		return terminal.Cell{Text: "held: was " + v.ID.String(), Colour: terminal.Red}
	}
	return terminal.Cell{Text: momentOf(v.Since)}
}

func (p program) pinsCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "pins", Short: "List the names that were used, and what they stand for here", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.at(cmd.Context(), f, func(d *desk) error {
				l := newList(p, f, []string{"NAME", "ID", "SINCE", "CHECKED", ""}, func(t *terminal.Table, v *pinView) {
					t.Add(terminal.Cell{Text: shownName(v.Name)}, terminal.Cell{Text: v.ID.String()}, terminal.Cell{Text: momentOf(v.Since)},
						terminal.Cell{Text: momentOf(v.Checked)}, nextCell(v))
				})
				err := d.eachPin(cmd.Context(), func(pin store.Pin) error { return l.add(newPinView(pin)) })
				return errors.Join(err, l.close())
			})
		},
	}
}

// nextCell says where a name points to now, if that is elsewhere.
func nextCell(v *pinView) terminal.Cell {
	if !v.Held {
		return terminal.Cell{}
	}
	if v.Gone != nil {
		return terminal.Cell{Text: "held: not registered any more", Colour: terminal.Red}
	}
	if v.Next == nil {
		return terminal.Cell{Text: fmt.Sprintf("held: %s since %s", outcomeWords[v.Trouble], momentOf(v.NextSince)), Colour: terminal.Red}
	}
	return terminal.Cell{Text: fmt.Sprintf("held: %s since %s", v.Next, momentOf(v.NextSince)), Colour: terminal.Red}
}

func (p program) receiptCommand(f *flags) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "receipt NAME", Short: "Say who said what a name stands for, and when",
		Long: `Say who said what a name stands for, when it was last asked for, whatever came of it; with --all, each time. Nobody is asked. Receipts are
notes of your own.

Not counted is who did not answer, whose value does not open under the name, and whose chain ends more than ten blocks before that of others.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: firstWord(p.pinnedNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := parseName(args[0])
			if err != nil {
				return err
			}
			return p.at(cmd.Context(), f, func(d *desk) error {
				n := 1
				if all {
					n = maxReceipts
				}
				receipts, err := d.store.Receipts(cmd.Context(), name, n)
				if err != nil {
					return err
				}
				if len(receipts) == 0 {
					return missingf("%s: it was never asked for: `courier names resolve %s` does", name, name)
				}
				return p.printReceipts(f, receipts)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all receipts of the name that are kept, the newest first")
	return cmd
}

// maxReceipts is how many the store keeps of a name: a hundred, and those of the first use and of the latest change.
const maxReceipts = 102

func (p program) printReceipts(f *flags, receipts []store.Receipt) error {
	l := newList(p, f, nil, func(t *terminal.Table, v receiptView) {
		is := outcomeWords[v.Outcome]
		if v.ID != nil {
			is = v.ID.String()
		}
		t.Add(terminal.Cell{Text: momentOf(v.At)}, terminal.Cell{Text: fmt.Sprintf("%d of %d agree, %d must", v.Agreed, v.Asked, v.Need)}, terminal.Cell{Text: is})
		for _, a := range v.Answers {
			height := ""
			if a.Height > 0 {
				height = fmt.Sprint(a.Height)
			}
			t.Add(terminal.Cell{Text: "  " + a.who()}, terminal.Cell{Text: height, Right: true}, terminal.Cell{Text: a.says()})
		}
	})
	for i := range receipts {
		if err := l.add(newReceiptView(&receipts[i])); err != nil {
			return err
		}
	}
	return l.close()
}

// Errors of an audit.
var (
	errChanged = errors.New("names stand for others than when they were first used")
	errGone    = errors.New("names are not registered any more")
)

func (p program) auditCommand(f *flags) *cobra.Command {
	var opt extraOptions
	cmd := &cobra.Command{
		Use: "audit", Short: "Ask again for all names that were used, and say what changed",
		Long: `Ask again for all names that were used, and say what changed: same, changed, gone, or unknown where it could not be found out.

Exit codes: 0 all are the same · 5 some changed · 4 none changed, and some are gone · 3 else, and some could not be found out`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opt.complete(f); err != nil {
				return err
			}
			return p.at(cmd.Context(), f, func(d *desk) error { return p.audit(cmd.Context(), f, d) })
		},
	}
	opt.register(cmd)
	return cmd
}

func (p program) audit(ctx context.Context, f *flags, d *desk) error {
	l := newList(p, f, []string{"NAME", "STATE", "ID", ""}, func(t *terminal.Table, v auditView) {
		state, colour := v.State, terminal.Green
		if v.State != "same" {
			colour = terminal.Red
		}
		note := nextCell(&v.pinView)
		if v.Error != "" {
			note = terminal.Cell{Text: v.Error}
		}
		t.Add(terminal.Cell{Text: shownName(v.Name)}, terminal.Cell{Text: state, Colour: colour}, terminal.Cell{Text: v.ID.String()}, note)
	})
	changed, gone, unknown := 0, 0, 0
	var first error // of those that could not be found out
	err := d.eachPin(ctx, func(pin store.Pin) error {
		v := auditView{pinView: *newPinView(pin), State: "same"}
		r, err := d.Resolve(ctx, pin.Name)
		var held *client.HeldError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			v.pinView = *newPinView(r.Pin)
		case errors.As(err, &held):
			v.pinView, v.State = *newPinView(r.Pin), "changed"
			changed++
		case errors.Is(err, ons.ErrNotFound):
			v.State = "gone"
			gone++
		default:
			v.State = "unknown"
			if unknown++; first == nil {
				first = err
			}
			if f.output != "text" || err.Error() != first.Error() { // it is said once, at the end
				v.Error = err.Error()
			}
		}
		p.doubts(&r.Receipt)
		return l.add(v)
	})
	if err := errors.Join(err, l.close()); err != nil {
		return err
	}
	switch {
	case changed > 0:
		return fmt.Errorf("%d %w", changed, errChanged)
	case gone > 0:
		return fmt.Errorf("%d %w", gone, errGone)
	case unknown > 0:
		return fmt.Errorf("could not find out what %d names stand for: %w", unknown, first)
	}
	return nil
}

func (p program) approveCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "approve NAME [ID]", Short: "Accept the account that a name stands for now, and send what waits",
		Long: `Say that a name rightly stands for another account now, and send what waits. It shows both accounts and asks; with the ID of the new
one as a second word it does not. Nobody is asked for the name: what was seen last is approved, and nothing else. If that is that the name is
not registered any more, it is the old account that is approved, and asked for.`,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: firstWord(p.pinnedNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := parseName(args[0])
			if err != nil {
				return err
			}
			var id client.ID
			if len(args) == 2 {
				if id, err = client.ParseID(args[1]); err != nil {
					return usageError{err}
				}
			}
			return p.at(cmd.Context(), f, func(d *desk) error { return p.approve(cmd.Context(), f, d, name, id) })
		},
	}
}

func (p program) approve(ctx context.Context, f *flags, d *desk, name string, id client.ID) error {
	pin, err := d.store.Pin(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return missingf("%s: it was never used", name)
	case err != nil:
		return err
	case !pin.Held() && (id == client.ID{} || id == pin.ID):
		switch released, err := d.Release(ctx, name); {
		case err != nil:
			return err
		case released > 0: // it was approved before, or points back
			return p.carryOut(ctx, d)
		}
		return missingf("%s: there is nothing to approve: it stands for %s", name, client.ID(pin.ID))
	}
	old := client.ID(pin.ID)
	if !pin.Gone.IsZero() && id == (client.ID{}) {
		p.tell("%s stood for %s since %s, and is not registered any more", name, old, moment(pin.Since))
		if err := p.sure(ctx, f, "Is that account still the right one?", name, old); err != nil {
			return err
		}
		id = old
	}
	if pin.Trouble != 0 && (pin.Gone.IsZero() || id != old) {
		_, err := d.Release(ctx, name) // which says why not
		return err
	}
	next := client.ID(pin.Next)
	if id == (client.ID{}) {
		p.tell("%s stood for %s since %s", name, client.ID(pin.ID), moment(pin.Since))
		p.tell("%s points to  %s since %s", name, next, moment(pin.NextSince))
		if err := p.sure(ctx, f, "Is the second account the right one?", name, next); err != nil {
			return err
		}
		id = next
	}
	if err := d.Approve(ctx, name, id); err != nil {
		return err
	}
	return p.carryOut(ctx, d)
}

// sure asks whether a name is to stand for an account. The error says why not, if not.
func (p program) sure(ctx context.Context, f *flags, question, name string, id client.ID) error {
	switch sure, err := p.confirm(ctx, f, question); {
	case errors.Is(err, errNoTerminal):
		return fmt.Errorf("%w: say `courier names approve %s %s` if you are sure", err, name, id)
	case err != nil:
		return err
	case !sure:
		return errors.New("nothing was approved")
	}
	return nil
}

// pinnedNames completes to names that were used.
func (p program) pinnedNames(f *flags) cobra.CompletionFunc {
	words := p.knownWords(f)
	return func(cmd *cobra.Command, args []string, typed string) (names []string, _ cobra.ShellCompDirective) {
		all, how := words(cmd, args, typed)
		for _, word := range all {
			if _, err := ons.ParseName(ons.Session, word); err == nil && word != "me" {
				names = append(names, word)
			}
		}
		return names, how
	}
}
