package ons

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"testing"

	"golang.org/x/crypto/blake2b"
	"pgregory.net/rapid"
)

// Message, digest and signature of E3 and E4, verified and made again.
func TestSignVectors(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	key := ed25519.NewKeyFromSeed(fill(0, 32))
	for _, e := range v.Extras[2:4] {
		t.Run(e.ID, func(t *testing.T) {
			op := v.op(t, e.ID)
			if got := hex.EncodeToString(op.Message()); got != e.Message {
				t.Errorf("got message %s, want %s", got, e.Message)
			}
			if digest := blake2b.Sum256(op.Message()); hex.EncodeToString(digest[:]) != e.Digest {
				t.Errorf("got digest %x, want %s", digest, e.Digest)
			}
			owner, other := ed(t, e.Signer), ed(t, edBackup)
			for _, current := range []Record{{Owner: owner}, {Owner: other, Backup: owner}, {Owner: satoshi(t, false), Backup: owner}} {
				if err := op.Verify(current); err != nil {
					t.Error(err)
				}
			}
			for _, current := range []Record{{}, {Owner: other}, {Owner: Owner{Kind: OwnerWallet, Key: owner.Key}}} {
				wantErr(t, op.Verify(current), ErrSignature)
			}
			otherKind := op
			otherKind.Signature.Kind = OwnerWallet
			wantErr(t, otherKind.Verify(Record{Owner: owner}), ErrSignature)
			signature := op.Signature
			op.Signature = Signature{}
			wantErr(t, op.Verify(Record{}), ErrSignature) // none does not verify for none
			if err := op.Sign(key); err != nil || op.Signature != signature {
				t.Errorf("got %x, %v, want %x", op.Signature.Bytes, err, signature.Bytes)
			}
			op.Prev[0] ^= 1
			wantErr(t, op.Verify(Record{Owner: owner}), ErrSignature)
		})
	}
}

// The CryptoNote signature over the digest of E3.
func TestVerifyWalletVector(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	op := v.op(t, "E3")
	op.Signature = Signature{Kind: OwnerWallet, Bytes: [64]byte(unhex(t, v.Monero.Signature))}
	owner := Owner{Kind: OwnerWallet, Key: [32]byte(unhex(t, v.Monero.Pubkey)), View: [32]byte(fill(1, 32))}
	sub := owner
	sub.Subaddress = true
	for _, current := range []Record{{Owner: owner}, {Owner: sub}, {Owner: ed(t, edOwner), Backup: owner}} {
		if err := op.Verify(current); err != nil {
			t.Error(err)
		}
	}
	wantErr(t, op.Verify(Record{Owner: Owner{Kind: OwnerEd25519, Key: owner.Key}}), ErrSignature)
	op.Signature.Bytes[40] ^= 1
	wantErr(t, op.Verify(Record{Owner: owner}), ErrSignature)
	again, err := ParseExtra(op.AppendExtra(nil))
	if err != nil || again.Signature != op.Signature {
		t.Errorf("got %+v, %v", again.Signature, err)
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	key := ed25519.NewKeyFromSeed(fill(0, 32))
	buy, renew, update := v.op(t, "E1"), v.op(t, "E5"), v.op(t, "E3")
	wantErr(t, buy.Sign(key), ErrOp)
	wantErr(t, renew.Sign(key), ErrOp)
	wantErr(t, update.Sign(key[:31]), ErrOp)
	wantErr(t, update.Sign(nil), ErrOp)
	update.Value = nil
	wantErr(t, update.Sign(key), ErrOp)
}

func TestSignProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := ed25519.NewKeyFromSeed(drawBytes(t, 32, "seed"))
		owner := Owner{Kind: OwnerEd25519, Key: [32]byte(key.Public().(ed25519.PublicKey))}
		op := Op{Kind: Update, Hash: Hash(drawBytes(t, 32, "hash")), Prev: Txid(drawBytes(t, 32, "prev")), Value: drawBytes(t, 73, "value")}
		if rapid.Bool().Draw(t, "gives an owner") {
			op.Owner = drawOwner(t, "owner")
		}
		if err := op.Sign(key); err != nil {
			t.Fatal(err)
		}
		again, err := ParseExtra(op.AppendExtra(nil))
		if err != nil || !bytes.Equal(again.Message(), op.Message()) {
			t.Fatalf("got %+v, %v", again, err)
		}
		if err := again.Verify(Record{Owner: drawOwner(t, "other"), Backup: owner}); err != nil {
			t.Fatal(err)
		}
		again.Value[rapid.IntRange(0, 72).Draw(t, "changed byte")] ^= 1
		if again.Verify(Record{Owner: owner}) == nil {
			t.Fatal("a changed value verifies")
		}
	})
}
