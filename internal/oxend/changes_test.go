package oxend

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/devnet"
	"onsight/ons"
)

func TestObligationsRecorded(t *testing.T) {
	t.Parallel()
	const file = "10/get_quorum_state_type_obligations"
	c := serveReply(t, load(t, file).reply())
	got, err := c.Obligations(t.Context(), 336)
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Result struct {
			Quorums []struct {
				Quorum struct{ Workers []string }
			}
		}
	}
	if err := json.Unmarshal(load(t, file).Response, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Result.Quorums[0].Quorum.Workers, got); diff != "" || len(got) == 0 {
		t.Error(diff)
	}
	if _, err := c.Obligations(t.Context(), 335); !errors.Is(err, ons.ErrUnavailable) {
		t.Errorf("a quorum of another block: %v", err)
	}
}

// TestStateChanges finds on a chain what its quorums did to a node, and to which.
func TestStateChanges(t *testing.T) {
	t.Parallel()
	n, err := devnet.Start(devnet.Config{Past: 40})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	n.Mine(3)
	if err := n.Do(2, devnet.ActDecommission, devnet.ReasonStorage|devnet.ReasonLokinet); err != nil {
		t.Fatal(err)
	}
	c := dial(t, Config{URL: n.Oxend()})
	top := n.Chain().Height() - 1
	changes, err := c.StateChanges(t.Context(), top)
	if err != nil || len(changes) != 1 {
		t.Fatalf("%+v, %v", changes, err)
	}
	s := changes[0]
	if s.Kind != "decom" || !slices.Equal(s.Reasons, []string{"storage", "lokinet"}) || s.Maybe != nil {
		t.Errorf("%+v", s)
	}
	workers, err := c.Obligations(t.Context(), s.Height)
	key := n.Node(2).Key()
	if err != nil || s.Index >= uint64(len(workers)) || workers[s.Index] != ons.Txid(key).String() {
		t.Errorf("number %d of %v is not %x: %v", s.Index, workers, key, err)
	}
	if l, err := c.StateChanges(t.Context(), top-1); err != nil || len(l) != 0 {
		t.Errorf("the block before: %+v, %v", l, err)
	}
	if _, err := c.StateChanges(t.Context(), top+1); !errors.Is(err, ErrTooHigh) {
		t.Errorf("beyond the tip: %v", err)
	}
}
