package remote

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"onsight/ons"
)

// errLength means that a reply is longer than it may be or than it says, or shorter.
var errLength = errors.New("of a wrong length")

// bundleReply, in the place of a number of bytes, is the bound of bundles and deltas: they say at their beginning how long they are.
const bundleReply = -1

// read reads the body of a reply of at most so many bytes. It makes room for all of it at once where it knows the length, and the
// system gives that only as it is filled.
func read(res *http.Response, most int64) ([]byte, error) {
	var head []byte
	if most == bundleReply && res.StatusCode != http.StatusOK {
		most = shortReply
	}
	if most == bundleReply {
		head = make([]byte, ons.BundleHead)
		n, err := io.ReadFull(res.Body, head)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		head = head[:n]
		size, err := ons.BundleSize(head)
		switch {
		case err != nil:
			return nil, err
		case size > bundle || res.ContentLength > 0 && size != uint64(res.ContentLength):
			return nil, errLength
		}
		most = int64(size)
	}
	if res.ContentLength > most {
		return nil, errLength
	}
	var b bytes.Buffer
	switch {
	case head != nil:
		b.Grow(int(most) + bytes.MinRead)
	case res.ContentLength > 0:
		b.Grow(int(res.ContentLength) + bytes.MinRead)
	}
	b.Write(head)
	if _, err := b.ReadFrom(io.LimitReader(res.Body, most+1-int64(len(head)))); err != nil {
		return nil, err
	}
	if int64(b.Len()) > most || head != nil && int64(b.Len()) < most {
		return nil, errLength
	}
	return b.Bytes(), nil
}
