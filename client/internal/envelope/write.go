package envelope

import (
	"encoding/hex"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"onsight/client/internal/envelope/wire"
)

// encode returns m as an account sends it. The error is one of those for what cannot be sent.
func encode(from [33]byte, m Message) (*wire.Content, error) {
	c := &wire.Content{SigTimestamp: &m.Time}
	var sync *string
	if m.SyncTarget != ([33]byte{}) {
		sync = id(m.SyncTarget)
	}
	switch b := m.Body.(type) {
	case *Visible:
		d, err := writeVisible(b)
		if err != nil {
			return nil, err
		}
		d.SyncTarget = sync
		c.DataMessage = d
		if m.Expire.Mode != Stays {
			expire(c, m.Expire)
		}
	case *TimerChange:
		c.DataMessage = &wire.DataMessage{Flags: proto.Uint32(flagTimer), SyncTarget: sync}
		expire(c, m.Expire) // also when it is to stop: both are written as 0
	case *Receipt:
		c.ReceiptMessage = &wire.ReceiptMessage{Type: wire.ReceiptMessage_READ.Enum(), Timestamp: b.Read}
	case *Typing:
		action := wire.TypingMessage_STARTED
		if b.Stopped {
			action = wire.TypingMessage_STOPPED
		}
		c.TypingMessage = &wire.TypingMessage{Timestamp: &m.Time, Action: &action}
	case *Unsend:
		c.UnsendRequest = &wire.UnsendRequest{Timestamp: &b.Time, Author: id(from)}
	case *Approval:
		c.MessageRequestResponse = &wire.MessageRequestResponse{IsApproved: proto.Bool(true)}
		if b.Profile != nil {
			p, key, err := writeProfile(b.Profile)
			if err != nil {
				return nil, err
			}
			c.MessageRequestResponse.Profile, c.MessageRequestResponse.ProfileKey = p, key
		}
	case *Call:
		kind := wire.CallMessage_Type(b.Kind)
		c.CallMessage = &wire.CallMessage{Type: &kind, Uuid: &b.UUID, Sdps: b.Descriptions, SdpMLineIndexes: b.LineIndexes, SdpMids: b.MediaIdentifiers}
		if m.Expire.Mode != Stays {
			expire(c, m.Expire)
		}
	case *Extraction:
		c.DataExtractionNotification = &wire.DataExtractionNotification{Type: wire.DataExtractionNotification_SCREENSHOT.Enum()}
		if b.Saved != 0 {
			c.DataExtractionNotification.Type = wire.DataExtractionNotification_MEDIA_SAVED.Enum()
			c.DataExtractionNotification.Timestamp = &b.Saved
		}
	default:
		panic(fmt.Sprintf("envelope: internal error: a body of type %T is not sent", m.Body))
	}
	return c, nil
}

func expire(c *wire.Content, e Expire) {
	c.ExpirationType = wire.Content_ExpirationType(e.Mode).Enum()
	c.ExpirationTimer = &e.Timer
}

func writeVisible(v *Visible) (*wire.DataMessage, error) {
	if v.empty() {
		return nil, ErrEmpty
	}
	if err := CheckText(v.Text); err != nil {
		return nil, err
	}
	if len(v.Attachments) > maxAttachments {
		return nil, ErrTooLarge
	}
	d := &wire.DataMessage{Body: text(v.Text)}
	for i := range v.Attachments {
		d.Attachments = append(d.Attachments, writeAttachment(&v.Attachments[i]))
	}
	if v.Quote != nil {
		d.Quote = &wire.Quote{Id: &v.Quote.Time, Author: id(v.Quote.Author)}
	}
	for i := range v.Previews {
		p := &v.Previews[i]
		w := &wire.Preview{Url: &p.URL, Title: text(p.Title)}
		if p.Image != nil {
			w.Image = writeAttachment(p.Image)
		}
		d.Preview = append(d.Preview, w)
	}
	if r := v.Reaction; r != nil {
		action := wire.Reaction_REACT
		if r.Remove {
			action = wire.Reaction_REMOVE
		}
		d.Reaction = &wire.Reaction{Id: &r.Time, Author: id(r.Author), Emoji: &r.Emoji, Action: &action}
	}
	if v.Invitation != nil {
		d.CommunityInvitation = &wire.CommunityInvitation{Url: &v.Invitation.URL, Name: &v.Invitation.Name}
	}
	if v.Profile != nil {
		p, key, err := writeProfile(v.Profile)
		if err != nil {
			return nil, err
		}
		d.Profile, d.ProfileKey = p, key
	}
	return d, nil
}

// CheckText returns why a text cannot be that of a message: ErrText, ErrTooLong or nil.
func CheckText(text string) error {
	switch {
	case !utf8.ValidString(text):
		return ErrText
	case utf8.RuneCountInString(text) > MaxText:
		return ErrTooLong
	}
	return nil
}

// CheckName returns why a text cannot be the name in a profile: ErrName, ErrText or nil.
func CheckName(name string) error {
	switch {
	case len(name) > maxName:
		return ErrName
	case !utf8.ValidString(name):
		return ErrText
	}
	return nil
}

// writeProfile returns the profile and its key, which stands beside it.
func writeProfile(p *Profile) (*wire.LokiProfile, []byte, error) {
	if err := CheckName(p.Name); err != nil {
		return nil, nil, err
	}
	w := &wire.LokiProfile{DisplayName: text(p.Name), ProfilePicture: text(p.Picture)}
	if p.Updated != 0 {
		w.LastProfileUpdateSeconds = &p.Updated
	}
	return w, p.Key, nil
}

func writeAttachment(a *Attachment) *wire.AttachmentPointer {
	return &wire.AttachmentPointer{
		DeprecatedId: &a.ID,
		Url:          text(a.URL),
		ContentType:  text(a.ContentType),
		FileName:     text(a.Name),
		Caption:      text(a.Caption),
		Key:          a.Key,
		Digest:       a.Digest,
		Size:         number(a.Size),
		Flags:        number(a.Flags),
		Width:        number(a.Width),
		Height:       number(a.Height),
	}
}

// text is left out when it is empty, number when it is 0.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func number(n uint32) *uint32 {
	if n == 0 {
		return nil
	}
	return &n
}

func id(id [33]byte) *string {
	s := hex.EncodeToString(id[:])
	return &s
}

// empty reports whether there is nothing to see.
func (v *Visible) empty() bool {
	return v.Text == "" && len(v.Attachments) == 0 && v.Quote == nil && len(v.Previews) == 0 && v.Reaction == nil && v.Invitation == nil
}
