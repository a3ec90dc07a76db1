package api_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/ons"
)

// TestChain asks for everything about every name of a generated chain, through the client made from the document, and
// compares it with what happened there.
func TestChain(t *testing.T) {
	t.Parallel()
	x := newChain(t)
	s := serve(t, config(x.Index))
	client, ctx := s.client(t), t.Context()
	keys := x.truth.Keys()
	if len(keys) < 50 {
		t.Fatalf("%d names, want a chain with more", len(keys))
	}

	owned := map[ons.Owner][]string{}
	statuses := map[NameReplyStatus]int{}
	var asked []NameRef
	var want []Answer
	for _, key := range keys {
		all := x.truth.History(key)
		newest := all[len(all)-1]
		view := wantName(x, newest)

		name, err := client.NameWithResponse(ctx, NameParamsType(key.Type.String()), key.Hash.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if name.JSON200 == nil {
			t.Fatalf("%s", name.Body)
		}
		statuses[name.JSON200.Status]++
		if diff := cmp.Diff(view, nameOf(*name.JSON200)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", key, diff)
		}

		var events []Event
		for next := (*string)(nil); ; {
			limit := 2
			page, err := client.HistoryWithResponse(ctx, HistoryParamsType(key.Type.String()), key.Hash.String(), &HistoryParams{Limit: &limit, Next: next})
			if err != nil {
				t.Fatal(err)
			}
			if page.JSON200 == nil {
				t.Fatalf("%s", page.Body)
			}
			events = append(events, page.JSON200.History...)
			if next = page.JSON200.Next; next == nil {
				break
			}
		}
		if diff := cmp.Diff(wantEvents(x, all), events); diff != "" {
			t.Errorf("%v: history (-want +got):\n%s", key, diff)
		}

		for _, o := range slices.Compact([]ons.Owner{newest.Owner, newest.Backup}) {
			owned[o] = append(owned[o], newest.Hash.String())
		}
		asked = append(asked, NameRef{Type: NameRefType(view.Type), Hash: key.Hash.Base64()})
		want = append(want, Answer{
			Type: AnswerType(view.Type), Hash: view.NameHash, Status: AnswerStatus(view.Status), Value: &view.EncryptedValue, Nonce: view.Nonce,
		})
	}
	t.Log("statuses:", statuses)

	delete(owned, ons.Owner{})
	for o, want := range owned {
		var got []string
		for next := (*string)(nil); ; {
			limit := 3
			page, err := client.OwnedWithResponse(ctx, o.Text(x.chain.Network()), &OwnedParams{Limit: &limit, Next: next})
			if err != nil {
				t.Fatal(err)
			}
			if page.JSON200 == nil {
				t.Fatalf("%s", page.Body)
			}
			for _, n := range page.JSON200.Names {
				got = append(got, n.NameHash)
			}
			if next = page.JSON200.Next; next == nil {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("names of %s (-want +got):\n%s", o.Text(x.chain.Network()), diff)
		}
	}

	unknown := ons.Hash{1}
	asked = append(asked, NameRef{Type: NameRefType("wallet"), Hash: unknown.String()})
	want = append(want, Answer{Type: AnswerType("wallet"), Hash: unknown.String(), Status: AnswerStatus("not_registered")})
	batch, err := client.ResolveWithResponse(ctx, &ResolveParams{}, Resolve{Names: asked})
	if err != nil {
		t.Fatal(err)
	}
	if batch.JSON200 == nil {
		t.Fatalf("%s", batch.Body)
	}
	if diff := cmp.Diff(want, batch.JSON200.Names); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}

	full := ResolveParamsFull("1")
	batch, err = client.ResolveWithResponse(ctx, &ResolveParams{Full: &full}, Resolve{Names: asked})
	if err != nil {
		t.Fatal(err)
	}
	if batch.JSON200 == nil {
		t.Fatalf("%s", batch.Body)
	}
	for i, got := range batch.JSON200.Names {
		if i == len(keys) {
			if got.Record != nil || got.Status != "not_registered" {
				t.Errorf("unknown: got %+v", got)
			}
			continue
		}
		r, _ := x.truth.Record(keys[i])
		if diff := cmp.Diff(ref(wantName(x, r)), got.Record); diff != "" {
			t.Errorf("batch with records, %v (-want +got):\n%s", keys[i], diff)
		}
	}

	status, err := client.StatusWithResponse(ctx)
	if err != nil {
		t.Fatal(err)
	}
	counts, _ := x.truth.Counts(x.chain.Height())
	state := x.Snapshot().State()
	if got := status.JSON200; got == nil || !got.Ready || *got.Height != int64(x.chain.Height()-1) || got.Lag != 0 ||
		got.Names != (Counts{Session: int64(counts[0]), Wallet: int64(counts[1]), Lokinet: int64(counts[2]), Known: int64(len(keys))}) ||
		*got.Digest != state.TipDigest().String() {
		t.Errorf("status: %s", status.Body)
	}
	if r, err := client.ReadyzWithResponse(ctx); err != nil || r.StatusCode() != http.StatusOK {
		t.Errorf("readyz: %v %s", err, r.Body)
	}
	if r, err := client.HealthzWithResponse(ctx); err != nil || r.StatusCode() != http.StatusOK {
		t.Errorf("healthz: %v %s", err, r.Body)
	}
	if r, err := client.OpenapiWithResponse(ctx); err != nil || r.StatusCode() != http.StatusOK || (*r.JSON200)["openapi"] != "3.1.0" {
		t.Errorf("openapi.json: %v", err)
	}
}

func ref[T any](v T) *T { return &v }

// nameOf is a reply without as_of.
func nameOf(r NameReply) Name {
	return Name{
		BackupOwner: r.BackupOwner, Confirmations: r.Confirmations, EncryptedValue: r.EncryptedValue, ExpirationHeight: r.ExpirationHeight,
		ExpiresAt: r.ExpiresAt, Final: r.Final, Legacy: r.Legacy, NameHash: r.NameHash, Nonce: r.Nonce, Owner: r.Owner,
		RegisterHeight: r.RegisterHeight, RegisteredAt: r.RegisteredAt, Kind: NameKind(r.Kind), UpdatedAt: r.UpdatedAt, Status: NameStatus(r.Status), Txid: r.Txid, Type: NameType(r.Type), UpdateHeight: r.UpdateHeight,
	}
}

// wantName says in the plainest way what a record should look like.
func wantName(x chain, r ons.Record) Name {
	state := x.Snapshot().State()
	blocks := x.chain.Height()
	n := Name{
		Type: NameType(r.Type.String()), NameHash: r.Hash.String(), Legacy: len(r.Sealed.Nonce) == 0,
		EncryptedValue: hex.EncodeToString(r.Sealed.Ciphertext),
		Owner:          r.Owner.Text(x.chain.Network()), RegisterHeight: int64(r.Registered), UpdateHeight: int64(r.Updated),
		Txid: r.Txid.String(), Confirmations: int64(blocks - r.Updated), Final: r.Updated <= state.Final, Status: "registered",
	}
	made := func(height uint64) *time.Time { // of devnet's blocks
		return ref(time.Unix(state.TipTime-120*int64(blocks-1-height), 0).UTC())
	}
	n.Kind, n.RegisteredAt, n.UpdatedAt = NameKind(r.Kind.String()), made(r.Registered), made(r.Updated)
	if !n.Legacy {
		n.Nonce = ref(hex.EncodeToString(r.Sealed.Nonce))
	}
	if r.Backup.Kind != ons.OwnerNone {
		n.BackupOwner = ref(r.Backup.Text(x.chain.Network()))
	}
	if r.Expires != 0 {
		n.ExpirationHeight = ref(int64(r.Expires))
		left := int64(r.Expires) - int64(blocks)
		n.ExpiresAt = ref(time.Unix(state.TipTime+(left+1)*120, 0).UTC())
		switch {
		case left < 0:
			n.Status = "expired"
		case left <= int64(x.chain.Year())/12:
			n.Status = "expiring"
		}
	}
	if n.Legacy {
		n.Status = "needs_update"
	}
	return n
}

func wantEvents(x chain, all []ons.Record) []Event {
	var events []Event
	for _, r := range all {
		n := wantName(x, r)
		e := Event{
			Kind: EventKind(r.Kind.String()), Height: n.UpdateHeight, Time: n.UpdatedAt, Txid: n.Txid, Legacy: n.Legacy, EncryptedValue: n.EncryptedValue,
			Nonce: n.Nonce, Owner: n.Owner, BackupOwner: n.BackupOwner, RegisterHeight: n.RegisterHeight,
			ExpirationHeight: n.ExpirationHeight, Confirmations: n.Confirmations, Final: n.Final,
		}
		if r.Kind == ons.Buy != (r.Prev == ons.Txid{}) {
			panic(fmt.Sprintf("a %s with previous transaction %s", r.Kind, r.Prev))
		}
		if r.Kind != ons.Buy {
			e.PrevTxid = ref(r.Prev.String())
		}
		events = append(events, e)
	}
	return events
}
