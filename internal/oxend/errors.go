package oxend

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"onsight/ons"
)

var (
	// ErrTooHigh is wrapped if and only if the daemon said that a height asked for lies beyond its newest block.
	ErrTooHigh error = noAnswer("height is beyond the daemon's newest block")
	// ErrLinkage is wrapped if and only if a header's prev_hash is not the hash of the header before it.
	ErrLinkage error = noAnswer("headers do not link")
	// ErrMissingTx is wrapped if and only if a transaction asked for did not come back as a mined one.
	ErrMissingTx error = noAnswer("transaction is missing")
	// ErrWrongNetwork is wrapped if and only if a daemon answered and follows another chain than the one wanted.
	ErrWrongNetwork = errors.New("daemon is of another network")
	// ErrUntrusted is wrapped if and only if the daemon passed on what a bootstrap daemon told it.
	ErrUntrusted error = noAnswer("answer is untrusted: the daemon asked another one")
	// ErrTooLarge is wrapped if and only if a reply is larger than Config.MaxReply.
	ErrTooLarge error = noAnswer("reply is too large")
)

// noAnswer is a sentinel that is an ons.ErrUnavailable as well, without saying so twice.
type noAnswer string

func (e noAnswer) Error() string        { return string(e) }
func (e noAnswer) Is(target error) bool { return target == ons.ErrUnavailable }

// RPCError is an error the daemon itself reported inside an HTTP 200. It is an ons.ErrUnavailable too.
type RPCError struct {
	Code    int64
	Message string // one line; empty for the ons_* methods, whose messages quote what was asked
}

func (e *RPCError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("daemon error %d", e.Code)
	}
	return fmt.Sprintf("daemon error %d: %s", e.Code, e.Message)
}

// Is makes it an ons.ErrUnavailable: it says why the daemon gave no answer.
func (e *RPCError) Is(target error) bool { return target == ons.ErrUnavailable }

// Codes of RPCError that mean something to this package (spec E.1).
const (
	codeTooHigh  = -2
	codeBusy     = -32003
	codeNoMethod = -32601
)

// transportError marks what a second attempt may mend: no connection, no whole reply, a 5xx, a daemon that is busy.
type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// Is makes it an ons.ErrUnavailable without saying so twice.
func (e *transportError) Is(target error) bool { return target == ons.ErrUnavailable }

// shapeError marks a reply that is not what the method returns. The dialect may have been mistaken.
type shapeError struct{ err error }

func (e *shapeError) Error() string { return e.err.Error() }
func (e *shapeError) Unwrap() error { return e.err }

// Is makes it an ons.ErrUnavailable without saying so twice.
func (e *shapeError) Is(target error) bool { return target == ons.ErrUnavailable }

// callError is any other reason why a question got no answer: no login, no certificate, a reply too large, given up.
type callError struct{ err error }

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// Is makes it an ons.ErrUnavailable without saying so twice.
func (e *callError) Is(target error) bool { return target == ons.ErrUnavailable }

func shapef(format string, args ...any) error { return &shapeError{fmt.Errorf(format, args...)} }

// oneLine makes text of a stranger fit for an error: printable, one line, short.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

func isRPC(err error, code int64) bool {
	var e *RPCError
	return errors.As(err, &e) && e.Code == code
}

// lateError says how long we waited for a reply before we gave up.
type lateError time.Duration

func (e lateError) Error() string { return fmt.Sprintf("no whole reply within %s", time.Duration(e)) }

// gaveUp says why ctx ended; package context's own words for a deadline help nobody.
func gaveUp(ctx context.Context) error {
	cause := context.Cause(ctx)
	if cause == context.DeadlineExceeded {
		return timeUp{}
	}
	return cause
}

// timeUp is context.DeadlineExceeded in other words.
type timeUp struct{}

func (timeUp) Error() string { return "no whole reply in the time the caller gave" }
func (timeUp) Unwrap() error { return context.DeadlineExceeded }

// waitError says that a question was not put because its turn did not come.
type waitError struct{ err error }

func (e *waitError) Error() string { return "its turn to ask did not come in time" }
func (e *waitError) Unwrap() error { return e.err }
