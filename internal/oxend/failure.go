package oxend

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// failed words a transport failure: with the reason when it was us who gave up, without the URL (http.Client's text
// has it) and without what the other side sent (net/http quotes a reply that is not HTTP, and that may quote us). What
// took too long is not tried again.
func failed(tctx, ctx context.Context, err error) error {
	var ce *tls.CertificateVerificationError
	var re tls.RecordHeaderError
	var oe *net.OpError
	var te net.Error
	switch {
	case ctx.Err() != nil:
		return gaveUp(ctx)
	case tctx.Err() != nil:
		return context.Cause(tctx)
	case errors.Is(err, errPin):
		return errPin
	case errors.As(err, &ce):
		return ce
	case errors.As(err, &oe):
		if oe.Timeout() {
			return oe
		}
		return &transportError{oe}
	case errors.As(err, &te) && te.Timeout():
		return errors.New("no whole reply in time")
	case errors.Is(err, http.ErrSchemeMismatch):
		return http.ErrSchemeMismatch
	case errors.As(err, &re):
		return errors.New("what answers does not speak TLS")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &transportError{errors.New("reply ends early")}
	case errors.Is(err, io.EOF):
		return &transportError{errors.New("connection closed without a reply (EOF)")}
	}
	return &transportError{errors.New("no HTTP reply")}
}

// badJSON words what encoding/json says of a reply, without the names of Go's types and, if private, without any part
// of the reply.
func badJSON(err error, private bool) error {
	var te *json.UnmarshalTypeError
	var se *json.SyntaxError
	switch {
	case errors.As(err, &te):
		field := te.Field[strings.LastIndexByte(te.Field, '.')+1:]
		if field == "" || te.Field == "result" {
			return shapef("%s is %s", cmp.Or(field, "reply"), kind(te.Value))
		}
		return shapef("field %s is %s", field, kind(te.Value))
	case errors.As(err, &se) && private:
		return shapef("reply is not JSON from byte %d on", se.Offset)
	}
	return shapef("decode reply: %w", err)
}

// kind puts encoding/json's description of a value, which may quote a number, into a sentence.
func kind(value string) string {
	switch {
	case strings.HasPrefix(value, "number "):
		return "a number that does not fit"
	case value == "array", value == "object":
		return "an " + value
	}
	return "a " + value
}
