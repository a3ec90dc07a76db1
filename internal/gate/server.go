package gate

import (
	"log/slog"
	"net/http"
	"time"
)

// Bounds of one connection: no client may hold one open by being slow.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second // of a whole request
	idleTimeout   = 2 * time.Minute
	maxHeader     = 8 << 10 // bytes; net/http allows 4 KiB more
)

// Server returns a server for this gate, with the bounds above. It has no time for replies, as the gate watches them; a handler
// that answers for longer than a request may take, such as a stream, has to take back the read deadline through an
// http.ResponseController, since net/http ends the request's context by it. What net/http itself has to say is dropped: it
// holds client addresses.
func (g *Gate) Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, MaxHeaderBytes: maxHeader, ConnState: g.changed,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
}
