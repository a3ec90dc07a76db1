package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"onsight/directory"
	"onsight/internal/events"
	"onsight/ons"
)

// What can be wrong with a request, beside what package ons returns. Clients see the codes of faults, not these.
var (
	errUnknownParameter = errors.New("unknown query parameter")
	errParameter        = errors.New("invalid query parameter")
	errCursor           = errors.New("invalid cursor: take it from the page before")
	errHeight           = errors.New("there is no such block yet")
	errLogCursor        = errors.New("invalid cursor: it must be that of an entry, start, or now")
	errRange            = errors.New("invalid range")
	errBody             = errors.New("invalid body")
	errTooMany          = errors.New("too many names")
	errTooLarge         = errors.New("the body is too large")
	errMediaType        = errors.New("the body must be application/json")
	errNoPath           = errors.New("no such path; /openapi.json lists them")
	errMethod           = errors.New("this path does not take this method")
	errBehind           = errors.New("cannot tell now")
	errNodeKey          = errors.New("invalid key of a node: must be 64 hexadecimal digits")
	errSwarm            = errors.New("invalid swarm: must be up to 16 hexadecimal digits")
	errNoNode           = errors.New("no such node: it was never on the list")
	errNoSwarm          = errors.New("no such swarm")
	errNoVantage        = errors.New("no such vantage point")
	errReportType       = errors.New("the body must be application/octet-stream")
	errRate             = errors.New("too many requests: Retry-After says when the next one may come")
	errConcurrent       = errors.New("too many requests at once: wait for the replies to those before")
	errBusy             = errors.New("too many requests of all clients at once")
	errPanic            = errors.New("panic")
)

// fault is how an error is told: the status, and a code that stays the same whatever the words.
type fault struct {
	err    error
	status int
	code   string
}

// faults is the table of all of them. What is not in it is internal.
var faults = []fault{
	{errUnknownParameter, http.StatusBadRequest, "unknown_parameter"},
	{errParameter, http.StatusBadRequest, "invalid_parameter"},
	{errRange, http.StatusBadRequest, "invalid_range"},
	{errCursor, http.StatusBadRequest, "invalid_cursor"},
	{errLogCursor, http.StatusBadRequest, "invalid_cursor"},
	{ons.ErrType, http.StatusBadRequest, "invalid_type"},
	{ons.ErrHash, http.StatusBadRequest, "invalid_hash"},
	{ons.ErrOwner, http.StatusBadRequest, "invalid_owner"},
	{errBody, http.StatusBadRequest, "invalid_body"},
	{errTooMany, http.StatusBadRequest, "too_many_names"},
	{ons.ErrNotFound, http.StatusNotFound, "not_registered"},
	{errHeight, http.StatusNotFound, "no_such_height"},
	{errNoPath, http.StatusNotFound, "no_such_path"},
	{events.ErrReset, http.StatusGone, "log_reset"},
	{errMethod, http.StatusMethodNotAllowed, "method_not_allowed"},
	{errTooLarge, http.StatusRequestEntityTooLarge, "body_too_large"},
	{errMediaType, http.StatusUnsupportedMediaType, "unsupported_media_type"},
	{errRate, http.StatusTooManyRequests, "rate_limited"},
	{errConcurrent, http.StatusTooManyRequests, "too_many_at_once"},
	{errBusy, http.StatusServiceUnavailable, "busy"},
	{errBehind, http.StatusServiceUnavailable, "behind"},
}

// nodeFaults are those of the operations about nodes.
var nodeFaults = []fault{
	{errNodeKey, http.StatusBadRequest, "invalid_key"},
	{errSwarm, http.StatusBadRequest, "invalid_swarm"},
	{errNoNode, http.StatusNotFound, "no_such_node"},
	{errNoSwarm, http.StatusNotFound, "no_such_swarm"},
	{errNoVantage, http.StatusNotFound, "no_such_vantage_point"},
	{errReportType, http.StatusUnsupportedMediaType, "unsupported_media_type"},
}

// reportFaults are why a report of measurements is refused.
var reportFaults = []fault{
	{directory.ErrReportSize, http.StatusRequestEntityTooLarge, "body_too_large"},
	{directory.ErrReportForm, http.StatusBadRequest, "invalid_report"},
	{directory.ErrReportSignature, http.StatusForbidden, "wrong_signature"},
	{directory.ErrNotEnrolled, http.StatusForbidden, "not_enrolled"},
	{directory.ErrReportNetwork, http.StatusConflict, "wrong_network"},
	{directory.ErrReportTime, http.StatusConflict, "report_out_of_time"},
	{directory.ErrSequence, http.StatusConflict, "report_out_of_sequence"},
	{directory.ErrReportNode, http.StatusConflict, "report_of_unknown_node"},
	{directory.ErrFenced, http.StatusServiceUnavailable, "not_the_writer"},
}

var internal = fault{errPanic, http.StatusInternalServerError, "internal"}

// retryAfter is how many seconds a client should wait for an index that is behind: it is brought up to date more often.
const retryAfter = "10"

func faultOf(err error) fault {
	for _, all := range [][]fault{faults, nodeFaults, reportFaults, adminFaults} {
		for _, f := range all {
			if errors.Is(err, f.err) {
				return f
			}
		}
	}
	return internal
}

// problem returns what is told of an error. The text of one that we did not foresee stays inside.
func problem(err error) problemView {
	f := faultOf(err)
	detail := err.Error()
	if f.status == http.StatusInternalServerError {
		detail = "internal error"
	}
	return problemView{Type: "about:blank", Title: http.StatusText(f.status), Status: f.status, Code: f.code, Detail: detail}
}

// fail answers with an error.
func (c *call) fail(err error) {
	c.unread()
	p := problem(err)
	c.code = p.Code
	if p.Status == http.StatusInternalServerError && !errors.Is(err, errPanic) {
		c.cfg.Log.Error("cannot answer", "operation", c.route, "err", err)
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic("api: internal error: " + err.Error())
	}
	h := c.gin.Writer.Header()
	delete(h, "Etag") // of the reply that it was to be
	delete(h, "Last-Modified")
	h["Cache-Control"] = noStore
	if p.Status == http.StatusNotFound && c.route != "" {
		h["Cache-Control"] = absent
	}
	if p.Status == http.StatusServiceUnavailable && h["Retry-After"] == nil {
		h.Set("Retry-After", retryAfter)
	}
	c.write(p.Status, problemType, seal(body, c.frame.asOf))
}

// noMethod answers a method that a path does not have, unless it is a browser's question before another one.
func noMethod(c *call) error {
	allowHead(c.gin.Writer.Header())
	if c.preflight() {
		return nil
	}
	return errMethod
}
