package canary_test

import (
	"fmt"
	"strings"

	"onsight/internal/canary"
)

// A key is known again in what somebody logged of it.
func Example() {
	key := canary.Text("my secret").Bytes([]byte{0xca, 0x9a, 0x97, 1, 2, 3})
	for _, line := range []string{"key=CA9A97010203", "[202 154 151 1 2 3]", "ypqXAQID", "My Secret", "nothing"} {
		fmt.Println(key.In([]byte(line), []byte(strings.ToLower(line))) != "")
	}
	// Output:
	// true
	// true
	// true
	// true
	// false
}
