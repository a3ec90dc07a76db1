package api

import (
	"fmt"
	"net/http"
	"runtime"

	"onsight/ons"
)

// healthz answers GET /healthz: the process lives.
func (s *Server) healthz(c *call) error { return c.reply(healthView{Status: "ok"}) }

// readyz answers GET /readyz: the index can tell what is not registered.
func (s *Server) readyz(c *call) error {
	if why := c.behind(); why != "" {
		return fmt.Errorf("%w: %s", errBehind, why)
	}
	return c.reply(healthView{Status: "ready"})
}

// status answers GET /v1/status.
func (s *Server) status(c *call) error {
	up := s.upstreams()
	state, counts := c.state, c.snap.Counts()
	v := statusView{
		Network: text(string(state.Network)), Phase: text(string(state.Phase)),
		Ready: true, TargetHeight: target(state, up), Lag: lag(state, up),
		AskedAt: clock(followed(state, up)),
		Names: countsView{
			Session: counts[ons.Session], Wallet: counts[ons.Wallet], Lokinet: counts[ons.Lokinet], Known: uint64(c.snap.Len()),
		},
		Upstreams: make([]upstreamView, len(up)),
		Versions:  versionsView{Onsight: s.cfg.Version, Go: runtime.Version()},
	}
	if why := behind(state, up, s.cfg.Now()); why != "" {
		v.Ready, v.Reason = false, &why
	}
	if state.Network != "" {
		v.StartHeight = &state.Start
	}
	if state.Tip != nil {
		v.Height, v.Hash = &state.Tip.Height, ref(state.Tip.Hash.String())
		v.Digest = ref(state.TipDigest().String())
		v.ImmutableHeight = number(state.Final)
	}
	for i, u := range up {
		v.Upstreams[i] = upstreamView{URL: u.URL, Height: number(u.Height), Error: text(u.Error), AskedAt: clock(u.AskedAt), Active: u.Active}
	}
	return c.reply(v)
}

// openapi answers GET /openapi.json. The document depends on the program only, so it carries no as_of.
func (s *Server) openapi(c *call) error {
	h := c.gin.Writer.Header()
	h["Etag"] = s.docTag
	h["Cache-Control"] = seldom
	if !c.notModified(s.docTag[0]) {
		c.write(http.StatusOK, jsonType, s.document)
	}
	return nil
}
