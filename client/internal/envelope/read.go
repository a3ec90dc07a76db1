package envelope

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"onsight/client/internal/envelope/wire"
)

// flagTimer in DataMessage.flags makes a message a change of the timer.
const flagTimer = 2

func refuse(reason string) error { return fmt.Errorf("%w: %s", ErrRefused, reason) }

// parse reads the content of an envelope that sender signed. Its rules are those of messaging.md E.4, in their order.
func parse(own, sender [33]byte, time uint64, content []byte) (Message, error) {
	var c wire.Content
	if err := proto.Unmarshal(content, &c); err != nil {
		return Message{}, ErrFormat
	}
	if c.SigTimestamp != nil && *c.SigTimestamp != time { // clients of 2024 sign none
		return Message{}, ErrTime
	}
	m := Message{Time: time}
	if t := c.GetExpirationType(); t == wire.Content_DELETE_AFTER_READ || t == wire.Content_DELETE_AFTER_SEND {
		// Without a timer the mode says nothing.
		if c.GetExpirationTimer() != 0 {
			m.Expire = Expire{Mode: Mode(t), Timer: c.GetExpirationTimer()}
		}
	}
	var err error
	switch {
	case c.DataMessage != nil:
		if m.SyncTarget, err = syncTarget(own, sender, c.DataMessage); err != nil {
			return Message{}, err
		}
		m.Body, err = readData(c.DataMessage)
	case c.ReceiptMessage != nil:
		m.Body, err = readReceipt(c.ReceiptMessage)
	case c.TypingMessage != nil:
		m.Body, err = readTyping(time, c.TypingMessage)
	case c.DataExtractionNotification != nil:
		m.Body, err = readExtraction(c.DataExtractionNotification)
	case c.UnsendRequest != nil:
		m.Body, err = readUnsend(sender, c.UnsendRequest)
	case c.CallMessage != nil:
		m.Body, err = readCall(c.CallMessage)
	case c.MessageRequestResponse != nil:
		r := c.MessageRequestResponse
		if !r.GetIsApproved() {
			return Message{}, refuse("an approval that approves nothing")
		}
		m.Body = &Approval{Profile: readProfile(r.Profile, r.ProfileKey)}
	default:
		err = refuse("nothing in it that is known") // such as the configuration messages of older clients
	}
	if err != nil {
		return Message{}, err
	}
	return m, nil
}

// syncTarget returns whom a copy was meant for. Only the own account may send copies.
func syncTarget(own, sender [33]byte, d *wire.DataMessage) ([33]byte, error) {
	if d.GetSyncTarget() == "" {
		return [33]byte{}, nil
	}
	if sender != own {
		return [33]byte{}, refuse("a copy of another account's")
	}
	to, ok := readID(d.GetSyncTarget())
	if !ok || to[0] != Prefix {
		return [33]byte{}, refuse("a copy of a message to no account")
	}
	return to, nil
}

func readData(d *wire.DataMessage) (Body, error) {
	switch flags := d.GetFlags(); {
	case d.GroupUpdateMessage != nil:
		return &Group{}, nil
	case flags == flagTimer:
		return &TimerChange{}, nil
	case flags != 0:
		return nil, refuse("unknown flags")
	case len(d.Attachments) > maxAttachments:
		return nil, refuse("too many attachments")
	}
	v := &Visible{Text: clean(d.GetBody()), Profile: readProfile(d.Profile, d.ProfileKey)}
	for _, a := range d.Attachments {
		v.Attachments = append(v.Attachments, readAttachment(a))
	}
	if q := d.Quote; q != nil {
		if author, ok := readID(q.GetAuthor()); ok { // else the answer stands without what it answers
			v.Quote = &Ref{Time: q.GetId(), Author: author}
		}
	}
	for _, p := range d.Preview {
		w := Preview{URL: clean(p.GetUrl()), Title: clean(p.GetTitle())}
		if p.Image != nil {
			a := readAttachment(p.Image)
			w.Image = &a
		}
		v.Previews = append(v.Previews, w)
	}
	if r := d.Reaction; r != nil {
		if author, ok := readID(r.GetAuthor()); ok {
			v.Reaction = &Reaction{Ref: Ref{Time: r.GetId(), Author: author}, Emoji: clean(r.GetEmoji()), Remove: r.GetAction() == wire.Reaction_REMOVE}
		}
	}
	if i := d.CommunityInvitation; i != nil {
		v.Invitation = &Invitation{URL: clean(i.GetUrl()), Name: clean(i.GetName())}
	}
	if v.empty() {
		return nil, refuse("nothing to see")
	}
	return v, nil
}

func readReceipt(r *wire.ReceiptMessage) (Body, error) {
	if r.GetType() != wire.ReceiptMessage_READ || len(r.Timestamp) == 0 {
		return nil, refuse("not a receipt for what was read")
	}
	return &Receipt{Read: r.Timestamp}, nil
}

func readTyping(time uint64, t *wire.TypingMessage) (Body, error) {
	if t.GetTimestamp() != time {
		return nil, refuse("typing at another time")
	}
	return &Typing{Stopped: t.GetAction() == wire.TypingMessage_STOPPED}, nil
}

func readExtraction(x *wire.DataExtractionNotification) (Body, error) {
	switch x.GetType() {
	case wire.DataExtractionNotification_SCREENSHOT:
		return &Extraction{}, nil
	case wire.DataExtractionNotification_MEDIA_SAVED:
		if x.GetTimestamp() != 0 {
			return &Extraction{Saved: x.GetTimestamp()}, nil
		}
	}
	return nil, refuse("a notice about nothing")
}

func readUnsend(sender [33]byte, u *wire.UnsendRequest) (Body, error) {
	if author, ok := readID(u.GetAuthor()); !ok || author != sender {
		return nil, refuse("takes back what another wrote")
	}
	return &Unsend{Time: u.GetTimestamp()}, nil
}

func readCall(c *wire.CallMessage) (Body, error) {
	kind := c.GetType()
	if kind < wire.CallMessage_OFFER || kind > wire.CallMessage_PRE_OFFER {
		return nil, refuse("an unknown step of a call")
	}
	call := &Call{Kind: CallKind(kind), UUID: clean(c.GetUuid()), LineIndexes: c.SdpMLineIndexes}
	for _, s := range c.Sdps {
		call.Descriptions = append(call.Descriptions, clean(s))
	}
	for _, s := range c.SdpMids {
		call.MediaIdentifiers = append(call.MediaIdentifiers, clean(s))
	}
	return call, nil
}

// readProfile returns nil unless there is a name or a picture. A picture without a key of 32 bytes cannot be opened, unless
// the key is in its address (messaging.md I.4).
func readProfile(p *wire.LokiProfile, key []byte) *Profile {
	if p.GetDisplayName() == "" && p.GetProfilePicture() == "" {
		return nil
	}
	out := &Profile{Name: shorten(clean(p.GetDisplayName())), Picture: clean(p.GetProfilePicture()), Updated: p.GetLastProfileUpdateSeconds()}
	if len(key) == 32 {
		out.Key = key
	}
	return out
}

// shorten cuts a name that no official client would have sent between two characters.
func shorten(s string) string {
	if len(s) <= maxName {
		return s
	}
	cut := maxName
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

func readAttachment(a *wire.AttachmentPointer) Attachment {
	return Attachment{
		ID:          a.GetDeprecatedId(),
		URL:         clean(a.GetUrl()),
		ContentType: clean(a.GetContentType()),
		Name:        clean(a.GetFileName()),
		Caption:     clean(a.GetCaption()),
		Key:         a.GetKey(),
		Digest:      a.GetDigest(),
		Size:        a.GetSize(),
		Flags:       a.GetFlags(),
		Width:       a.GetWidth(),
		Height:      a.GetHeight(),
	}
}

// clean makes text valid UTF-8, which proto2 does not promise.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func readID(s string) (id [33]byte, ok bool) {
	if len(s) != 2*len(id) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err == nil
}
