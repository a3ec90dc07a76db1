package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// size is how many messages there are; BENCH_SMALL is for a run that only shows that it works.
func size() int {
	if os.Getenv("BENCH_SMALL") != "" {
		return 1000
	}
	return 100_000
}

// filled returns a database with a hundred conversations.
func filled(b *testing.B, path string) *Store {
	b.Helper()
	s := mustCreate(b, path)
	for i := range 100 {
		befriend(b, s, id(fmt.Sprint("contact ", i)))
	}
	words := []string{"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := 0; i < size(); i += 1000 {
		var items []Item
		for n := i; n < i+1000; n++ {
			line := fmt.Sprint("message ", n)
			for range 10 {
				line += " " + words[rng.IntN(len(words))]
			}
			items = append(items, item(fmt.Sprint(n), arrived(id(fmt.Sprint("contact ", n%100)), n, line)))
		}
		receiveAll(b, items, s, i)
	}
	return s
}

func receiveAll(b *testing.B, items []Item, s *Store, i int) {
	b.Helper()
	if _, err := s.Receive(context.Background(), Batch{Items: items, Cursor: fmt.Sprint(i)}, at(i)); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkStore is what people wait for, in a database of 100,000 messages.
func BenchmarkStore(b *testing.B) {
	ctx := context.Background()
	path := tempPath(b)
	began := time.Now()
	s := filled(b, path)
	took := time.Since(began)
	chat := id("contact 7")

	b.Run("Fill", func(b *testing.B) { // measured above, once
		for b.Loop() {
		}
		b.ReportMetric(float64(size())/took.Seconds(), "messages/s")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			s, err := Open(ctx, Config{Path: path, Key: key})
			if err == nil {
				_, err = s.Account(ctx)
			}
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Page50", func(b *testing.B) {
		for b.Loop() {
			if list, err := s.Messages(ctx, chat, 0, 50); err != nil || len(list) == 0 {
				b.Fatal(len(list), err)
			}
		}
	})
	b.Run("Chats50", func(b *testing.B) {
		for b.Loop() {
			if list, err := s.Chats(ctx, nil, 50); err != nil || len(list) != 50 {
				b.Fatal(len(list), err)
			}
		}
	})
	for name, text := range map[string]string{"SearchRare": `"message 777"`, "SearchCommon": "alpha beta"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if list, err := s.Search(ctx, Query{Text: text, Limit: 50}); err != nil || len(list) == 0 {
					b.Fatal(len(list), err)
				}
			}
		})
	}
	b.Run("Queue", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			m := text(chat, me, i, "hello")
			now, err := s.NextTime(ctx, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			m.Sent = now
			if _, err := s.Queue(ctx, Outgoing{Message: &m, Parcels: []Parcel{{Swarm: chat, Data: make([]byte, 500), Sent: now, TTL: time.Hour}}}, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Receive", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			n := 10_000_000 + i
			receiveAll(b, []Item{item(fmt.Sprint("one", time.Now().UnixNano(), n), arrived(chat, n, "hello"))}, s, n)
		}
	})
}
