package api

import (
	"cmp"
	"compress/gzip"
	"slices"
	"strconv"

	"onsight/directory"
)

type swarmsView struct {
	Swarms    []swarmRowView `json:"swarms" nullable:"false" doc:"By id"`
	Truncated int            `json:"truncated" doc:"Swarms after these"`
	AtRisk    int            `json:"at_risk" doc:"How many have too few members"`
	Least     int            `json:"least" doc:"Members below which a swarm is at risk: the network dissolves or refills it"`
}

type swarmRowView struct {
	ID     string `json:"id" pattern:"^[0-9a-f]{16}$"`
	Size   int    `json:"size" doc:"Members"`
	AtRisk bool   `json:"at_risk"`
}

// swarmView is a swarm and its members. Server.swarm writes it.
type swarmView struct {
	ID        string     `json:"id" pattern:"^[0-9a-f]{16}$"`
	AtRisk    bool       `json:"at_risk" doc:"It has less than 5 members"`
	Truncated int        `json:"truncated" doc:"Members after these"`
	Nodes     []nodeView `json:"nodes" nullable:"false" doc:"Its members, by key"`
}

// grouped returns the swarms of a snapshot by id.
func grouped(s *directory.Snapshot) []directory.Swarm {
	nodes := make([]directory.Node, len(s.Entries))
	for i := range s.Entries {
		nodes[i] = s.Entries[i].Node
	}
	return directory.Swarms(nodes)
}

func newSwarmsView(swarms []directory.Swarm) swarmsView {
	v := swarmsView{Swarms: []swarmRowView{}, Least: directory.SwarmLeast}
	for _, s := range swarms {
		if s.AtRisk() {
			v.AtRisk++
		}
		if len(v.Swarms) == nodesMost {
			v.Truncated++
			continue
		}
		v.Swarms = append(v.Swarms, swarmRowView{swarmText(s.ID), len(s.Members), s.AtRisk()})
	}
	return v
}

// swarms answers GET /v1/swarms: enough to find the swarm of an account without naming it to us.
func (s *Server) swarms(c *call) error { return c.sendDocument(c.board.swarms()) }

// swarm answers GET /v1/swarms/{id}.
func (s *Server) swarm(c *call) error {
	text := c.gin.Param("id")
	id, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) > 16 {
		return errSwarm
	}
	all := c.board.grouped()
	i, found := slices.BinarySearchFunc(all, id, func(s directory.Swarm, id uint64) int { return cmp.Compare(s.ID, id) })
	if !found {
		return errNoSwarm
	}
	b := c.board
	d, err := b.asked.get(c.route+"/"+swarmText(id), func() (*document, error) { return newDocument(b.appendSwarm(nil, &all[i]), gzip.BestSpeed), nil })
	if err != nil {
		return err
	}
	return c.sendDocument(d)
}

// appendSwarm writes a swarmView as a reply.
func (b *board) appendSwarm(out []byte, s *directory.Swarm) []byte {
	shown := s.Members[:min(len(s.Members), nodesMost)]
	out = append(out, `{"id":"`...)
	out = append(out, swarmText(s.ID)...)
	out = append(out, `","at_risk":`...)
	out = strconv.AppendBool(out, s.AtRisk())
	out = append(out, `,"truncated":`...)
	out = strconv.AppendInt(out, int64(len(s.Members)-len(shown)), 10)
	out = append(out, `,"nodes":[`...)
	for i, n := range shown {
		if i > 0 {
			out = append(out, ',')
		}
		out = b.json(b.snap.Entry(n.Key)).appendTo(out, nil)
	}
	return b.frame.seal(append(out, ']', '}'))
}

// storageNodesView is the list in the form that bots ask api.oxen.io for.
type storageNodesView struct {
	StorageNodes []storageNodeView `json:"storage_nodes" nullable:"false" doc:"Active nodes that are not known to be down, in an order that changes with every block, so that not everybody takes the same first ones"`
	Truncated    int               `json:"truncated" doc:"Nodes after these"`
}

type storageNodeView struct {
	IP      string  `json:"ip"`
	Port    uint16  `json:"port" doc:"HTTPS of the storage server"`
	OMQPort *uint16 `json:"omq_port"`
	Key     string  `json:"pubkey" pattern:"^[0-9a-f]{64}$" doc:"The legacy key"`
	Ed25519 *string `json:"pubkey_ed25519" pattern:"^[0-9a-f]{64}$"`
	X25519  *string `json:"pubkey_x25519" pattern:"^[0-9a-f]{64}$"`
	Swarm   *string `json:"swarm_id" pattern:"^[0-9a-f]{16}$"`
}

func newStorageNodesView(s *directory.Snapshot) storageNodesView {
	v := storageNodesView{StorageNodes: []storageNodeView{}}
	for i := range s.Entries {
		e := &s.Entries[i]
		n := &e.Node
		active := n.State == directory.Active || n.State == directory.Unlocking
		if !active || !n.IP.IsValid() || n.StoragePort == 0 || e.Reachable() == directory.Down {
			continue
		}
		one := storageNodeView{
			IP: n.IP.String(), Port: n.StoragePort, OMQPort: nonzero(n.OMQPort), Key: n.Key.String(), Ed25519: keyText(n.Ed25519), X25519: keyText(n.X25519),
		}
		if n.Swarm != directory.NoSwarm {
			one.Swarm = ref(swarmText(n.Swarm))
		}
		v.StorageNodes = append(v.StorageNodes, one)
	}
	shuffle(s, v.StorageNodes)
	if n := len(v.StorageNodes) - nodesMost; n > 0 {
		v.StorageNodes, v.Truncated = v.StorageNodes[:nodesMost], n
	}
	return v
}

// storageNodes answers GET /v1/service-nodes/storage-nodes.
func (s *Server) storageNodes(c *call) error { return c.sendDocument(c.board.storage()) }
