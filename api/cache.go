package api

import (
	"net/http"
	"strings"
	"time"
)

// How long a reply may be kept. A block comes every two minutes, so what is said as of the newest one is kept for seconds, and
// for some more while a cache asks anew.
var (
	noStore   = []string{"no-store"}          // of this moment only: errors, and what changes without a block
	absent    = []string{"public, max-age=2"} // of what does not exist: somebody may be waiting for it
	atTip     = []string{"public, max-age=5, stale-while-revalidate=10"}
	atTipAsIs = []string{"public, max-age=5, stale-while-revalidate=10, no-transform"} // what is compressed on the way would show its size
	immutable = []string{"public, max-age=31536000, immutable"}                        // of what is final: it can only be said the same way again
	seldom    = []string{"public, max-age=300, stale-while-revalidate=3600"}
)

// dates is when what a frame is of changed last.
type dates struct {
	changed int64    // Unix seconds
	header  []string // the same as Last-Modified; nil if that would lie in the future, which RFC 9110 forbids
}

// nextDates returns the dates of what follows a frame, which may be nil: the block's time, or a second more than the last if it
// is no later. Times of blocks need not rise, and nodes are measured between two blocks; as it is, no two of one process have one
// date.
func nextDates(old *frame, block int64, now time.Time) dates {
	d := dates{changed: block}
	if old != nil {
		d.changed = max(block, old.dates.changed+1)
	}
	if at := time.Unix(d.changed, 0); d.changed >= 0 && !at.After(now) {
		d.header = []string{at.UTC().Format(http.TimeFormat)}
	}
	return d
}

// fresh sets the headers of a reply that is true until the next block, and reports whether the client has it already,
// which it then has told it.
func (c *call) fresh() bool { return c.kept(c.frame.tags[c.route], atTip) }

// kept is fresh for a reply with a tag of its own.
func (c *call) kept(tag, cache []string) bool {
	h := c.gin.Writer.Header()
	h["Etag"] = tag
	h["Cache-Control"] = cache
	if date := c.frame.dates.header; date != nil {
		h["Last-Modified"] = date
	}
	return c.notModified(tag[0])
}

// notModified answers 304 if the client has what the tag is of. A date tells too little for that: another process, or this one
// after a restart, gives the same one to something else.
func (c *call) notModified(tag string) bool {
	if !matches(c.gin.Request.Header["If-None-Match"], tag) {
		return false
	}
	c.gin.Writer.WriteHeader(http.StatusNotModified)
	c.gin.Writer.WriteHeaderNow()
	return true
}

// matches reports whether one of the tags of an If-None-Match is tag; weak ones count as strong (RFC 9110, 13.1.2).
func matches(headers []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, h := range headers {
		for _, given := range strings.Split(h, ",") {
			given = strings.TrimPrefix(strings.TrimSpace(given), "W/")
			if given == "*" || given == tag {
				return true
			}
		}
	}
	return false
}
