package snode

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

// FuzzReply has the client read what a server may send: it takes no more than its bound, and every error is one of its own.
func FuzzReply(f *testing.F) {
	const good = `{"version":[2,11,0],"timestamp":1700000000000,"t":1700000000000,"hf":[19,3]}`
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 76\r\n\r\n" + good))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4c\r\n" + good + "\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 503 No\r\n\r\nService node is not ready: not done syncing\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat(" ", 3000) + good))
	f.Fuzz(func(t *testing.T, sent []byte) {
		c := Client{MaxReply: 1 << 10}
		r := bytes.NewReader(sent)
		body, err := c.exchange(struct {
			io.Reader
			io.Writer
		}{r, io.Discard}, "")
		if took := len(sent) - r.Len(); took > 1<<10 {
			t.Errorf("took %d bytes", took)
		}
		var status *StatusError
		switch {
		case err == nil:
		case errors.Is(err, ErrAnswer), errors.Is(err, ErrTooLarge), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		case errors.As(err, &status) && status.Status != 200:
		default:
			t.Errorf("got error %v", err)
		}
		info, err := parseInfo(body, time.Unix(1_700_000_000, 0))
		if err != nil && !errors.Is(err, ErrAnswer) {
			t.Errorf("got error %v", err)
		}
		if info.Offset == math.MinInt64 { // its absolute value would be negative
			t.Error("the offset has no absolute value")
		}
	})
}
