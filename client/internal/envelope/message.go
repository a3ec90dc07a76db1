package envelope

// Message is what one account says to another, or to its own other devices.
type Message struct {
	Time   uint64 // milliseconds since 1970 on the network's clock; with the sender it names the message
	Expire Expire // zero: stays

	// SyncTarget is set in copies for the sender's own devices: whom the message went to. Only Visible and TimerChange have
	// copies. A note to oneself has the own id.
	SyncTarget [33]byte

	Body Body // never nil
}

// Expire is how a message disappears.
type Expire struct {
	Mode  Mode
	Timer uint32 // seconds
}

// Mode is when the time of a message that disappears begins to run.
type Mode uint8

// The modes.
const (
	Stays Mode = iota
	AfterRead
	AfterSend
)

// Body is one of *Visible, *TimerChange, *Receipt, *Typing, *Unsend, *Approval, *Call, *Extraction and *Group.
type Body interface{ body() }

// Visible is a message that people see. At least one field but Profile is set.
type Visible struct {
	Text        string // valid UTF-8
	Attachments []Attachment
	Quote       *Ref // the message answered
	Previews    []Preview
	Reaction    *Reaction
	Invitation  *Invitation
	Profile     *Profile // the sender's; not in sync copies
}

// Ref names a message: its time and who wrote it. Authors may be blinded ids.
type Ref struct {
	Time   uint64
	Author [33]byte
}

// Reaction is an emoji under a message, set or taken back.
type Reaction struct {
	Ref
	Emoji  string
	Remove bool
}

// Invitation asks somebody into a community.
type Invitation struct {
	URL, Name string
}

// Preview is what the sender saw behind a link.
type Preview struct {
	URL, Title string
	Image      *Attachment
}

// Attachment says where a file is and how to open it.
type Attachment struct {
	ID            uint64 // of the file, where it is a number
	URL           string
	ContentType   string
	Name          string
	Caption       string
	Key, Digest   []byte
	Size          uint32 // of the file itself
	Flags         uint32 // 1: a voice message
	Width, Height uint32
}

// Profile is how the sender wants to be shown.
type Profile struct {
	Name    string // at most 100 bytes
	Picture string // where it is; empty: none
	Key     []byte // 32 bytes that open it; nil: none
	Updated uint64 // seconds since 1970; 0: unknown. Older ones must not replace newer ones
}

// TimerChange says that the sender's messages from now on disappear as Message.Expire says.
type TimerChange struct{}

// Receipt says that messages were read.
type Receipt struct {
	Read []uint64 // their times
}

// Typing says that the sender has begun or stopped to write.
type Typing struct {
	Stopped bool
}

// Unsend takes back a message of the sender's.
type Unsend struct {
	Time uint64 // the message's
}

// Approval says that the sender accepted a message request.
type Approval struct {
	Profile *Profile // the sender's; may be nil
}

// Call is a step in setting up a call.
type Call struct {
	Kind             CallKind
	UUID             string
	Descriptions     []string // SDPs, or candidates
	LineIndexes      []uint32 // of candidates
	MediaIdentifiers []string // of candidates
}

// CallKind is which step it is.
type CallKind uint8

// The steps of a call.
const (
	Offer             CallKind = 1
	Answer            CallKind = 2
	ProvisionalAnswer CallKind = 3
	Candidates        CallKind = 4
	EndCall           CallKind = 5
	PreOffer          CallKind = 6
)

// Extraction says that the sender kept a copy of something.
type Extraction struct {
	Saved uint64 // time of the message whose file was saved; 0: a screenshot was taken
}

// Group is an update about a group. Its parts are not read.
type Group struct{}

func (*Visible) body()     {}
func (*TimerChange) body() {}
func (*Receipt) body()     {}
func (*Typing) body()      {}
func (*Unsend) body()      {}
func (*Approval) body()    {}
func (*Call) body()        {}
func (*Extraction) body()  {}
func (*Group) body()       {}

// SyncCopy returns what the sender's own devices are told of a message to the account to, and whether they are told at all.
// It is sealed for oneself, and sent after the message was stored.
func (m Message) SyncCopy(to [33]byte) (Message, bool) {
	switch b := m.Body.(type) {
	case *Visible:
		without := *b
		without.Profile = nil
		m.Body = &without
	case *TimerChange:
	default:
		return Message{}, false
	}
	m.SyncTarget = to
	return m, true
}
