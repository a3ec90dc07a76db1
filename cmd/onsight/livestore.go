package main

import (
	"context"

	"onsight/directory"
)

// liveStore is the store of a directory that asks a daemon once and is thrown away. It keeps what one Refresh commits: the point
// that a list stands on, and the list.
type liveStore struct {
	directory.Store // nil: nothing else is called
	round           directory.Round
}

func (s *liveStore) NodesSince(context.Context, uint64) (directory.Changes, error) {
	c := directory.Changes{Full: true, Position: s.round.Position}
	for _, n := range s.round.Nodes {
		c.Nodes = append(c.Nodes, n.Node)
	}
	return c, nil
}

func (s *liveStore) NodePoints(_ context.Context, height uint64, limit int) ([]directory.Point, error) {
	at := s.round.Position.Point
	if at == (directory.Point{}) || at.Height > height || limit < 1 {
		return nil, nil
	}
	return []directory.Point{at}, nil
}

func (s *liveStore) CommitNodes(_ context.Context, _ uint64, r directory.Round) error {
	s.round = r
	s.round.Position.Commit, s.round.Position.Seq = 1, uint64(len(r.Events))
	return nil
}

// NodeEvents has what the list itself says of the past of its nodes.
func (s *liveStore) NodeEvents(_ context.Context, key *directory.Key, after uint64, limit int) ([]directory.Stored, error) {
	var out []directory.Stored
	for i, e := range s.round.Events {
		if seq := uint64(i) + 1; seq > after && len(out) < limit && (key == nil || e.Key == *key) {
			out = append(out, directory.Stored{Seq: seq, Event: e})
		}
	}
	return out, nil
}

// Rings has none: nothing was measured.
func (s *liveStore) Rings(context.Context, string, int, []directory.Key) (map[directory.Key][]byte, error) {
	return nil, nil
}

// listed reports whether a list was committed, and not just the point that one was to stand on.
func (s *liveStore) listed() bool {
	return s.round.Base != nil && s.round.Position.Point != *s.round.Base
}
