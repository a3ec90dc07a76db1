package api

import (
	"math/rand/v2"

	"onsight/directory"
)

// simulatedPaths is how many paths are drawn for the statistics.
const simulatedPaths = 10_000

type pathsView struct {
	Paths  int          `json:"paths" doc:"Drawn as the official client does; 0 if there are too few nodes for any"`
	Nodes  int          `json:"nodes" doc:"Nodes that a path may take"`
	Hops   int          `json:"hops" doc:"Of a path, the guard included"`
	Shared []sharedView `json:"shared" nullable:"false"`
}

type sharedView struct {
	What    string  `json:"what" enum:"operator,/24,/16,AS,country,version"`
	Any     int     `json:"any" doc:"Paths of which two hops share it"`
	All     int     `json:"all" doc:"Paths of which all do"`
	Unknown int     `json:"unknown" doc:"Paths of which it is not known of every hop, so that any may be too low"`
	Rate    float64 `json:"rate" minimum:"0" maximum:"1" doc:"any of all paths"`
}

// newPathsView draws with one seed, so that one snapshot has one answer.
func newPathsView(s *directory.Snapshot) pathsView {
	var entries []directory.Entry
	for _, e := range s.Entries {
		if e.Node.State != directory.Gone {
			entries = append(entries, e)
		}
	}
	found := directory.Simulate(rand.New(rand.NewPCG(1, 0)), entries, simulatedPaths)
	v := pathsView{Paths: found.Paths, Nodes: found.Nodes, Hops: directory.Hops, Shared: make([]sharedView, len(found.Shared))}
	for i, f := range found.Shared {
		v.Shared[i] = sharedView{f.What, f.Any, f.All, f.Unknown, rounded(f.Rate)}
	}
	return v
}

// paths answers GET /v1/paths/statistics. A path of one's own is audited at home.
func (s *Server) paths(c *call) error { return c.sendDocument(c.board.paths()) }
