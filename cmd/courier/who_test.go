package main

import (
	"strings"
	"testing"

	"onsight/client"
	"onsight/client/store"
)

func testID(b byte) client.ID {
	return client.NewAccount(client.Seed{b}).ID()
}

// TestWhom holds what a word means to what longHelp says.
func TestWhom(t *testing.T) {
	t.Parallel()
	self, bob, carol, dave := testID(1), testID(2), testID(3), testID(4)
	b := &book{
		self: self,
		contacts: map[client.ID]store.Contact{
			bob:   {ID: bob, Nickname: "Bobby"},
			carol: {ID: carol, Nickname: "twin", Profile: store.Profile{Name: "bobby"}},
			dave:  {ID: dave, Nickname: "Twin"},
		},
		names: map[client.ID]string{bob: "builder", dave: "carol"},
		pins:  map[string]store.Pin{"builder": {Name: "builder", ID: bob}, "bobby": {Name: "bobby", ID: carol}, "carol": {Name: "carol", ID: dave}},
	}
	b.contacts[testID(5)] = store.Contact{ID: testID(5), Nickname: "builder"}
	b.contacts[testID(6)] = store.Contact{ID: testID(6), Nickname: "fresh"}
	b.contacts[testID(7)] = store.Contact{ID: testID(7), Nickname: "Zoë & co"}
	b.contacts[dave] = store.Contact{ID: dave, Nickname: "carol"}
	b.contacts[testID(8)] = store.Contact{ID: testID(8), Nickname: "TWIN"}
	for word, want := range map[string]string{
		"me": self.String(), "ME": self.String(), "name:me": "me", "name:ME": "me", bob.String(): bob.String(), strings.ToUpper(bob.String()): bob.String(),
		"@bobby": bob.String(), "name:bobby": "bobby", "bobby": "could be any", // a nickname of one, a name of another
		"fresh": testID(6).String(), "@FRESH": testID(6).String(), "name:fresh": "fresh",
		"unheard": "unheard", "UnHeard": "unheard",
		"carol":    "carol", // both mean dave: then the name, which is looked after
		"builder":  "could be any",
		"@twin":    "could be any",
		"Zoë & co": testID(7).String(),
		"05ab12":   "an id has 66 digits and begins with 05; if it is a name, write name:05ab12", "name:05ab12": "05ab12", "DeadBeef": "write name:DeadBeef",
		"dead": "dead", "05d3aabbcc…12345678": "looks like an id, which it is not: an id has 66 digits", bob.String()[:65]: "has 66 digits",
		"03" + bob.String()[2:]: "is the id of a group", "15" + bob.String()[2:]: "an account in a community", "07" + bob.String()[2:]: "no account's id",
		"!?": "nor can it be a name", "@nobody": "no contact has this nickname", "name:!?": "nor can it be a name",
	} {
		got, err := b.whom(word)
		said := ""
		if err == nil {
			said = got.String()
		} else {
			said = err.Error()
		}
		if said != want && (err == nil || !strings.Contains(said, want)) {
			t.Errorf("%s: %s, want %s", word, said, want)
		}
	}
	for nick, ok := range map[string]bool{
		"": true, "Zoë": true, "שלום": true, "me": false, "Me": false, "@x": false, "-x": false, "name:x": false, " x": false, "\x1b[31m": false, "a\u202eb": false,
		bob.String(): false, "05ab": false, strings.Repeat("x", 101): false, "\xff": false,
	} {
		if err := checkNickname(nick); (err == nil) != ok {
			t.Errorf("nickname %q: %v", nick, err)
		}
	}
	ten, eleven, twelve := testID(10), testID(11), testID(12)
	b.contacts[ten] = store.Contact{ID: ten, Profile: store.Profile{Name: "Bob (" + bob.String()[:8] + "…)"}}
	b.names[eleven], b.names[twelve] = "05ab12", "me"
	for id, want := range map[client.ID]string{
		ten:    ten.String()[:10] + "…" + ten.String()[58:] + " ~Bob (" + bob.String()[:8] + "…)",
		eleven: "name:05ab12", twelve: "name:me", self: "me", bob: "@Bobby", testID(9): testID(9).String(),
	} {
		if got := b.label(id); got != want {
			t.Errorf("%s is shown as %s, want %s", id, got, want)
		}
	}
}
