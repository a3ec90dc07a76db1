package storage

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"onsight/internal/snode"
)

// A box behaves like a list of messages that is looked through for everything.
func TestBoxIsAList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBox(6, 4*accountCost)
		var model []Message // in order of arrival
		now := int64(1000)
		ids := rapid.SampledFrom([]snode.ID{{3}, {5}})
		spaces := rapid.SampledFrom([]int16{0, 2, -1})
		hashes := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g"})
		at := func() int64 { return now + rapid.Int64Range(-5, 50).Draw(t, "in") }
		find := func(id snode.ID, hash string) int {
			return slices.IndexFunc(model, func(m Message) bool { return m.Account == id && m.Hash == hash })
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				model = slices.DeleteFunc(model, func(m Message) bool { return m.Expiry <= now })
				b.mu.Lock()
				defer b.mu.Unlock()
				var bytes int64
				for id, a := range b.accounts {
					bytes += accountCost
					n := 0
					for ns, list := range a.spaces {
						n += len(list)
						for i, e := range list {
							bytes += cost(&e.Message)
							if e.Account != id || e.Namespace != ns || a.hashes[e.Hash] != e || e.Expiry < a.soonest || i > 0 && list[i-1].number >= e.number {
								t.Fatalf("entry %+v is out of place", e)
							}
						}
					}
					if n != len(a.hashes) || n == 0 || a.soonest < b.soonest {
						t.Fatalf("account %x: %d entries, %d hashes, soonest %d, of all %d", id[:1], n, len(a.hashes), a.soonest, b.soonest)
					}
				}
				if bytes != b.bytes || bytes > b.maxBytes {
					t.Fatalf("%d bytes, counted %d", bytes, b.bytes)
				}
			},
			"time passes": func(t *rapid.T) { now += rapid.Int64Range(0, 30).Draw(t, "ms") },
			"prune": func(*rapid.T) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.prune(now)
			},
			"store": func(t *rapid.T) {
				m := Message{Account: ids.Draw(t, "id"), Namespace: spaces.Draw(t, "ns"), Hash: hashes.Draw(t, "hash"), Timestamp: now, Expiry: at()}
				expiry, already, err := b.store(m, now)
				i := find(m.Account, m.Hash)
				if already != (i >= 0) {
					t.Fatalf("already %v, model %d", already, i)
				}
				if already {
					if model[i].Expiry = max(model[i].Expiry, m.Expiry); expiry != model[i].Expiry {
						t.Fatalf("expiry %d, want %d", expiry, model[i].Expiry)
					}
					return
				}
				if err != nil {
					return // full; the bound itself is checked above
				}
				if snode.PublicOutbox(m.Namespace) {
					model = slices.DeleteFunc(model, func(o Message) bool { return o.Account == m.Account && o.Namespace == m.Namespace })
				}
				model = append(model, m)
			},
			"expire": func(t *rapid.T) {
				id, hash, to := ids.Draw(t, "id"), hashes.Draw(t, "hash"), at()
				b.expire(id, []string{hash, hash}, now, func(_ int, old int64) (int64, bool) { return to, to < old })
				if i := find(id, hash); i >= 0 {
					model[i].Expiry = min(model[i].Expiry, to)
				}
			},
			"shorten": func(t *rapid.T) {
				id, to := ids.Draw(t, "id"), at()
				b.shorten(id, nil, to, now)
				for i := range model {
					if model[i].Account == id {
						model[i].Expiry = min(model[i].Expiry, to)
					}
				}
			},
			"delete": func(t *rapid.T) {
				id, hash := ids.Draw(t, "id"), hashes.Draw(t, "hash")
				gone := flat(b.delete(id, now, func(m *Message) bool { return m.Hash == hash }))
				i := find(id, hash)
				if (len(gone) == 1) != (i >= 0) {
					t.Fatalf("deleted %v, model %d", gone, i)
				}
				if i >= 0 {
					model = slices.Delete(model, i, i+1)
				}
			},
			"retrieve": func(t *rapid.T) {
				id, ns, last := ids.Draw(t, "id"), spaces.Draw(t, "ns"), hashes.Draw(t, "last")
				var got, want []string
				b.after(id, ns, last, now, func(m Message) bool { got = append(got, m.Hash); return true })
				for _, m := range model {
					if m.Account != id || m.Namespace != ns {
						continue
					}
					if want = append(want, m.Hash); m.Hash == last {
						want = nil
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("got %v, want %v", got, want)
				}
			},
		})
	})
}

// Whatever the bounds of a page: going on from the last hash shows each message once, in order, and ends.
func TestPagination(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 1)
	s := swarms[0][0]
	nth := 0
	rapid.Check(t, func(t *rapid.T) {
		id := snode.ID{byte(nth), byte(nth >> 8), byte(nth >> 16)}
		nth++
		sizes := rapid.SliceOfN(rapid.IntRange(0, 3000), 0, 12).Draw(t, "sizes")
		var want []string
		for i, size := range sizes {
			hash := snode.Hash(id, -10, []byte{byte(i)})
			want = append(want, hash)
			if _, _, err := s.box.store(Message{Account: id, Namespace: -10, Hash: hash, Data: make([]byte, size), Expiry: math.MaxInt64}, w.clock); err != nil {
				t.Fatal(err)
			}
		}
		count, size := rapid.IntRange(0, 5).Draw(t, "count"), rapid.IntRange(-10_000, 9000).Draw(t, "size")
		var got []string
		for last, more := "", true; more; {
			reply := page(t, s, object{"pubkey": id.String(), "namespace": -10, "last_hash": last, "max_count": count, "max_size": size})
			if len(reply.Messages) == 0 && len(sizes) > 0 || count > 0 && len(reply.Messages) > count {
				t.Fatalf("a page of %d", len(reply.Messages))
			}
			for _, m := range reply.Messages {
				last = m.Hash
				got = append(got, m.Hash)
			}
			more = reply.More
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// shownPage is an answer of retrieve.
type shownPage struct {
	Messages []struct{ Hash string }
	More     bool
}

func page(t *rapid.T, s *Server, params object) (p shownPage) {
	r := s.Call(context.Background(), marshal(object{"method": "retrieve", "params": params}))
	if err := json.Unmarshal(r.Body, &p); err != nil || r.Status != 200 {
		t.Fatalf("got %d %s", r.Status, r.Body)
	}
	return p
}
