package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"onsight/indexer"
)

// Values of headers, made once. net/http does not write to them.
var (
	anyOrigin   = []string{"*"}
	jsonType    = []string{"application/json"}
	problemType = []string{"application/problem+json"}
	noSniff     = []string{"nosniff"}
	bytesType   = []string{"application/octet-stream"}
)

const maxPooled = 1 << 20 // bytes; a larger buffer is left to the garbage collector

// buffer lends an empty buffer; give it back with release.
func (s *Server) buffer() *[]byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		*b = (*b)[:0]
		return b
	}
	b := make([]byte, 0, 2048)
	return &b
}

func (s *Server) release(b *[]byte) {
	if cap(*b) <= maxPooled {
		s.buffers.Put(b)
	}
}

// frame is what all replies about one block have in common, made once.
type frame struct {
	tip     indexer.Point
	time    int64
	final   uint64
	asOf    []byte
	dates   dates
	network []byte              // a field that follows as_of in what is said of nodes; nil in what is said of names
	tags    map[string][]string // ETags by operation
	asked   lists               // of names: no single one, nor an owner's, is kept
}

var emptyFrame = &frame{asOf: []byte("null")}

// frameOf returns the frame of a state. Callers of two snapshots at once make each other's anew; that is rare and right.
func (s *Server) frameOf(state indexer.State) *frame {
	if state.Tip == nil {
		return emptyFrame
	}
	for {
		old := s.frame.Load()
		if old != nil && old.tip == *state.Tip && old.time == state.TipTime && old.final == state.Final {
			return old
		}
		f := &frame{tip: *state.Tip, time: state.TipTime, final: state.Final, asOf: appendAsOf(nil, state), tags: map[string][]string{}}
		for _, id := range s.ids {
			// The block, and what is final: all that a reply may depend on beside the operation's path and query, by
			// which caches keep it anyway.
			f.tags[id] = []string{`"` + state.Tip.Hash.String() + "-" + strconv.FormatUint(state.Final, 10) + "-" + id + `"`}
		}
		f.dates = nextDates(old, state.TipTime, s.cfg.Now())
		if s.frame.CompareAndSwap(old, f) {
			return f
		}
	}
}

// seal adds as_of, as JSON, to a JSON object, which is not empty, as its last field.
func seal(object, asOf []byte) []byte {
	object = append(object[:len(object)-1], `,"as_of":`...)
	object = append(object, asOf...)
	return append(object, '}')
}

// seal completes a JSON object, which is not empty, as a reply.
func (f *frame) seal(object []byte) []byte {
	object = seal(object, f.asOf)
	if f.network == nil {
		return object
	}
	object = append(object[:len(object)-1], f.network...)
	return append(object, '}')
}

// shortReply is the size below which net/http, which holds back so much (bufferBeforeChunkingSize), says the length itself. A
// name's reply has eight headers without that one, as many as a map holds before it grows.
const shortReply = 2048

// write sends a whole reply.
func (c *call) write(status int, contentType []string, body []byte) {
	h := c.gin.Writer.Header()
	h["Content-Type"] = contentType
	if len(body) >= shortReply {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	c.gin.Writer.WriteHeader(status)
	// An error means that the client has gone; there is nobody to tell.
	_, _ = c.gin.Writer.Write(body)
}

// reply sends a view that is true of this moment only.
func (c *call) reply(view any) error {
	return c.send(view, noStore)
}

func (c *call) send(view any, cache []string) error {
	body, err := json.Marshal(view)
	if err != nil {
		return err
	}
	c.gin.Writer.Header()["Cache-Control"] = cache
	c.write(http.StatusOK, jsonType, c.frame.seal(body))
	return nil
}
