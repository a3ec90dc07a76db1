package oxend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// request is one call of one method.
type request struct {
	method string
	params any  // marshals to an object, or nil
	once   bool // never try again: see the package comment on requests that kill
}

// private methods carry name hashes or owners, and their error messages quote them.
func (r request) private() bool { return strings.HasPrefix(r.method, "ons_") }

// encode is the only place where a body is made, and it makes one JSON object. An 11.x daemon dies of an array, a
// string or a number as the body; params must be an object for both dialects.
func encode(r request) ([]byte, error) {
	body := struct {
		Version string          `json:"jsonrpc"`
		ID      string          `json:"id"`
		Method  string          `json:"method"`
		Params  json.RawMessage `json:"params,omitempty"`
	}{Version: "2.0", ID: "0", Method: r.method}
	if r.params != nil {
		p, err := json.Marshal(r.params)
		if err != nil || len(p) == 0 || p[0] != '{' {
			panic("oxend: internal error: params of " + r.method + " are not an object")
		}
		body.Params = p
	}
	return json.Marshal(body)
}

// stated is what most results have; embedding it makes call check it.
type stated struct {
	Status    string `json:"status"`
	Untrusted bool   `json:"untrusted"`
}

func (s stated) verdict() stated { return s }

// call posts r and returns its checked result. fast, if not nil, may decode the whole reply; when it fails with
// errDeclined, encoding/json decides. What it returns holds no part of the reply's buffer.
func call[T any](ctx context.Context, c *Client, r request, fast func([]byte) (*T, error)) (*T, error) {
	var out *T
	err := c.exchange(ctx, r, func(body []byte) (err error) {
		out, err = decodeReply(body, r.private(), fast)
		return err
	})
	return out, err
}

func decodeReply[T any](body []byte, private bool, fast func([]byte) (*T, error)) (*T, error) {
	if fast != nil {
		out, err := fast(body)
		if err == nil {
			return out, checkStatus(out, private)
		}
		if err != errDeclined {
			return nil, err
		}
	}
	var env struct {
		Result *T `json:"result"`
		Error  *struct {
			Code    int64  `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	err := json.Unmarshal(body, &env)
	switch {
	case env.Error != nil:
		e := &RPCError{Code: env.Error.Code, Message: oneLine(env.Error.Message)}
		if private {
			e.Message = ""
		}
		if e.Code == codeBusy {
			return nil, &transportError{e}
		}
		return nil, e
	case err != nil:
		return nil, badJSON(err, private)
	case env.Result == nil:
		return nil, shapef("reply has neither result nor error")
	}
	return env.Result, checkStatus(env.Result, private)
}

func checkStatus(result any, private bool) error {
	if v, ok := result.(interface{ verdict() stated }); ok {
		return statusError(v.verdict().Status, private)
	}
	return nil
}

func statusError(s string, private bool) error {
	switch {
	case s == "OK":
		return nil
	case s == "BUSY": // not synced yet
		return &transportError{errors.New("daemon is busy (status BUSY): it has not synced yet")}
	case s == "":
		return shapef("reply has no status")
	case s == "Failed":
		return errors.New("status is Failed, not OK")
	case private:
		return errors.New("status is not OK")
	default:
		return fmt.Errorf("status is %q, not OK", oneLine(s))
	}
}

// exchange posts r until decode accepts the reply, the attempts are used up or trying again cannot help.
func (c *Client) exchange(ctx context.Context, r request, decode func([]byte) error) error {
	body, err := encode(r)
	if err != nil {
		return fmt.Errorf("%s: %s: encode: %w", c.name, r.method, err)
	}
	pause := c.pause
	for attempt := 1; ; attempt++ {
		start := c.now()
		err = c.attempt(ctx, body, decode)
		c.log.LogAttrs(ctx, slog.LevelDebug, "asked daemon", slog.String("daemon", c.name), slog.String("method", r.method),
			slog.Int("attempt", attempt), slog.Duration("took", c.now().Sub(start)), slog.Bool("ok", err == nil))
		if err == nil {
			return nil
		}
		var te *transportError
		var se *shapeError
		var re *RPCError
		again := errors.As(err, &te)
		if again || errors.As(err, &se) || errors.As(err, &re) && re.Code != codeTooHigh {
			c.forget() // it may be another daemon by now, of the other dialect
		}
		if !again || r.once || attempt >= c.attempts || ctx.Err() != nil {
			break
		}
		if !sleep(ctx, pause/2+rand.N(pause)) {
			err = gaveUp(ctx)
			break
		}
		pause *= 2
	}
	var re *RPCError
	if !errors.As(err, &re) { // what the daemon itself says is an answer; all else is none
		err = &callError{err}
	}
	return fmt.Errorf("%s: %s: %w", c.name, r.method, err)
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// attempt is one HTTP exchange. decode sees a buffer that is reused afterwards.
func (c *Client) attempt(ctx context.Context, body []byte, decode func([]byte) error) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return &waitError{gaveUp(ctx)}
	}
	if err := c.limit.Wait(ctx); err != nil { // ctx ended, or would before our turn
		if ctx.Err() != nil {
			err = gaveUp(ctx)
		}
		return &waitError{err}
	}
	tctx, cancel := context.WithTimeoutCause(ctx, c.timeout, lateError(c.timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(tctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.user != nil {
		password, _ := c.user.Password()
		req.SetBasicAuth(c.user.Username(), password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return failed(tctx, ctx, err)
	}
	defer res.Body.Close()
	c.sawServer(res.Header.Get("Server"))
	if err := checkHTTP(res); err != nil {
		return err
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= 8<<20 { // one huge reply must not stay in memory for ever
			buffers.Put(buf)
		}
	}()
	if err := c.read(buf, res); err != nil {
		if errors.Is(err, ErrTooLarge) {
			return err
		}
		return failed(tctx, ctx, err)
	}
	return decode(buf.Bytes())
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (c *Client) read(buf *bytes.Buffer, res *http.Response) error {
	if res.ContentLength > c.max {
		return fmt.Errorf("%w: %d bytes announced, at most %d accepted", ErrTooLarge, res.ContentLength, c.max)
	}
	buf.Reset()
	buf.Grow(int(max(res.ContentLength, 4<<10)) + bytes.MinRead)
	n, err := buf.ReadFrom(io.LimitReader(res.Body, c.max+1))
	if err == nil && n > c.max {
		return fmt.Errorf("%w: at most %d bytes accepted", ErrTooLarge, c.max)
	}
	return err
}

func checkHTTP(res *http.Response) error {
	switch s := res.StatusCode; {
	case s == http.StatusOK:
		return nil
	case s == http.StatusUnauthorized:
		return errors.New("HTTP 401: the daemon wants a login (put user:password@ before the host of its URL)")
	case s == http.StatusNotFound:
		return errors.New("HTTP 404: not the JSON-RPC address of a daemon")
	case s >= 300 && s < 400:
		return fmt.Errorf("HTTP %d: redirects are refused", s)
	case s >= 500, s == http.StatusTooManyRequests:
		return &transportError{fmt.Errorf("HTTP %d", s)}
	default:
		return fmt.Errorf("HTTP %d", s)
	}
}

// forget drops the dialect, so that a daemon that was replaced is asked again.
func (c *Client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialect = 0
}

// sawServer notices a replaced daemon even when no connection failed in between.
func (c *Client) sawServer(header string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != header {
		c.server, c.dialect = header, 0
	}
}
