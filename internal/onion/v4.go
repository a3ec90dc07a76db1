package onion

import (
	"errors"
	"fmt"
	"strings"

	"onsight/internal/bt"
)

// ErrRequest means that a payload is not a v4 request.
var ErrRequest = errors.New("invalid v4 request")

// Request is what a server is asked in format v4 (messaging.md D.6):
//
//	l<n>:{"endpoint","headers","method"}<m>:<body>e     the body only if there is one
type Request struct {
	Method   string
	Endpoint string // starts with /
	Headers  map[string]string
	Body     []byte // nil if there is none
}

// Response is what a server answers in format v4:
//
//	l<n>:{"code","headers"}<m>:<body>e
type Response struct {
	Code    int
	Headers map[string]string // real servers write the names in lower case
	Body    []byte
}

const contentType = "Content-Type"

// EncodeRequest writes r. To a body without a Content-Type it adds application/json, as libsession does
// (messaging.md N.9).
func EncodeRequest(r Request) []byte {
	headers := make(map[string]string, len(r.Headers)+1)
	typed := len(r.Body) == 0
	for k, v := range r.Headers {
		headers[k] = v
		typed = typed || strings.EqualFold(k, contentType)
	}
	if !typed {
		headers[contentType] = "application/json"
	}
	head := marshal(struct {
		Endpoint string            `json:"endpoint"`
		Headers  map[string]string `json:"headers"`
		Method   string            `json:"method"`
	}{r.Endpoint, headers, r.Method})
	if len(r.Body) == 0 {
		return encode(head)
	}
	return encode(head, r.Body)
}

// ParseRequest reads a payload. The error is ErrRequest, which servers answer with code 400 and the body
// "Invalid v4 onion request".
func ParseRequest(b []byte) (Request, error) {
	f, body, err := parseV4(b)
	if err != nil {
		return Request{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	var r Request
	if r.Method, err = field(f, "method", ""); err != nil || r.Method == "" {
		return Request{}, fmt.Errorf("%w: no method", ErrRequest)
	}
	if r.Endpoint, err = field(f, "endpoint", ""); err != nil || !strings.HasPrefix(r.Endpoint, "/") {
		return Request{}, fmt.Errorf("%w: no endpoint", ErrRequest)
	}
	if r.Headers, err = field(f, "headers", map[string]string{}); err != nil {
		return Request{}, fmt.Errorf("%w: headers: %w", ErrRequest, err)
	}
	r.Body = body
	return r, nil
}

// EncodeResponse writes r, always with a body.
func EncodeResponse(r Response) []byte {
	headers := r.Headers
	if headers == nil {
		headers = map[string]string{}
	}
	head := marshal(struct {
		Code    int               `json:"code"`
		Headers map[string]string `json:"headers"`
	}{r.Code, headers})
	return encode(head, r.Body)
}

// ParseResponse reads an opened answer. The error is ErrReply.
func ParseResponse(b []byte) (Response, error) {
	f, body, err := parseV4(b)
	if err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrReply, err)
	}
	var r Response
	if r.Code, err = field(f, "code", 0); err != nil || !f.has("code") {
		return Response{}, fmt.Errorf("%w: no code", ErrReply)
	}
	if r.Headers, err = field(f, "headers", map[string]string{}); err != nil {
		return Response{}, fmt.Errorf("%w: headers: %w", ErrReply, err)
	}
	r.Body = body
	return r, nil
}

func encode(parts ...[]byte) []byte {
	list := make(bt.List, len(parts))
	for i, p := range parts {
		list[i] = p
	}
	b, err := bt.Encode(list)
	if err != nil {
		panic("onion: internal error: " + err.Error())
	}
	return b
}

// parseV4 reads a list of a JSON object and perhaps a body.
func parseV4(b []byte) (fields, []byte, error) {
	v, err := bt.Decode(b)
	if err != nil {
		return nil, nil, err
	}
	list, ok := v.(bt.List)
	if !ok || len(list) < 1 || len(list) > 2 {
		return nil, nil, errors.New("not a list of one or two")
	}
	head, ok := list[0].(string)
	if !ok {
		return nil, nil, errors.New("no head")
	}
	f, err := parseFields([]byte(head))
	if err != nil || len(list) == 1 {
		return f, nil, err
	}
	body, ok := list[1].(string)
	if !ok {
		return nil, nil, errors.New("no body")
	}
	return f, []byte(body), nil
}
