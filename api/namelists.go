package api

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"onsight/internal/census"
	"onsight/ons"
)

// listView is names. Server.writeNames writes it.
type listView struct {
	Names []nameView `json:"names" nullable:"false"`
	Next  *string    `json:"next" doc:"Cursor of the next page; null: this is the last one"`
}

// censusNow is the block that a census is asked about.
func (c *call) censusNow() census.Now {
	return census.Now{Height: c.state.Tip.Height, Start: c.state.Start, Rules: ons.Rules{Network: c.state.Network, Year: c.state.Year}}
}

// newest answers GET /v1/names: those that changed last.
func (s *Server) newest(c *call) error {
	if c.state.Tip == nil {
		return c.missing()
	}
	f, err := census.ParseFilter(c.query.Get("type"), c.query.Get("kind"), c.query.Get("status"))
	if err != nil {
		return fmt.Errorf("%w: %s", errParameter, strings.TrimPrefix(err.Error(), census.ErrFilter.Error()+": "))
	}
	limit, err := c.limit()
	if err != nil {
		return err
	}
	before, err := parsePlace(c.query.Get("next"))
	if err != nil {
		return err
	}
	return c.sendList(func() ([]*ons.Record, string) {
		page, next := f.Newest(c.snap, c.censusNow(), before, limit)
		if next == nil {
			return page, ""
		}
		return page, formatPlace(*next)
	})
}

// expiring answers GET /v1/names/expiring: those that end soonest.
func (s *Server) expiring(c *call) error {
	if c.state.Tip == nil {
		return c.missing()
	}
	now := c.censusNow()
	within := now.Soon()
	if c.query.Has("within") {
		text := c.query.Get("within")
		var err error
		if within, err = strconv.ParseUint(text, 10, 63); err != nil || strconv.FormatUint(within, 10) != text {
			return fmt.Errorf("%w: within must be a number of blocks", errParameter)
		}
	}
	limit, err := c.limit()
	if err != nil {
		return err
	}
	after, err := parseEnd(c.query.Get("next"))
	if err != nil {
		return err
	}
	return c.sendList(func() ([]*ons.Record, string) {
		page, next := census.Expiring(c.snap, now, within, after, limit)
		if next == nil {
			return page, ""
		}
		return page, formatEnd(*next)
	})
}

// sendList answers with a listView, which is made once a block for all who ask the same.
func (c *call) sendList(page func() (names []*ons.Record, next string)) error {
	d, err := c.frame.asked.get(c.route+"?"+c.gin.Request.URL.RawQuery, func() (*document, error) {
		names, next := page()
		b := appendNames([]byte{'{'}, names, c.moment(), next)
		return newDocument(seal(append(b, '}'), c.frame.asOf), gzip.BestSpeed), nil
	})
	if err != nil {
		return err
	}
	return c.sendDocument(d)
}

// appendNames writes the fields of a listView.
func appendNames(b []byte, page []*ons.Record, m moment, next string) []byte {
	b = append(b, `"names":[`...)
	for i, r := range page {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = appendName(b, r, m)
		b = append(b, '}')
	}
	b = append(b, `],"next":`...)
	return appendText(b, next)
}

// Cursors are base64 of numbers in big endian and a key, so that nobody counts on what is in them.
func formatPlace(p census.Place) string {
	b := binary.BigEndian.AppendUint64(nil, p.Height)
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, p.TxIndex))
}

// parsePlace reads what formatPlace returns; the empty text is the beginning.
func parsePlace(s string) (*census.Place, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 12 {
		return nil, errCursor
	}
	return &census.Place{Height: binary.BigEndian.Uint64(b), TxIndex: binary.BigEndian.Uint32(b[8:])}, nil
}

func formatEnd(e census.End) string {
	b := append(binary.BigEndian.AppendUint64(nil, e.Height), byte(e.Key.Type))
	return base64.RawURLEncoding.EncodeToString(append(b, e.Key.Hash[:]...))
}

// parseEnd reads what formatEnd returns; the empty text is the beginning.
func parseEnd(s string) (*census.End, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 41 || b[8] > byte(ons.Lokinet) {
		return nil, errCursor
	}
	return &census.End{Height: binary.BigEndian.Uint64(b), Key: ons.Key{Type: ons.Type(b[8]), Hash: ons.Hash(b[9:])}}, nil
}

func (d describer) newest() *huma.Operation {
	op := operation("names", http.MethodGet, "/v1/names", "names", "The names that changed last, newest first",
		"Each name once, as it is now, by its hash: names themselves are not on the chain. All filters have to hold; of several values separated by "+
			"commas one has to. A page looks at 20,000 records at most, so it may be short, or even empty, and still have a `next`. "+
			"What changes while you read pages goes to the top: it is not met again.")
	op.Parameters = []*huma.Param{
		wordsParam("type", "Types of names", "session", "wallet", "lokinet"),
		wordsParam("kind", "Kinds of the last transaction", "buy", "update", "renew"),
		wordsParam("status", "Statuses", "registered", "expiring", "expired", "needs_update"),
		limitParam(), nextParam(),
	}
	d.replies(op, "NameList", listView{}, cacheHeaders(), examples{"one name": exampleSealed(exampleList(exampleRecord(ons.Session)))})
	d.fails(op, errParameter, errCursor, errBehind)
	return op
}

func (d describer) expiring() *huma.Operation {
	op := operation("expiring", http.MethodGet, "/v1/names/expiring", "names", "The names that expire soonest, those first",
		"Names that live and end within so many blocks; only lokinet names end. 720 blocks are about a day.")
	low := 0.0
	op.Parameters = []*huma.Param{{
		Name: "within", In: "query", Description: "Blocks; without it a twelfth of the network's year, as the status `expiring`",
		Schema: &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: &low},
	}, limitParam(), nextParam()}
	r := exampleRecord(ons.Lokinet)
	r.Expires = exampleState().Tip.Height + 720
	d.replies(op, "NameList", listView{}, cacheHeaders(), examples{"within a day": exampleSealed(exampleList(r))})
	d.fails(op, errParameter, errCursor, errBehind)
	return op
}

// wordsParam is a list of some of these words.
func wordsParam(name, description string, words ...string) *huma.Param {
	of := "(" + strings.Join(words, "|") + ")"
	return &huma.Param{Name: name, In: "query", Description: description + ", separated by commas: " + strings.Join(words, ", "), Schema: &huma.Schema{
		Type: huma.TypeString, Pattern: "^(" + of + "(," + of + ")*)?$",
	}}
}

func exampleList(r *ons.Record) listView {
	return listView{Names: []nameView{newNameView(r, exampleMoment())}, Next: ref(formatPlace(census.Place{Height: r.Updated, TxIndex: 3}))}
}
