package devnet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// rpcError is an error as JSON-RPC carries it. Data is 11.x's reason, empty if none.
type rpcError struct {
	code    int
	message string
	data    string
}

func errorf(code int, format string, args ...any) *rpcError {
	return &rpcError{code: code, message: fmt.Sprintf(format, args...)}
}

// badParams is 11.x's refusal of parameters.
func badParams(format string, args ...any) *rpcError {
	return &rpcError{-32602, "Invalid params", "Unable to parse request: Failed to parse request parameters: " + fmt.Sprintf(format, args...)}
}

var notObject = badParams("[json.exception.invalid_iterator.207] cannot use key() for non-object iterators")

// method answers one call: it appends the result to b. The chain is locked, for reading unless it writes.
type method struct {
	call   func(v *view, b []byte, p params) ([]byte, *rpcError)
	legacy bool // has a plain path of its own
	admin  bool
	writes bool
	only   Dialect // that has it; zero: both
}

// lookup finds a method by any of its names.
func (v *view) lookup(name string) (string, method, bool) {
	if first, ok := aliases[name]; ok {
		name = first
	}
	m, ok := methods[name]
	if !ok {
		m, ok = nodeMethods[name]
	}
	if m.only != 0 && m.only != v.chain.dialect {
		ok = false
	}
	if name == "get_service_nodes_state_changes" && v.chain.dialect == Dialect11 {
		m.admin = true
	}
	return name, m, ok
}

func (d *Daemon) serve(w http.ResponseWriter, r *http.Request, f *broken, body []byte) {
	chain := d.chain.Load()
	v := &view{chain: f.shown(chain), real: chain, public: d.public, self: d.self, faults: f, done: d.done}
	if r.URL.Path == "/json_rpc" {
		if r.Method != http.MethodPost {
			v.text(w, http.StatusNotFound, "Not Found\n")
			return
		}
		d.serveJSONRPC(w, v, body)
		return
	}
	name, m, ok := v.lookup(strings.TrimPrefix(r.URL.Path, "/"))
	switch {
	case !ok || !m.legacy:
		d.count("")
		v.text(w, http.StatusNotFound, "Not Found\n")
	case m.admin && v.public:
		v.text(w, http.StatusForbidden, "Forbidden\n")
	default:
		d.count(name)
		d.servePlain(w, v, m, body)
	}
}

func (d *Daemon) servePlain(w http.ResponseWriter, v *view, m method, body []byte) {
	if fault := v.faults.refusal(); fault != nil {
		status := http.StatusInternalServerError
		if v.faults.Busy {
			status = http.StatusServiceUnavailable
		}
		v.text(w, status, fault.message)
		return
	}
	p, fault := v.plainParams(body)
	if fault == nil {
		buf := d.buffer()
		defer d.buffers.Put(buf)
		var b []byte
		if b, fault = d.answer(v, m, (*buf)[:0], p); fault == nil {
			*buf = b
			v.write(w, b)
			return
		}
	}
	text := fault.message
	if fault.data != "" {
		text = fault.data
	}
	v.text(w, http.StatusInternalServerError, text)
}

// plainParams reads the body of a plain path: an object, or nothing.
func (v *view) plainParams(body []byte) (params, *rpcError) {
	p := params{d: v.chain.dialect, strict: true}
	if len(bytes.TrimSpace(body)) == 0 {
		return p, nil
	}
	err := json.Unmarshal(body, &p.o)
	if err == nil {
		return p, nil
	}
	if p.d == Dialect10 {
		return p, &rpcError{message: "Unable to parse request: Failed to parse JSON parameters"}
	}
	if json.Valid(body) {
		return p, notObject
	}
	return p, badParams("[json.exception.parse_error.101] parse error at line 1, column %d: syntax error while parsing value - "+
		"unexpected end of input; expected '[', '{', or a literal", len(body)+1)
}

func (d *Daemon) serveJSONRPC(w http.ResponseWriter, v *view, body []byte) {
	req, fault := v.parseRequest(body)
	if fault != nil && fault.code == deadlyCode {
		d.crash(fault.message)
	}
	if fault != nil {
		v.writeError(w, req.id, fault)
		return
	}
	name, m, ok := v.lookup(req.method)
	if !ok {
		d.count("")
		v.writeError(w, req.id, errorf(-32601, "Method not found"))
		return
	}
	d.count(name)
	if m.admin && v.public {
		v.writeError(w, req.id, errorf(403, "Forbidden; this command is not available over public RPC"))
		return
	}
	if fault := v.faults.refusal(); fault != nil {
		v.writeError(w, v.thrown(req.id), fault)
		return
	}
	p := params{d: v.chain.dialect}
	if fault := p.read(req.params); fault != nil {
		v.writeError(w, v.thrown(req.id), fault)
		return
	}
	buf := d.buffer()
	defer d.buffers.Put(buf)
	b := (*buf)[:0]
	if v.chain.dialect == Dialect10 {
		b = append(append(append(b, `{"jsonrpc":"2.0","id":`...), req.id...), `,"result":`...)
	} else {
		b = append(append(append(b, `{"id":`...), req.id...), `,"jsonrpc":"2.0","result":`...)
	}
	b, fault = d.answer(v, m, b, p)
	if fault != nil {
		v.writeError(w, v.thrown(req.id), fault)
		return
	}
	b = append(b, '}')
	if v.chain.dialect == Dialect10 {
		b = append(b, '\n')
	}
	*buf = b
	v.write(w, b)
}

// thrown is the id of an error thrown while a method runs: 10.x forgets the request's.
func (v *view) thrown(id json.RawMessage) json.RawMessage {
	if v.chain.dialect == Dialect10 {
		return json.RawMessage("0")
	}
	return id
}

func (d *Daemon) answer(v *view, m method, b []byte, p params) ([]byte, *rpcError) {
	var deadly string
	b, fault := func() ([]byte, *rpcError) {
		if m.writes {
			v.chain = v.real
			v.chain.mu.Lock()
			defer v.chain.mu.Unlock()
		} else {
			v.chain.mu.RLock()
			defer v.chain.mu.RUnlock()
		}
		b, fault := m.call(v, b, p)
		if fault != nil && fault.code == deadlyCode {
			deadly = fault.message
		}
		return b, fault
	}()
	if deadly != "" {
		d.crash(deadly)
	}
	return b, fault
}

// deadlyCode marks the error of a method that kills the daemon.
const deadlyCode = 1 << 20

type request struct {
	id     json.RawMessage
	method string
	params json.RawMessage
}

// parseRequest reads the envelope. On an error the request's id is the one to answer with.
func (v *view) parseRequest(body []byte) (request, *rpcError) {
	if v.chain.dialect == Dialect11 {
		return v.parseRequest11(body)
	}
	req := request{id: json.RawMessage(`""`)}
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) > 0 && trimmed[0] == '[' {
		req.id = json.RawMessage("0")
		return req, errorf(-32700, "Parse error")
	}
	var o object
	if json.Unmarshal(body, &o) != nil {
		if id := partialID(body); id != nil {
			req.id = id
		}
		return req, errorf(-32600, "Invalid Request")
	}
	if id := o["id"]; id != nil && string(id) != "null" {
		req.id = id
	}
	if unmarshal(o["method"], &req.method) != nil || req.method == "" {
		return req, errorf(-32600, "Invalid Request")
	}
	req.params = o["params"]
	return req, nil
}

// partialID finds the id in a body that breaks off: epee keeps what it has read.
func partialID(body []byte) json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for {
		key, err := dec.Token()
		if err != nil {
			return nil
		}
		var v json.RawMessage
		if dec.Decode(&v) != nil {
			return nil
		}
		if key == "id" {
			return v
		}
	}
}

func (v *view) parseRequest11(body []byte) (request, *rpcError) {
	req := request{id: json.RawMessage("null")}
	if !json.Valid(body) || !validUTF8(body) {
		return req, errorf(-32700, "Parse error")
	}
	switch trimmed := bytes.TrimSpace(body); trimmed[0] {
	case '{':
	case 'n':
		return req, errorf(-32600, "Invalid Request")
	case '[':
		return req, errorf(deadlyCode, "a JSON-RPC batch")
	default:
		return req, errorf(deadlyCode, "a JSON-RPC body that is no object: %s", trimmed[:min(len(trimmed), 40)])
	}
	var o object
	if json.Unmarshal(body, &o) != nil {
		return req, errorf(-32700, "Parse error")
	}
	if id := o["id"]; id != nil {
		req.id = compact(id)
	}
	if unmarshal(o["method"], &req.method) != nil || req.method == "" {
		return req, errorf(-32600, "Invalid Request")
	}
	req.params = o["params"]
	return req, nil
}

func (v *view) writeError(w http.ResponseWriter, id json.RawMessage, e *rpcError) {
	b := []byte(`{"error":{"code":`)
	b = strconv.AppendInt(b, int64(e.code), 10)
	if e.data != "" {
		b = appendJSON(append(b, `,"data":`...), e.data)
	}
	b = appendJSON(append(b, `,"message":`...), e.message)
	b = append(append(append(b, `},"id":`...), id...), `,"jsonrpc":"2.0"}`...)
	v.write(w, b)
}

func (v *view) write(w http.ResponseWriter, b []byte) {
	h := w.Header()
	h.Set("Server", v.serverHeader())
	h.Set("Content-Type", "application/json")
	if v.spoil(w, b) {
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // the client may have gone
}

func (v *view) text(w http.ResponseWriter, status int, s string) {
	h := w.Header()
	h.Set("Server", v.serverHeader())
	h.Set("Content-Type", "text/plain")
	h.Set("Content-Length", strconv.Itoa(len(s)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, s)
}

func (d *Daemon) buffer() *[]byte {
	if b, ok := d.buffers.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

// ask calls a method that only reads, as a machine of the network itself does.
func (c *Chain) ask(name string, raw json.RawMessage) (json.RawMessage, *rpcError) {
	v := &view{chain: c, real: c, faults: &broken{}}
	_, m, ok := v.lookup(name)
	if !ok || m.writes {
		return nil, errorf(-32601, "Method not found")
	}
	p := params{d: c.dialect}
	if fault := p.read(raw); fault != nil {
		return nil, fault
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	b, fault := m.call(v, nil, p)
	return b, fault
}
