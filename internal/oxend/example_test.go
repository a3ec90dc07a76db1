package oxend_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"onsight/internal/oxend"
	"onsight/ons"
)

// A daemon is asked for a name; this one answers that it has no such record.
func ExampleClient_Lookup() {
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": "0", "result": struct{}{}})
	}))
	defer daemon.Close()

	c, err := oxend.New(oxend.Config{URL: daemon.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	name, err := ons.ParseName(ons.Session, "nobody")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = ons.Resolve(context.Background(), c, name)
	fmt.Println(errors.Is(err, ons.ErrNotFound), errors.Is(err, ons.ErrUnavailable))
	// Output: true false
}
