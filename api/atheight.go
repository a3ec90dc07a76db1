package api

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"onsight/indexer"
	"onsight/ons"
)

// past returns the moment after the block that at_height names.
func (c *call) past() (moment, error) {
	text := c.query.Get("at_height")
	height, err := strconv.ParseUint(text, 10, 63)
	if err != nil || strconv.FormatUint(height, 10) != text {
		return moment{}, fmt.Errorf("%w: at_height must be the height of a block", errParameter)
	}
	switch {
	case c.state.Tip == nil:
		return moment{}, c.missing()
	case height <= c.state.Tip.Height:
		return c.moment().at(height), nil
	case height <= target(c.state, c.upstreams()):
		return moment{}, fmt.Errorf("%w: the index is at block %d and has still to read the one of at_height", errBehind, c.state.Tip.Height)
	}
	return moment{}, fmt.Errorf("%w: the newest one is %d", errHeight, c.state.Tip.Height)
}

// nameHistory returns what happened to the name in the path until now, or until the height that was asked for, oldest first, and
// the moment after that. What it returns is not empty.
func (c *call) nameHistory() (ons.Key, []*ons.Record, moment, error) {
	key, err := c.key()
	if err != nil {
		return key, nil, moment{}, err
	}
	if !c.query.Has("at_height") {
		all := c.snap.History(key)
		if len(all) == 0 || c.state.Tip == nil {
			return key, nil, moment{}, c.missing()
		}
		return key, all, c.moment(), nil
	}
	at, err := c.past()
	if err != nil {
		return key, nil, at, err
	}
	all := c.snap.History(key)
	for len(all) > 0 && all[len(all)-1].Updated > at.tip {
		all = all[:len(all)-1]
	}
	if len(all) == 0 {
		// Blocks that the index lacks are higher, so this is known even by one that is behind.
		return key, nil, at, fmt.Errorf("%w by block %d", ons.ErrNotFound, at.tip)
	}
	return key, all, at, nil
}

// freshAt sets the headers of a reply about an older state, whose newest record it is given, and returns for how long that may be
// kept. It reports whether the client has it already, which it then has told it.
func (c *call) freshAt(at moment, newest *ons.Record) (cache []string, has bool) {
	if at.tip > at.final || c.state.Phase == indexer.ForkBelowFinal {
		return atTip, c.fresh()
	}
	// All that can change is as_of, so the tag is a weak one.
	tag := `W/"` + newest.Txid.String() + "-" + strconv.FormatUint(at.tip, 10) + "-" + c.route + `"`
	return immutable, c.kept([]string{tag}, immutable)
}

// nameAt is name for an older state.
func (s *Server) nameAt(c *call) error {
	_, all, at, err := c.nameHistory()
	if err != nil {
		return err
	}
	r := all[len(all)-1]
	if _, has := c.freshAt(at, r); has {
		return nil
	}
	b := s.buffer()
	defer s.release(b)
	*b = append(*b, '{')
	*b = appendName(*b, r, at)
	*b = append(*b, `,"at_height":`...)
	*b = strconv.AppendUint(*b, at.tip, 10)
	*b = append(*b, '}')
	*b = seal(*b, c.frame.asOf)
	c.write(http.StatusOK, jsonType, *b)
	return nil
}

// pastText describes what at_height does to a reply.
const pastText = " With `at_height` it is told as it was after that block: with the status and the confirmations of then; only `final` is of now, " +
	"and the estimate `expires_at` is reckoned from `update_height`. Of blocks that are final this never changes, and may be kept for ever."

// atHeightField is what the name's reply has beside its record.
func atHeightField() *huma.Schema {
	low := 0.0
	return &huma.Schema{
		Type: huma.TypeInteger, Format: "int64", Minimum: &low,
		Description: "The block after which the name was like this; left out if none was asked for",
	}
}

func atHeightParam() *huma.Param {
	low := 0.0
	return &huma.Param{Name: "at_height", In: "query", Description: "Height of a block: as it was after that one", Schema: &huma.Schema{
		Type: huma.TypeInteger, Format: "int64", Minimum: &low,
	}}
}
