package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"onsight/directory"
)

// The list of nodes as a map by key is there to be kept up to date by patches: RFC 7396 replaces lists whole. What a patch
// cannot say, or would say of every node with every block, is not in it: null, and last_seen, which is as_of.

// nodeMapView is the list as a map. nodeMap writes it.
type nodeMapView struct {
	Truncated int                       `json:"truncated" doc:"Nodes that are not here"`
	Nodes     map[string]map[string]any `json:"nodes" nullable:"false" doc:"By key, all but those that are gone. Each has the fields of Node but key and last_seen; what is null there, or in an object there, is absent here"`
}

// nodePatchView is a patch of it. trail writes it.
type nodePatchView struct {
	Truncated int                       `json:"truncated"`
	Nodes     map[string]map[string]any `json:"nodes" nullable:"false" doc:"What changed of each node; null: it is on the list no more"`
}

// nodeMap is the list as a map, of one snapshot.
type nodeMap struct {
	number    int // of those of one trail, rising
	truncated int
	rows      []nodeRow // by key
	*document
}

// nodeRow is one node of it, as JSON.
type nodeRow struct {
	key  directory.Key
	body []byte
}

// trail is what the maps that were given of late had that the next one has not, so that patches can be made from them.
type trail struct {
	mu    sync.Mutex // guards what follows
	last  *nodeMap
	steps []step // oldest first; never written to, but replaced
	bytes int    // of the steps, about
}

// step is the difference between a map and the next one.
type step struct {
	number int
	tag    string
	was    map[directory.Key][]byte // rows that are others in the next one, as they were; nil: not there
	bytes  int
}

// Bounds of a trail: of a network of 2,000 nodes a step is some 100 KB, so it reaches back for hours unless nodes are measured.
const (
	stepsMost     = 512
	stepBytesMost = 16 << 20
)

// mapped returns the map of a board, which becomes the newest of the trail.
func (t *trail) mapped(b *board) *nodeMap {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := b.newNodeMap(t.last)
	if t.last == nil {
		t.last = m
		return m
	}
	if m.tag() == t.last.tag() {
		return t.last
	}
	m.number = t.last.number + 1
	t.extend(newStep(t.last, m))
	t.last = m
	return m
}

// extend adds a step, and drops the oldest ones. The lock is held.
func (t *trail) extend(s step) {
	t.steps = append(slices.Clone(t.steps), s) // who reads the old ones does so without the lock
	t.bytes += s.bytes
	for len(t.steps) > stepsMost || t.bytes > stepBytesMost {
		t.bytes -= t.steps[0].bytes
		t.steps = t.steps[1:]
	}
}

// since returns the rows that are others in m than in the map with a tag, as they were there; false if that is not known.
func (t *trail) since(tag string, m *nodeMap) (map[directory.Key][]byte, bool) {
	if tag == m.tag() {
		return nil, true
	}
	t.mu.Lock()
	steps := t.steps
	t.mu.Unlock()
	end := 0
	for end < len(steps) && steps[end].number < m.number {
		end++
	}
	for from := end - 1; from >= 0; from-- {
		if steps[from].tag != tag {
			continue
		}
		was := map[directory.Key][]byte{}
		for i := end - 1; i >= from; i-- { // of several changes the first one knows what was
			maps.Copy(was, steps[i].was)
		}
		return was, true
	}
	return nil, false
}

// tag is the ETag without what is around it.
func (m *nodeMap) tag() string { return bareTag(m.plain.tag[0]) }

// row returns a node as JSON; nil if it is not in the map.
func (m *nodeMap) row(k directory.Key) []byte {
	i, found := slices.BinarySearchFunc(m.rows, k, func(r nodeRow, k directory.Key) int { return r.key.Compare(k) })
	if !found {
		return nil
	}
	return m.rows[i].body
}

func newStep(from, to *nodeMap) step {
	s := step{number: from.number, tag: from.tag(), was: map[directory.Key][]byte{}}
	changed := func(k directory.Key, was []byte) {
		s.was[k] = was
		s.bytes += len(was) + 2*len(k)
	}
	for _, r := range from.rows {
		if !bytes.Equal(r.body, to.row(r.key)) {
			changed(r.key, r.body)
		}
	}
	for _, r := range to.rows {
		if from.row(r.key) == nil {
			changed(r.key, nil)
		}
	}
	return s
}

// mapped returns a node as it stands in a map. Most of it is taken over as it is: this is done for every node.
func (n nodeJSON) mapped() []byte {
	bare := slices.Clone(n)
	for i, c := range nodeColumns {
		head := len(`"":`) + len(c.name)
		switch {
		case c.name == "key" || c.name == "last_seen":
			bare[i] = nil
		case len(n[i]) == 0:
		case bytes.Equal(n[i][head:], jsonNull):
			bare[i] = nil
		default:
			if value := n[i][head:]; isObject(value) {
				bare[i] = append(n[i][:head:head], withoutNulls(value)...)
			}
		}
	}
	return bare.appendTo(nil, nil)
}

// newNodeMap makes the map of a board, which shares with an older one what is the same.
func (b *board) newNodeMap(old *nodeMap) *nodeMap {
	found := plainList.Run(directory.View{Entries: b.snap.Entries})
	m := &nodeMap{truncated: found.Truncated, rows: make([]nodeRow, len(found.Entries))}
	for i, e := range found.Entries {
		body := b.json(e).mapped()
		if old != nil {
			if was := old.row(e.Node.Key); bytes.Equal(was, body) {
				body = was
			}
		}
		m.rows[i] = nodeRow{e.Node.Key, body}
	}
	out := appendMapHead(nil, m.truncated)
	for i, r := range m.rows {
		out = append(appendMember(out, i, r.key), r.body...)
	}
	out = b.frame.seal(append(out, '}', '}'))
	m.document = weakDocument(out, "W/"+tagOf(out), gzip.DefaultCompression)
	return m
}

// errNoPatch is returned if a map is not known any more, or so different that a patch would be no smaller than a new one.
var errNoPatch = errors.New("no patch")

// patch makes what makes the map of b of the one with a tag. The error is errNoPatch.
func (b *board) patch(t *trail, tag string) (*document, error) {
	m := b.mapped
	was, known := t.since(tag, m)
	if !known {
		return nil, errNoPatch
	}
	out := appendMapHead(nil, m.truncated)
	n := 0
	for _, k := range slices.SortedFunc(maps.Keys(was), directory.Key.Compare) {
		from, to := was[k], m.row(k)
		switch {
		case bytes.Equal(from, to):
			continue // it was changed back
		case to == nil:
			to = jsonNull
		case from != nil:
			to = mergePatch(from, to)
		}
		out = append(appendMember(out, n, k), to...)
		n++
	}
	out = b.frame.seal(append(out, '}', '}'))
	if len(out) >= len(m.plain.body) {
		return nil, errNoPatch
	}
	d := weakDocument(out, m.plain.tag[0], gzip.BestSpeed)
	d.mediaType = mergePatchType
	return d, nil
}

func appendMapHead(b []byte, truncated int) []byte {
	b = append(b, `{"truncated":`...)
	b = strconv.AppendInt(b, int64(truncated), 10)
	return append(b, `,"nodes":{`...)
}

// appendMember writes what stands before the i-th value.
func appendMember(b []byte, i int, k directory.Key) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, k.String()...)
	return append(b, '"', ':')
}

var (
	mergePatchType = []string{"application/merge-patch+json"}
	exposeTag      = []string{"ETag"}
)

// nodeMap answers GET /v1/nodes as a map, or with what makes it of one that the client has. Both are tagged by the map, a patch
// weakly: who has either has the map.
func (s *Server) nodeMap(c *call) error {
	for name := range c.query {
		if name != "form" && name != "since" {
			return fmt.Errorf("%w: with form or since there may be no other parameter", errParameter)
		}
	}
	if c.query.Has("form") && c.query.Get("form") != "map" {
		return fmt.Errorf("%w: form must be map", errParameter)
	}
	since := c.query.Get("since")
	if c.query.Has("since") && (since == "" || len(since) > sinceMost) {
		return fmt.Errorf("%w: since must be an ETag of 1 to %d bytes", errParameter, sinceMost)
	}
	b := c.board
	b.mapping.Do(func() { b.mapped = s.trail.mapped(b) })
	d := b.mapped.document
	if tag := bareTag(since); tag != "" {
		patch, err := b.asked.get("since "+tag, func() (*document, error) { return b.patch(&s.trail, tag) })
		switch {
		case err == nil:
			d = patch
		case !errors.Is(err, errNoPatch):
			return err
		}
	}
	c.gin.Writer.Header()["Access-Control-Expose-Headers"] = exposeTag
	return c.sendDocument(d)
}

// sinceMost is more bytes than an ETag of ours has.
const sinceMost = 100

// bareTag returns an ETag without what it has beside the tag of a map.
func bareTag(etag string) string {
	return strings.TrimSuffix(strings.Trim(strings.TrimPrefix(etag, "W/"), `"`), "-gzip")
}
