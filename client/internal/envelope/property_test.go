package envelope

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// The generators draw only what parse gives back unchanged.
var (
	genID = rapid.Custom(func(t *rapid.T) [33]byte {
		return [33]byte(append([]byte{rapid.SampledFrom([]byte{0x05, 0x15, 0x25}).Draw(t, "prefix")}, rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")...))
	})
	genTime       = rapid.Uint64Range(0, maxTime)
	genText       = rapid.StringN(0, 40, 90).Filter(func(s string) bool { return clean(s) == s })
	genBytes      = rapid.SliceOfN(rapid.Byte(), 1, 40)
	genAttachment = rapid.Custom(func(t *rapid.T) Attachment {
		return Attachment{
			ID: rapid.Uint64().Draw(t, "id"), URL: genText.Draw(t, "url"), ContentType: genText.Draw(t, "type"), Name: genText.Draw(t, "file"),
			Caption: genText.Draw(t, "caption"), Key: genBytes.Draw(t, "key"), Digest: genBytes.Draw(t, "digest"), Size: rapid.Uint32().Draw(t, "size"),
			Flags: rapid.Uint32().Draw(t, "flags"), Width: rapid.Uint32().Draw(t, "width"), Height: rapid.Uint32().Draw(t, "height"),
		}
	})
	genProfile = rapid.Custom(func(t *rapid.T) *Profile {
		return &Profile{
			Name: "n" + genText.Draw(t, "name"), Picture: genText.Draw(t, "picture"), Updated: rapid.Uint64().Draw(t, "updated"),
			Key: rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"),
		}
	})
	genVisible = rapid.Custom(func(t *rapid.T) *Visible {
		v := &Visible{Text: genText.Draw(t, "text")}
		if rapid.Bool().Draw(t, "files") {
			v.Attachments = rapid.SliceOfN(genAttachment, 1, 3).Draw(t, "attachments")
		}
		if rapid.Bool().Draw(t, "quotes") {
			v.Quote = &Ref{Time: rapid.Uint64().Draw(t, "quoted"), Author: genID.Draw(t, "author")}
		}
		if rapid.Bool().Draw(t, "reacts") {
			v.Reaction = &Reaction{Ref: Ref{Time: rapid.Uint64().Draw(t, "reacted"), Author: genID.Draw(t, "author")}, Emoji: genText.Draw(t, "emoji"), Remove: rapid.Bool().Draw(t, "remove")}
		}
		if rapid.Bool().Draw(t, "invites") {
			v.Invitation = &Invitation{URL: genText.Draw(t, "url"), Name: genText.Draw(t, "community")}
		}
		if rapid.Bool().Draw(t, "previews") {
			image := genAttachment.Draw(t, "image")
			v.Previews = []Preview{{URL: genText.Draw(t, "url"), Title: genText.Draw(t, "title"), Image: &image}}
		}
		if rapid.Bool().Draw(t, "introduces") {
			v.Profile = genProfile.Draw(t, "profile")
		}
		if v.empty() {
			v.Text = "not empty"
		}
		return v
	})
	genBody = rapid.OneOf(
		rapid.Map(genVisible, func(v *Visible) Body { return v }),
		rapid.Just(Body(&TimerChange{})),
		rapid.Map(rapid.SliceOfN(rapid.Uint64(), 1, 20), func(read []uint64) Body { return &Receipt{Read: read} }),
		rapid.Map(rapid.Bool(), func(stopped bool) Body { return &Typing{Stopped: stopped} }),
		rapid.Map(rapid.Uint64(), func(time uint64) Body { return &Unsend{Time: time} }),
		rapid.Map(genProfile, func(p *Profile) Body { return &Approval{Profile: p} }),
		rapid.Map(rapid.Uint64(), func(time uint64) Body { return &Extraction{Saved: time} }),
		rapid.Custom(func(t *rapid.T) Body {
			return &Call{
				Kind: CallKind(rapid.IntRange(1, 6).Draw(t, "kind")), UUID: genText.Draw(t, "uuid"), Descriptions: rapid.SliceOfN(genText, 1, 3).Draw(t, "sdps"),
				LineIndexes: rapid.SliceOfN(rapid.Uint32(), 1, 3).Draw(t, "indexes"), MediaIdentifiers: rapid.SliceOfN(genText, 1, 3).Draw(t, "mids"),
			}
		}),
	)
	genMessage = rapid.Custom(func(t *rapid.T) Message {
		m := Message{Time: genTime.Draw(t, "time"), Body: genBody.Draw(t, "body")}
		switch m.Body.(type) {
		case *Visible, *TimerChange, *Call:
			if rapid.Bool().Draw(t, "expires") {
				m.Expire = Expire{Mode: rapid.SampledFrom([]Mode{AfterRead, AfterSend}).Draw(t, "mode"), Timer: rapid.Uint32Min(1).Draw(t, "timer")}
			}
		}
		return m
	})
)

// TestRoundTrip: what is sealed is what is opened, by its reader and, as a copy, by the writer; by nobody else.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	a, b := alice(t), bob(t)
	rapid.Check(t, func(t *rapid.T) {
		m := genMessage.Draw(t, "message")
		data, err := Seal(nil, a, b.ID(), m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open(b, data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Received{Message: m, Sender: a.ID()}, got); diff != "" {
			t.Fatal(diff)
		}
		if _, err := Open(a, data); err != ErrOpen {
			t.Fatalf("the writer opens it: %v", err)
		}
		copied, ok := m.SyncCopy(b.ID())
		if !ok {
			return
		}
		if data, err = Seal(nil, a, a.ID(), copied); err != nil {
			t.Fatal(err)
		}
		if got, err = Open(a, data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Received{Message: copied, Sender: a.ID()}, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzOpen: anything may lie in a swarm.
func FuzzOpen(f *testing.F) {
	var v struct {
		Vectors []struct {
			Data []byte `json:"data_base64"`
		}
	}
	b, err := os.ReadFile("testdata/sessionjs.json")
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range v.Vectors {
		if len(c.Data) < 2000 {
			f.Add(c.Data)
		}
	}
	f.Add(vectors(f).Messages.OneToOne.Data)
	own := bob(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Open(own, data)
		if (err == nil) != (m.Body != nil) {
			t.Errorf("got %v, %v", m, err)
		}
	})
}

// FuzzParse: a sender may seal anything. What is accepted can be written again and says the same.
func FuzzParse(f *testing.F) {
	v := vectors(f)
	for _, s := range v.Messages.Samples {
		f.Add(unhex(f, s), true)
	}
	f.Add(unhex(f, v.Messages.OneToOne.Content), false)
	a, b := alice(f), bob(f)
	f.Fuzz(func(t *testing.T, content []byte, own bool) {
		sender := b.id
		if own {
			sender = a.id
		}
		m, err := parse(a.id, sender, now, unpad(content))
		if err != nil {
			return
		}
		if _, group := m.Body.(*Group); group {
			return
		}
		c, err := encode(sender, m)
		if err != nil { // longer than we send
			return
		}
		again, err := parse(a.id, sender, now, marshal(c))
		if err != nil {
			t.Fatalf("what was read is written and then refused: %v", err)
		}
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
