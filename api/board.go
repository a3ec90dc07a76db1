package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"onsight/directory"
)

// board is what is made once of a snapshot of the directory, when it is first asked for.
type board struct {
	snap  *directory.Snapshot
	frame frame                      // with as_of and network only
	nodes []atomic.Pointer[nodeJSON] // of the entries

	list, storage, swarms, paths func() *document
	asked                        lists

	mapping sync.Once
	mapped  *nodeMap // after mapping
	grouped func() []directory.Swarm
}

// boardOf returns the board of a snapshot. Requests that come together share one.
func (s *Server) boardOf(snap *directory.Snapshot) *board {
	for {
		b := s.board.Load()
		if b != nil && b.shows(snap) {
			return b
		}
		fresh := newBoard(snap)
		var before *frame
		if b != nil {
			before = &b.frame
		}
		fresh.frame.dates = nextDates(before, snap.At.Time.Unix(), s.cfg.Now())
		if s.board.CompareAndSwap(b, fresh) {
			return fresh
		}
	}
}

func newBoard(snap *directory.Snapshot) *board {
	b := &board{snap: snap, frame: frame{asOf: emptyFrame.asOf}, nodes: make([]atomic.Pointer[nodeJSON], len(snap.Entries))}
	if snap.Observed {
		b.frame.asOf = must(json.Marshal(asOfView{Height: snap.At.Height, Hash: snap.Hash, Time: *clock(snap.At.Time)}))
		b.frame.network = append([]byte(`,"network":`), must(json.Marshal(snap.Network))...)
	}
	b.list = sync.OnceValue(func() *document {
		return newDocument(b.appendNodes(nil, plainList.Run(directory.View{Entries: snap.Entries}), nil), gzip.DefaultCompression)
	})
	b.grouped = sync.OnceValue(func() []directory.Swarm { return grouped(snap) })
	b.storage = b.document(func() any { return newStorageNodesView(snap) })
	b.swarms = b.document(func() any { return newSwarmsView(b.grouped()) })
	b.paths = b.document(func() any { return newPathsView(snap) })
	return b
}

// shows reports whether b is right for a snapshot. When a daemon was asked is no matter.
func (b *board) shows(s *directory.Snapshot) bool {
	o := b.snap
	return o == s || o.Observed && s.Observed && o.Commit == s.Commit && o.Hash == s.Hash && o.Network == s.Network &&
		len(o.Entries) == len(s.Entries) && len(o.Entries) > 0 && &o.Entries[0] == &s.Entries[0]
}

// document makes a document of a view when it is first asked for.
func (b *board) document(view func() any) func() *document {
	return sync.OnceValue(func() *document {
		return newDocument(b.frame.seal(must(json.Marshal(view()))), gzip.DefaultCompression)
	})
}

// document is a whole reply. Its gzip is made when it is first asked for.
type document struct {
	mediaType []string
	plain     encoding
	packed    func() encoding // nil: compression does not pay
}

// encoding is one of a document's, with what its headers say.
type encoding struct {
	body        []byte
	tag, length []string
}

// packLeast is the size in bytes below which compression does not pay.
const packLeast = 1024

// newDocument makes a document, tagged by its content: nodes are measured between two blocks. level is gzip's.
func newDocument(body []byte, level int) *document {
	tag := tagOf(body)
	return taggedDocument(body, tag, tag[:len(tag)-1]+`-gzip"`, level)
}

// weakDocument makes one whose encodings have one tag, a weak one.
func weakDocument(body []byte, tag string, level int) *document {
	return taggedDocument(body, tag, tag, level)
}

func taggedDocument(body []byte, tag, packedTag string, level int) *document {
	d := &document{mediaType: jsonType, plain: newEncoding(body, tag)}
	if len(body) >= packLeast {
		d.packed = sync.OnceValue(func() encoding { return newEncoding(pack(body, level), packedTag) })
	}
	return d
}

func newEncoding(body []byte, tag string) encoding {
	return encoding{body, []string{tag}, []string{strconv.Itoa(len(body))}}
}

func pack(body []byte, level int) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("api: internal error: " + err.Error())
	}
	return b.Bytes()
}

// tagOf returns the ETag of a body.
func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

var (
	byEncoding = []string{"Accept-Encoding"}
	inGzip     = []string{"gzip"}
)

// sendDocument sends d in the encoding that the client takes, or tells it that it has it.
func (c *call) sendDocument(d *document) error {
	h := c.gin.Writer.Header()
	e := d.plain
	if d.packed != nil {
		h["Vary"] = byEncoding
		if takesGzip(c.gin.Request.Header["Accept-Encoding"]) {
			e = d.packed()
		}
	}
	if c.kept(e.tag, atTip) {
		return nil
	}
	if &e.body[0] != &d.plain.body[0] {
		h["Content-Encoding"] = inGzip
	}
	h["Content-Type"] = d.mediaType
	h["Content-Length"] = e.length
	c.gin.Writer.WriteHeader(http.StatusOK)
	_, _ = c.gin.Writer.Write(e.body) // an error means that the client has gone
	return nil
}

// sendTagged sends a body that was made for this request, unless the client has it.
func (c *call) sendTagged(body []byte) error {
	if !c.kept([]string{tagOf(body)}, atTip) {
		c.write(http.StatusOK, jsonType, body)
	}
	return nil
}

// sendView is sendTagged for a view.
func (c *call) sendView(view any) error {
	body, err := json.Marshal(view)
	if err != nil {
		return err
	}
	return c.sendTagged(c.frame.seal(body))
}
