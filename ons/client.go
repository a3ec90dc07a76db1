package ons

import (
	"errors"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Client is a program in which people type Session names. Each makes something of its own of what they type, so that
// one finds what another does not. As their sources of 2025 and 2026 have it:
//
//	desktop     trim, punycode of what is not ASCII as it is, pattern, fold    ts/components/leftpane/overlay/OverlayMessage.tsx
//	android     trim, IDNA 2003 of what is not ASCII, fold                     NewMessageViewModel.kt, OnsResolveApi.kt
//	ios         fold, punycode of every part between dots that needs it        SnodeAPI.getSessionID, PunycodeSwift 3.0 encodeIDNA
//	session.js  pattern, nothing folded                                        sessionjs/ons src/index.ts
//
// Older versions encode nothing. Values of 2020, which have no nonce, are refused by desktop and, since it has OnsResolveApi,
// Android; iOS reads them since it has SessionNetworkingKit, and session.js always did.
type Client string

// The clients.
const (
	Desktop   Client = "session-desktop"
	Android   Client = "session-android"
	IOS       Client = "session-ios"
	SessionJS Client = "session.js"
)

// readsLegacy reports whether c opens session values in the form of 2020.
func (c Client) readsLegacy() bool { return c == IOS || c == SessionJS }

// Reading is what a client makes of a text that somebody types as a Session name.
type Reading struct {
	Client Client
	Name   Name   // the session name it asks the network for; the zero Name if it asks for none that can be registered
	Why    string // why it does not; "" with a Name. It never repeats the text
}

// Readings returns what each client makes of text, always in the same order: Desktop, Android, IOS, SessionJS. Of names
// that are not ASCII the one of Android is an approximation: see mapped.
func Readings(text string) []Reading {
	return []Reading{desktop(text), android(text), ios(text), sessionJS(text)}
}

// pattern is the clients' own: onsNameRegex of desktop, isOnsValid of session.js.
var pattern = regexp.MustCompile(`^[0-9A-Za-z_]([0-9A-Za-z_-]*[0-9A-Za-z_])?$`)

const refuses = "it takes only letters, digits, _ and -, with no hyphen at either end"

// desktop is handleMessageButtonClick and getSessionIDForOnsName. The encoder splits at dots; the pattern then refuses
// them.
func desktop(text string) Reading {
	asked := trim(text)
	if !strings.ContainsAny(asked, "@.。．｡") {
		asked = punycode(asked)
	}
	if !pattern.MatchString(asked) {
		return Reading{Client: Desktop, Why: refuses}
	}
	return reading(Desktop, asked)
}

// android is onContinue and buildParams. What cannot be encoded is asked for as it is.
func android(text string) Reading {
	asked := trim(text)
	if !ascii(asked) {
		var ok bool
		if asked, ok = mapped(asked); !ok {
			return Reading{Client: Android, Why: "it cannot write this in ASCII, as names are registered"}
		}
	}
	return reading(Android, asked)
}

// ios is getSessionID with encodeIDNA, which drops empty parts, and takes a part for one to encode that has any
// character but those of CharacterSet.urlHostAllowed. Blanks are not trimmed.
func ios(text string) Reading {
	// Swift's lowercased maps each character in full; of all of them only İ becomes two.
	text = strings.ToLower(strings.ReplaceAll(text, "İ", "i̇"))
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == '.' })
	for i, part := range parts {
		switch {
		case !ascii(part):
			parts[i] = punycode(part)
		case strings.ContainsFunc(part, func(r rune) bool { return !alphanumeric(byte(r)) && !strings.ContainsRune("!$&'()*+,-:;=[]_~", r) }):
			parts[i] = punycodeLabel + part + "-"
		}
	}
	r := reading(IOS, strings.Join(parts, "."))
	if r.Why != "" && trim(text) != text {
		r.Why = "it keeps the blanks around a name, and no name has any"
	}
	return r
}

// sessionJS is resolve of @session.js/ons.
func sessionJS(text string) Reading {
	if !pattern.MatchString(text) {
		return Reading{Client: SessionJS, Why: refuses}
	}
	if lower(text) != text {
		return Reading{Client: SessionJS, Why: "it keeps capital letters, and names are registered without"}
	}
	return reading(SessionJS, text)
}

// reading is what c asks for, if a wallet can register it. Consensus sees only hashes and would take others too.
func reading(c Client, asked string) Reading {
	n, err := ParseName(Session, asked)
	if err != nil {
		return Reading{Client: c, Why: "no wallet registers what it asks for: " + strings.TrimPrefix(err.Error(), ErrName.Error()+": ")}
	}
	return Reading{Client: c, Name: n}
}

// trim is JavaScript's, for which U+FEFF is a blank and U+0085 is none. Kotlin agrees about U+0085, and its encoder drops U+FEFF.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r == '\ufeff' || r != '\u0085' && unicode.IsSpace(r) })
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// punycode writes a text without dots as xn-- and its RFC 3492 form, case and all, if it is not ASCII.
func punycode(s string) string {
	// The error may be about an xn-- in front, to which clients do not object. What is too long stays as it is, and is no name.
	encoded, _ := idna.Punycode.ToASCII(s)
	return encoded
}

// mapped is about java.net.IDN.toASCII with ALLOW_UNASSIGNED, which is IDNA 2003: UTS 46 in its transitional form, made
// to agree with it. They differ in characters younger than Unicode 3.2 that have capitals.
func mapped(s string) (string, bool) {
	const maxDNSLabel = 63
	p := idna.New(idna.MapForLookup(), idna.Transitional(true), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.CheckJoiners(false), idna.BidiRule())
	s, err := p.ToASCII(s)
	if err != nil {
		return "", false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > maxDNSLabel {
			return "", false
		}
	}
	return s, true
}

// Outcome is what comes of a lookup.
type Outcome string

// The outcomes.
const (
	Finds   Outcome = "finds"
	Misses  Outcome = "misses"
	Unknown Outcome = "unknown" // it could not be found out
)

// Answer is what the registry says of a session name: its value, or the error of looking it up (as of Source) or of
// opening it (as of Name.Open).
type Answer struct {
	Value  Value
	Legacy bool // the value is in the form of 2020; see Sealed.Legacy
	Err    error
}

// Verdict is a Reading and what comes of it.
type Verdict struct {
	Reading // its Why also says why a client does not find a name that it asks for
	Outcome Outcome
	Value   Value // with Finds: the account
}

// Judge says what comes of r if the registry answers its name with a. It asks nobody; without a Name, a does not matter.
// A client can still fail on its way: desktop, Android and iOS ask three nodes and give up if one does not answer or
// answers otherwise.
func (r Reading) Judge(a Answer) Verdict {
	v := Verdict{Reading: r, Outcome: Misses}
	switch {
	case r.Name == Name{}:
	case notFound(a.Err):
		v.Why = "no such session name is registered"
	case errors.Is(a.Err, ErrOpen):
		v.Why = "registered, but what its owner stored does not open with the name"
	case a.Err != nil:
		v.Outcome, v.Why = Unknown, "it could not be found out whether it is registered"
	case a.Legacy && !r.Client.readsLegacy():
		v.Why = "registered, but the value has the form of 2020, which this client does not read: its owner has to update it"
	case len(a.Value.Bytes) != sessionSize || a.Value.Bytes[0] != 0x05:
		v.Why = "registered, but what its owner stored is no Session id"
	default:
		v.Outcome, v.Value = Finds, a.Value
	}
	return v
}
