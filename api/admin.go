package api

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"onsight/directory"
	"onsight/internal/gate"
)

// Admin is what the operator of a server may see and change over HTTP. Every field must be given.
type Admin struct {
	Token       string // who shows it is the operator
	Probers     Enrolment
	Connections func() gate.Stats
	Lines       gate.Limits    // of connections
	Files       uint64         // that may be open; 0: any number, or nobody can tell
	Level       *slog.LevelVar // from which is logged
}

// Enrolment says which other machines may report measurements. Enrol and Dismiss return directory.ErrFenced where they cannot
// write.
type Enrolment interface {
	Probers(ctx context.Context) ([]directory.Prober, error)
	// Enrol returns ErrProber if the name or key is enrolled, or there are too many.
	Enrol(ctx context.Context, name string, key ed25519.PublicKey) error
	// Dismiss returns ErrNoProber if there is none of that name.
	Dismiss(ctx context.Context, name string) error
}

// What an Enrolment returns.
var (
	ErrProber   = errors.New("cannot enrol: the name or key is enrolled, or there are too many")
	ErrNoProber = errors.New("no such prober")
)

var (
	errClosed     = errors.New("closed: start the server with --admin-token-file to open the operations of its operator")
	errToken      = errors.New("not the operator: Authorization must be Bearer and the token of the server's --admin-token-file")
	errProberName = errors.New("invalid name of a prober")
	errProberKey  = errors.New("invalid key of a prober: must be 64 hexadecimal digits, as onsight probe keygen prints them")
)

// adminFaults are those of the operations of the operator.
var adminFaults = []fault{
	{errToken, http.StatusUnauthorized, "unauthorized"},
	{errClosed, http.StatusForbidden, "admin_closed"},
	{errProberName, http.StatusBadRequest, "invalid_prober"},
	{errProberKey, http.StatusBadRequest, "invalid_prober"},
	{ErrNoProber, http.StatusNotFound, "no_such_prober"},
	{ErrProber, http.StatusConflict, "cannot_enrol"},
	{directory.ErrFenced, http.StatusServiceUnavailable, "not_the_writer"},
}

// adminRoutes are in the document whether they are open or not.
func (s *Server) adminRoutes(d describer) []route {
	return []route{
		{op: d.adminStatus(), serve: s.operator(s.adminStatus)},
		{op: d.logLevel(), serve: s.operator(s.logLevel)},
		{op: d.probers(), serve: s.operator(s.probers)},
		{op: d.enrol(), serve: s.operator(s.enrol)},
		{op: d.dismiss(), serve: s.operator(s.dismiss)},
	}
}

var bearer = []string{"Bearer"}

// operator lets the operator through, and nobody else.
func (s *Server) operator(serve func(*call) error) func(*call) error {
	if s.cfg.Admin == nil {
		return func(*call) error { return errClosed }
	}
	token := sha256.Sum256([]byte(s.cfg.Admin.Token)) // of one length, whatever is shown
	return func(c *call) error {
		scheme, shown, _ := strings.Cut(c.gin.GetHeader("Authorization"), " ")
		sum := sha256.Sum256([]byte(shown))
		if subtle.ConstantTimeCompare(sum[:], token[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
			c.gin.Writer.Header()["Www-Authenticate"] = bearer
			return errToken
		}
		return serve(c)
	}
}

type adminStatusView struct {
	StartedAt   string          `json:"started_at" format:"date-time"`
	LogLevel    string          `json:"log_level" enum:"debug,info,warn,error"`
	Goroutines  int             `json:"goroutines"`
	HeapBytes   uint64          `json:"heap_bytes" doc:"In use, garbage included"`
	MemoryBytes uint64          `json:"memory_bytes" doc:"Taken from the system and not given back; without SQLite's"`
	FileLimit   uint64          `json:"file_limit" doc:"Files, connections among them, that may be open; 0 is any number, or not known"`
	Requests    requestsView    `json:"requests"`
	Connections connectionsView `json:"connections"`
}

type requestsView struct {
	Running    int64   `json:"running" doc:"Those that count against the limits"`
	Remembered int     `json:"clients_remembered" doc:"Clients whose limits are not full again"`
	Limit      int     `json:"limit" doc:"Running ones of all clients; 0 is any number"`
	Rate       float64 `json:"client_rate" doc:"A second, of one client; 0 is any number"`
	Burst      int     `json:"client_burst"`
	Concurrent int     `json:"client_limit" doc:"Running ones of one client; 0 is any number"`
}

type connectionsView struct {
	Open          int    `json:"open"`
	Waiting       int    `json:"waiting" doc:"Of these, nothing is being answered"`
	Clients       int    `json:"clients" doc:"That have them; trusted proxies and this machine are none"`
	Limit         int    `json:"limit" doc:"0 is any number"`
	ClientLimit   int    `json:"client_limit" doc:"Of one client; 0 is any number"`
	Accepted      uint64 `json:"accepted" doc:"Since the start, as those below"`
	Displaced     uint64 `json:"displaced" doc:"Waiting ones that were closed for new ones"`
	RefusedClient uint64 `json:"refused_client" doc:"New ones of clients that had too many"`
	RefusedTotal  uint64 `json:"refused_total" doc:"New ones while there were too many in all"`
	Stalled       uint64 `json:"stalled" doc:"Replies that were given up, since nobody read them"`
}

// adminStatus answers GET /v1/admin/status.
func (s *Server) adminStatus(c *call) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	a, l, n := s.cfg.Admin, s.crowd.limits, s.cfg.Admin.Connections()
	return c.reply(adminStatusView{
		StartedAt: *clock(s.started), LogLevel: strings.ToLower(a.Level.Level().String()), Goroutines: runtime.NumGoroutine(),
		HeapBytes: m.HeapAlloc, MemoryBytes: m.Sys - m.HeapReleased, FileLimit: a.Files,
		Requests: requestsView{
			Running: s.crowd.total.Load(), Remembered: s.crowd.size(), Limit: l.Total, Rate: l.Rate, Burst: l.Burst, Concurrent: l.Concurrent,
		},
		Connections: connectionsView{
			Open: n.Open, Waiting: n.Waiting, Clients: n.Clients, Limit: a.Lines.Total, ClientLimit: a.Lines.Client, Accepted: n.Accepted,
			Displaced: n.Displaced, RefusedClient: n.RefusedClient, RefusedTotal: n.RefusedTotal, Stalled: n.Stalled,
		},
	})
}

type levelView struct {
	Level string `json:"level" enum:"debug,info,warn,error"`
}

// logLevel answers PUT /v1/admin/log-level.
func (s *Server) logLevel(c *call) error {
	var v levelView
	if err := c.readView(&v); err != nil {
		return err
	}
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.ToLower(l.String()) == v.Level {
			s.cfg.Admin.Level.Set(l)
			return c.reply(v)
		}
	}
	return fmt.Errorf("%w: level must be debug, info, warn or error", errBody)
}

type proberView struct {
	Name       string  `json:"name" pattern:"^[a-z][a-z0-9-]{0,31}$"`
	Key        string  `json:"key" pattern:"^[0-9a-f]{64}$" doc:"Ed25519, of its signatures"`
	EnrolledAt string  `json:"enrolled_at" format:"date-time"`
	ReportedAt *string `json:"reported_at" format:"date-time" doc:"null if it never did"`
	Sequence   uint64  `json:"sequence" doc:"Of its newest report"`
}

type probersView struct {
	Probers []proberView `json:"probers" nullable:"false"`
}

// probers answers GET /v1/admin/probers.
func (s *Server) probers(c *call) error {
	list, err := s.cfg.Admin.Probers.Probers(c.gin.Request.Context())
	if err != nil {
		return fmt.Errorf("read the probers: %w", err)
	}
	v := probersView{Probers: make([]proberView, len(list))}
	for i, p := range list {
		v.Probers[i] = proberView{
			Name: p.Name, Key: hex.EncodeToString(p.Key), EnrolledAt: *clock(p.Enrolled), ReportedAt: clock(p.Reported), Sequence: p.Sequence,
		}
	}
	return c.reply(v)
}

type enrolView struct {
	Key string `json:"key" pattern:"^[0-9A-Fa-f]{64}$" doc:"As onsight probe keygen prints it"`
}

type enrolledView struct {
	Status string `json:"status" enum:"enrolled,removed"`
}

// ProberName is what the name of a prober has to be, as a regular expression.
const ProberName = "^[a-z][a-z0-9-]{0,31}$"

var proberName = regexp.MustCompile(ProberName)

// enrol answers PUT /v1/admin/probers/{name}.
func (s *Server) enrol(c *call) error {
	name := c.gin.Param("name")
	if !proberName.MatchString(name) {
		return errProberName
	}
	var v enrolView
	if err := c.readView(&v); err != nil {
		return err
	}
	key, err := hex.DecodeString(v.Key)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return errProberKey
	}
	if err := s.cfg.Admin.Probers.Enrol(c.gin.Request.Context(), name, key); err != nil {
		return enrolmentError("enrol a prober", err)
	}
	s.cfg.Log.Info("prober enrolled", "prober", name)
	return c.reply(enrolledView{Status: "enrolled"})
}

// dismiss answers DELETE /v1/admin/probers/{name}.
func (s *Server) dismiss(c *call) error {
	name := c.gin.Param("name")
	if !proberName.MatchString(name) {
		return errProberName
	}
	if err := s.cfg.Admin.Probers.Dismiss(c.gin.Request.Context(), name); err != nil {
		return enrolmentError("remove a prober", err)
	}
	s.cfg.Log.Info("prober removed", "prober", name)
	return c.reply(enrolledView{Status: "removed"})
}

// enrolmentError returns what may be told of an error, and for the log what was being done.
func enrolmentError(what string, err error) error {
	for _, told := range []error{ErrProber, ErrNoProber, directory.ErrFenced} {
		if errors.Is(err, told) {
			return told
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// maxView bounds a small body.
const maxView = 4 << 10

// readView reads a small body.
func (c *call) readView(v any) error {
	if !mediaType(c.gin.GetHeader("Content-Type"), "application/json") {
		return errMediaType
	}
	d := json.NewDecoder(http.MaxBytesReader(c.gin.Writer, c.gin.Request.Body, maxView))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return fmt.Errorf("%w: at most %d bytes", errTooLarge, maxView)
	}
	if err != nil || d.More() {
		return fmt.Errorf("%w: not the JSON object that the document describes", errBody)
	}
	return nil
}

func (d describer) adminStatus() *huma.Operation {
	op := adminOperation("adminStatus", http.MethodGet, "/v1/admin/status", "How the server stands", "")
	d.replies(op, "AdminStatus", adminStatusView{}, nil, examples{"an hour old": exampleSealed(exampleAdminStatus())})
	d.fails(op, errClosed, errToken)
	return op
}

func (d describer) logLevel() *huma.Operation {
	op := adminOperation("logLevel", http.MethodPut, "/v1/admin/log-level", "Log more or less", "Until the server ends.")
	d.takes(op, levelView{}, examples{"debug": must(json.Marshal(levelView{"debug"}))})
	d.replies(op, "LevelReply", levelView{}, nil, examples{"debug": exampleSealed(levelView{"debug"})})
	d.fails(op, errClosed, errToken, errBody, errTooLarge, errMediaType)
	return op
}

func (d describer) probers() *huma.Operation {
	op := adminOperation("probers", http.MethodGet, "/v1/admin/probers", "Who may report measurements", "")
	d.replies(op, "Probers", probersView{}, nil, examples{"one": exampleSealed(probersView{[]proberView{{
		Name: "berlin", Key: hex.EncodeToString(fill(32, 41)), EnrolledAt: *clock(exampleState().Asked.Add(-time.Hour)), ReportedAt: clock(exampleState().Asked), Sequence: 6,
	}}})})
	d.fails(op, errClosed, errToken)
	return op
}

func (d describer) enrol() *huma.Operation {
	op := adminOperation("enrol", http.MethodPut, "/v1/admin/probers/{name}", "Let a machine report measurements", "")
	op.Parameters = []*huma.Param{proberParam()}
	d.takes(op, enrolView{}, examples{"a key": must(json.Marshal(enrolView{hex.EncodeToString(fill(32, 41))}))})
	d.replies(op, "EnrolReply", enrolledView{}, nil, examples{"enrolled": exampleSealed(enrolledView{"enrolled"})})
	d.fails(op, errClosed, errToken, errProberName, errBody, errTooLarge, errMediaType, ErrProber, directory.ErrFenced)
	return op
}

func (d describer) dismiss() *huma.Operation {
	op := adminOperation("dismiss", http.MethodDelete, "/v1/admin/probers/{name}", "Take that back, and delete what the machine measured", "")
	op.Parameters = []*huma.Param{proberParam()}
	d.replies(op, "EnrolReply", enrolledView{}, nil, examples{"removed": exampleSealed(enrolledView{"removed"})})
	d.fails(op, errClosed, errToken, errProberName, ErrNoProber, directory.ErrFenced)
	return op
}

// tokenScheme is how the document calls the operator's token.
const tokenScheme = "operator"

func adminOperation(id, method, path, summary, description string) *huma.Operation {
	op := operation(id, method, path, "operator", summary, strings.TrimSpace(description+" Closed unless the server has a token for its operator."))
	op.Security = []map[string][]string{{tokenScheme: {}}}
	return op
}

// takes describes a body of JSON.
func (d describer) takes(op *huma.Operation, view any, ex examples) {
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: huma.SchemaFromType(d.registry, reflect.TypeOf(view)), Examples: ex.wrap()},
	}}
}

func proberParam() *huma.Param {
	return &huma.Param{Name: "name", In: "path", Required: true, Description: "Of the prober", Schema: &huma.Schema{Type: huma.TypeString, Pattern: ProberName}}
}

func exampleAdminStatus() adminStatusView {
	return adminStatusView{
		StartedAt: *clock(exampleState().Asked.Add(-time.Hour)), LogLevel: "info", Goroutines: 40, HeapBytes: 60 << 20, MemoryBytes: 90 << 20, FileLimit: 20_000,
		Requests:    requestsView{Running: 3, Remembered: 120, Limit: 1024, Rate: 20, Burst: 100, Concurrent: 16},
		Connections: connectionsView{Open: 90, Waiting: 87, Clients: 70, Limit: 4096, ClientLimit: 64, Accepted: 5000, Displaced: 12},
	}
}
