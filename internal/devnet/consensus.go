package devnet

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/blake2b"

	"onsight/internal/curve"
	"onsight/ons"
)

// checkOp is consensus: whether a transaction of type 4 is valid in a block of a height, against the current records (spec A.6). The
// error is a *RefusalError with the words of oxend where they were recorded.
func (c *Chain) checkOp(t *transaction, height uint64) error {
	op := t.op
	if op == nil {
		return t.invalid(ErrRule, "%s, missing ONS extra", t.describe())
	}
	if err := c.checkRules(t, height); err != nil {
		return err
	}
	head := c.names.head(op.Key())
	living := head != nil && alive(head.Expires, height)
	if op.Kind == ons.Buy {
		if living {
			return t.invalid(ErrRegistered, "Cannot buy an ONS name that is already registered: name_hash=%s, type=%v; TX: %s; %s",
				base64.StdEncoding.EncodeToString(op.Hash[:]), op.Type, t.describe(), c.describeOp(op))
		}
		return c.checkTwin(t, height)
	}
	if !living {
		return t.invalid(ErrNoRecord, "%s, %s no record, or an expired one", t.describe(), c.describeOp(op))
	}
	if op.Prev != head.Txid {
		return t.invalid(ErrPast, "%s, %s builds on %v, the record's transaction is %v", t.describe(), c.describeOp(op), op.Prev, head.Txid)
	}
	if op.Kind == ons.Renew {
		return nil
	}
	if op.Owner == head.Owner || op.Backup.Kind != ons.OwnerNone && op.Backup == head.Backup ||
		op.Value != nil && string(op.Value) == string(joinValue(head.Sealed)) {
		return t.invalid(ErrNothing, "%s, %s sets what is so already", t.describe(), c.describeOp(op))
	}
	if !signed(op, head.Owner) && !signed(op, head.Backup) {
		backup := head.Backup.Text(c.network)
		if backup == "" {
			backup = "(none)"
		}
		return t.invalid(ErrSigner, "%s, %s failed to verify signature for ONS update, current owner=%s, backup owner=%s",
			t.describe(), c.describeOp(op), head.Owner.Text(c.network), backup)
	}
	return nil
}

// checkRules checks what needs no record.
func (c *Chain) checkRules(t *transaction, height uint64) error {
	op, version := t.op, c.fork(height).Version
	var why string
	burn := uint64(0)
	switch {
	case version < 15 || op.Type == ons.Lokinet && version < 16 || op.Type == ons.Wallet && version < 18:
		return t.invalid(ErrRule, "%s, %s no names of type %v before hardfork %d", t.describe(), c.describeOp(op), op.Type, version+1)
	case op.Kind != ons.Update:
		burn = fee(version, op.Length)
	}
	switch size := len(op.Value); {
	case op.Owner.Kind != ons.OwnerNone && op.Owner == op.Backup:
		why = "owner and backup owner are the same"
	case op.Hash == ons.Hash{} || op.Hash == blake2b.Sum256(nil):
		why = "the name hash is forbidden"
	case op.Kind == ons.Buy && op.Prev != ons.Txid{}:
		why = "a purchase builds on nothing"
	case op.Value != nil && size != sizes[op.Type] && !(op.Type == ons.Wallet && size == 113) && !(op.Type == ons.Session && size == 49):
		why = fmt.Sprintf("a value of %d bytes", size)
	case op.Burn != burn || op.Burn > t.fee:
		why = fmt.Sprintf("%d burned of a fee of %d, not %d", op.Burn, t.fee, burn)
	default:
		return nil
	}
	return t.invalid(ErrRule, "%s, %s %s", t.describe(), c.describeOp(op), why)
}

// checkTwin checks that who buys a session name owns the wallet name of that hash, if there is one, and the other way round.
func (c *Chain) checkTwin(t *transaction, height uint64) error {
	op := t.op
	if op.Type > ons.Wallet {
		return nil
	}
	twin := c.names.head(ons.Key{Type: ons.Wallet - op.Type, Hash: op.Hash})
	if twin == nil || !alive(twin.Expires, height) {
		return nil
	}
	theirs := func(o ons.Owner) bool { return o == twin.Owner || o == twin.Backup }
	if theirs(op.Owner) && (op.Backup.Kind == ons.OwnerNone || theirs(op.Backup)) {
		return nil
	}
	// The hash is empty and the type session in both directions, as recorded.
	return t.invalid(ErrTwin, "Cannot buy an ONS %v name that has an already registered %v name: name_hash=, type=session; TX: %s; %s",
		op.Type, twin.Type, t.describe(), c.describeOp(op))
}

// signed tells whether an owner signed an update (spec A.7).
func signed(op *ons.Op, by ons.Owner) bool {
	if by.Kind != op.Signature.Kind {
		return false
	}
	d := [32]byte(digest(op.Message()))
	switch by.Kind {
	case ons.OwnerWallet:
		return curve.SchnorrVerify(by.Key, d, op.Signature.Bytes)
	case ons.OwnerEd25519:
		return ed25519.Verify(by.Key[:], d[:], op.Signature.Bytes[:])
	}
	return false
}

func (t *transaction) invalid(reason error, format string, args ...any) error {
	return &RefusalError{Reason: reason, Text: rejected(fmt.Sprintf(format, args...), "Invalid inputs")}
}

func (t *transaction) describe() string {
	return fmt.Sprintf("tx={version=4_tx_types, type=oxen_name_system, hash=<%v>}", t.hash)
}

func (c *Chain) describeOp(op *ons.Op) string {
	what := fmt.Sprintf("type=%v, name_hash=<%v>}", op.Type, op.Hash)
	if op.Kind == ons.Update {
		return fmt.Sprintf("ONS Extra={signature=%x, %s", op.Signature.Bytes, what)
	}
	backup := op.Backup.Text(c.network)
	if backup == "" {
		backup = "(none)"
	}
	return fmt.Sprintf("ONS Extra={owner=%s, backup_owner=%s, %s", op.Owner.Text(c.network), backup, what)
}
