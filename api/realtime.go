package api

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Bounds of max_distance, in seconds.
const (
	defaultDistance = 60
	maxDistance     = 86400
)

type realtimeView struct {
	Status   string `json:"status" enum:"realtime"`
	Distance int64  `json:"distance" doc:"Seconds: no block older than that is missing"`
	TipAge   int64  `json:"tip_age" doc:"Seconds since the time that the newest block says"`
}

// realtime answers GET /v1/realtime: no block is missing that is older than max_distance seconds.
func (s *Server) realtime(c *call) error {
	most := defaultDistance * time.Second
	if c.query.Has("max_distance") {
		n, err := strconv.ParseUint(c.query.Get("max_distance"), 10, 32)
		if err != nil || n < 1 || n > maxDistance {
			return fmt.Errorf("%w: max_distance must be 1 to %d", errParameter, maxDistance)
		}
		most = time.Duration(n) * time.Second
	}
	now := s.cfg.Now()
	far, why := distance(c.state, s.upstreams(), now)
	if why == "" && far > most {
		why = fmt.Sprintf("blocks of the last %d seconds may be missing", int64(math.Ceil(far.Seconds())))
	}
	if why != "" {
		return fmt.Errorf("%w: %s", errBehind, why)
	}
	return c.reply(realtimeView{Status: "realtime", Distance: int64(far.Seconds()), TipAge: int64(tipAge(c.state, now).Seconds())})
}

func (d describer) realtime() *huma.Operation {
	op := operation("realtime", http.MethodGet, "/v1/realtime", "service", "Is no block missing that is older than this",
		"200 if no block that is older than `max_distance` seconds is missing, else 503. That is judged by when a daemon last said that "+
			"the index has its whole chain; while the index has not, by the time of its newest block. The server that follows the chain "+
			"knows it of its last round, so ask for more than its --interval; one that only reads what another process writes hears of it with "+
			"up to half a minute of delay.")
	low, high := 1.0, float64(maxDistance)
	op.Parameters = []*huma.Param{{Name: "max_distance", In: "query", Description: "Seconds", Schema: &huma.Schema{
		Type: huma.TypeInteger, Minimum: &low, Maximum: &high, Default: defaultDistance,
	}}}
	d.replies(op, "Realtime", realtimeView{}, nil, examples{"realtime": exampleSealed(realtimeView{Status: "realtime", Distance: 12, TipAge: 75})})
	d.fails(op, errParameter, errBehind)
	return op
}
