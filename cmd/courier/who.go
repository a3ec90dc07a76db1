package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"onsight/client"
	"onsight/client/store"
	"onsight/ons"
)

// page is how much is read from the database at a time.
const page = 200

// book is who we know, and what we call them.
type book struct {
	self     client.ID
	contacts map[client.ID]store.Contact
	names    map[client.ID]string // pinned ones
	pins     map[string]store.Pin
}

func (d *desk) book(ctx context.Context) (*book, error) {
	b := &book{self: d.account.ID, contacts: map[client.ID]store.Contact{}, names: map[client.ID]string{}, pins: map[string]store.Pin{}}
	err := d.eachContact(ctx, func(c store.Contact) error {
		b.contacts[c.ID] = c
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, d.eachPin(ctx, func(pin store.Pin) error {
		b.pins[pin.Name] = pin
		if was, ok := b.names[pin.ID]; !ok || pin.Name < was {
			b.names[pin.ID] = pin.Name
		}
		return nil
	})
}

func (d *desk) eachContact(ctx context.Context, do func(store.Contact) error) error {
	var after [33]byte
	for {
		list, err := d.store.Contacts(ctx, after, page)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, c := range list {
			if err := do(c); err != nil {
				return err
			}
			after = c.ID
		}
	}
}

func (d *desk) eachPin(ctx context.Context, do func(store.Pin) error) error {
	after := ""
	for {
		list, err := d.store.Pins(ctx, after, page)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, pin := range list {
			if err := do(pin); err != nil {
				return err
			}
			after = pin.Name
		}
	}
}

// label is how an account is shown to people: by what we call it, by the name that we know it by, or by what it calls itself, with a
// tilde, since anybody can call themselves anything.
func (b *book) label(id client.ID) string {
	c := b.contacts[id]
	switch {
	case id == b.self:
		return "me"
	case c.Nickname != "":
		return "@" + c.Nickname
	case b.names[id] != "":
		return shownName(b.names[id])
	case c.Profile.Name != "":
		return short(id) + " ~" + c.Profile.Name
	}
	return id.String()
}

// short is an id where another thing stands beside it: 64 bits of its key, of which nobody makes the like, and enough to find the whole one by.
// It stands first, as what comes after a tilde may say that it is anything.
func short(id client.ID) string {
	s := id.String()
	return s[:10] + "…" + s[len(s)-8:]
}

// likeID reports whether a word looks like an id, or a part of one, whatever it is.
func likeID(word string) bool {
	word = strings.ToLower(word)
	digits := strings.NewReplacer("…", "", "...", "").Replace(word)
	if strings.Trim(digits, "0123456789abcdef") != "" || digits == "" {
		return false
	}
	kind := len(digits) >= 4 && slices.Contains([]string{"03", "05", "15", "25"}, digits[:2])
	return kind || len(digits) >= 8 || digits != word
}

// shownName is a name as it is shown among other things, and taken: one that could be another thing says that it is a name.
func shownName(name string) string {
	if name == "me" || likeID(name) {
		return "name:" + name
	}
	return name
}

// idError says what is wrong with a word that looks like an id.
func idError(word string) error {
	const rule = "an id has 66 digits and begins with 05"
	kinds := map[string]string{"03": "a group", "15": "an account in a community, which hides whose it is", "25": "an account in a community, which hides whose it is"}
	if len(word) == 66 && !strings.ContainsAny(word, "….") {
		if kind := kinds[word[:2]]; kind != "" {
			return usagef("%s is the id of %s, and cannot be written to: %s", word, kind, rule)
		}
		return usagef("%s is no account's id: %s", word, rule)
	}
	if _, err := ons.ParseName(ons.Session, word); err == nil {
		return usagef("%q looks like an id, which it is not: %s; if it is a name, write name:%s", word, rule, word)
	}
	return usagef("%q looks like an id, which it is not: %s", word, rule)
}

// nicknamed returns the contacts that we call so, in the order of their ids.
func (b *book) nicknamed(nick string) (ids []client.ID) {
	for id, c := range b.contacts {
		if c.Nickname != "" && strings.EqualFold(c.Nickname, nick) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b client.ID) int { return strings.Compare(a.String(), b.String()) })
	return ids
}

// whom is who a word on the command line means: an account, or a name that stands for one.
type whom struct {
	word string
	id   client.ID // zero: it is a name
	name ons.Name
}

// String is the account, or else the name: none of which can be taken for the other.
func (w whom) String() string {
	if w.id != (client.ID{}) {
		return w.id.String()
	}
	return w.name.String()
}

// whom finds out what a word means, without asking anybody. longHelp says how.
func (b *book) whom(word string) (whom, error) {
	if strings.EqualFold(word, "me") {
		return whom{word: word, id: b.self}, nil
	}
	if id, err := client.ParseID(word); err == nil {
		return whom{word: word, id: id}, nil
	}
	if nick, ok := strings.CutPrefix(word, "@"); ok {
		ids := b.nicknamed(nick)
		if len(ids) == 0 {
			return whom{}, missingf("%s: no contact has this nickname", word)
		}
		if len(ids) > 1 {
			return whom{}, ambiguous(word, ids, store.Pin{})
		}
		return whom{word: word, id: ids[0]}, nil
	}
	plain, explicit := strings.CutPrefix(word, "name:")
	if !explicit && likeID(word) {
		return whom{}, idError(word)
	}
	name, err := ons.ParseName(ons.Session, plain)
	var ids []client.ID
	if !explicit {
		ids = b.nicknamed(word)
	}
	pin, pinned := store.Pin{}, false
	if err == nil {
		pin, pinned = b.pins[name.String()]
	}
	switch {
	case len(ids) == 0 && err != nil:
		return whom{}, usagef("%q is neither me, nor an id, nor a nickname, nor can it be a name: %w", word, err)
	case len(ids) == 0 || pinned && len(ids) == 1 && ids[0] == pin.ID: // then the name it is, which is looked after
		return whom{word: word, name: name}, nil
	case len(ids) > 1 || pinned:
		return whom{}, ambiguous(word, ids, pin)
	}
	return whom{word: word, id: ids[0]}, nil
}

// ambiguous lists what a word could mean. The zero Pin is no name.
func ambiguous(word string, ids []client.ID, pin store.Pin) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s could be any of these; say which:", word)
	for _, id := range ids {
		fmt.Fprintf(&b, "\n  %s  (a contact's nickname)", id)
	}
	if pin.Name != "" {
		fmt.Fprintf(&b, "\n  name:%s  (%s)", pin.Name, client.ID(pin.ID))
	}
	return usageError{errors.New(b.String())}
}

// known returns the account that a word means, of those that we know. Nobody is asked. A name that now points elsewhere means who it was
// first used for.
func (b *book) known(word string) (client.ID, error) {
	w, err := b.whom(word)
	if err != nil || w.id != (client.ID{}) {
		return w.id, err
	}
	if pin, ok := b.pins[w.name.String()]; ok {
		return pin.ID, nil
	}
	return client.ID{}, missingf("%s: nobody is known by this name", word)
}

// accountOf is known, but asks for a name that was never used. It is not pinned by that.
func (d *desk) accountOf(ctx context.Context, word string) (client.ID, error) {
	b, err := d.book(ctx)
	if err != nil {
		return client.ID{}, err
	}
	w, err := b.whom(word)
	if err != nil || w.id != (client.ID{}) {
		return w.id, err
	}
	if pin, ok := b.pins[w.name.String()]; ok {
		return pin.ID, nil
	}
	r, err := d.Lookup(ctx, w.name.String())
	if err != nil {
		return client.ID{}, fmt.Errorf("%s: %w", word, err)
	}
	return r.ID, nil
}

// knownWords completes to whom can be written: nicknames, names that were used, and me, where the keyring has the key.
func (p program) knownWords(f *flags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) (words []string, _ cobra.ShellCompDirective) {
		own := *f
		if own.complete(cmd, p.env) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		own.noInput, own.passphrase = true, "" // the keyring or nothing: a key is not derived at each Tab
		quiet := p
		quiet.stderr = io.Discard
		_ = quiet.at(cmd.Context(), &own, func(d *desk) error {
			b, err := d.book(cmd.Context())
			if err != nil {
				return err
			}
			words = b.words(typed)
			return nil
		})
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// words are all that begin with what was typed.
func (b *book) words(typed string) (words []string) {
	add := func(word string) {
		if strings.HasPrefix(strings.ToLower(word), strings.ToLower(typed)) {
			words = append(words, word)
		}
	}
	add("me")
	for _, c := range b.contacts {
		if c.Nickname != "" {
			add("@" + c.Nickname)
			if !strings.ContainsAny(c.Nickname, " \t\n") {
				add(c.Nickname)
			}
		}
	}
	for name := range b.pins {
		add(shownName(name))
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// firstWord completes the first argument only.
func firstWord(f cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(cmd, args, typed)
	}
}
