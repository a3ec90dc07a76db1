package envelope_test

import (
	"fmt"

	"onsight/client/internal/envelope"
)

// Alice writes to Bob; Bob reads what his swarm has.
func Example() {
	alice, bob := envelope.NewKeys([32]byte{1}), envelope.NewKeys([32]byte{2})
	message := envelope.Message{Time: 1700000000123, Body: &envelope.Visible{Text: "Hello Bob", Profile: &envelope.Profile{Name: "Alice"}}}
	data, err := envelope.Seal(nil, alice, bob.ID(), message)
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := envelope.Open(bob, data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.Sender == alice.ID())
	switch b := got.Body.(type) {
	case *envelope.Visible:
		fmt.Println(b.Profile.Name, "says", b.Text)
	}
	// Output:
	// true
	// Alice says Hello Bob
}
