package onion

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrReply means that a reply opens but is not what a destination sends.
var ErrReply = errors.New("invalid reply")

// OpenReply opens the answer of a storage node: body is that of a guard's HTTP 200, in base64 or raw. It returns the
// status of the inner reply and its body, whether that came as a string or as JSON; null or none is nil. An answer in aes-gcm to a request
// in xchacha20 is accepted, as clients do (messaging.md D.5, N.9). The errors are ErrOpen and ErrReply.
func OpenReply(k Key, body []byte) (status int, reply []byte, err error) {
	plain, err := openAnswer(k, body)
	if err != nil {
		return 0, nil, err
	}
	var r struct {
		Status     *int            `json:"status"`
		StatusCode *int            `json:"status_code"`
		Body       json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(plain, &r); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	switch {
	case r.Status != nil:
		status = *r.Status
	case r.StatusCode != nil:
		status = *r.StatusCode
	default:
		return 0, nil, fmt.Errorf("%w: no status", ErrReply)
	}
	switch {
	case len(r.Body) == 0 || string(r.Body) == "null":
		return status, nil, nil
	case r.Body[0] != '"':
		return status, r.Body, nil
	}
	var s string
	if err := json.Unmarshal(r.Body, &s); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	return status, []byte(s), nil
}

// OpenResponse opens the answer of a server: body is that of a guard's HTTP 200, raw or in base64. It is as lenient as
// OpenReply. The errors are ErrOpen and ErrReply.
func OpenResponse(k Key, body []byte) (Response, error) {
	plain, err := openAnswer(k, body)
	if err != nil {
		return Response{}, err
	}
	return ParseResponse(plain)
}

// openAnswer tries base64 before raw bytes: a ciphertext that happens to be base64 is not worth guarding against, and
// one that is both opens either way.
func openAnswer(k Key, body []byte) ([]byte, error) {
	text := bytes.TrimRight(bytes.TrimSpace(body), "=")
	decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	if n, err := base64.RawStdEncoding.Decode(decoded, text); err == nil {
		if plain, err := k.openEither(decoded[:n]); err == nil {
			return plain, nil
		}
	}
	return k.openEither(body)
}

func (k Key) openEither(sealed []byte) ([]byte, error) {
	plain, err := k.Open(sealed)
	if err != nil && k.encryption == XChaCha20 {
		return Key{encryption: AESGCM, shared: k.shared, key: gcmKey(k.shared)}.Open(sealed)
	}
	return plain, err
}
