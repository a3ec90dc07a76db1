package client_test

import (
	"fmt"

	"onsight/client"
)

// An account is restored from its 13 words.
func ExampleParseSeed() {
	seed, err := client.ParseSeed("fixate vain amended egotistic fainted hubcaps colony diet dazed seeded alarms thaw dazed")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.NewAccount(seed).ID())
	_, err = client.ParseSeed("legal winner thank year wave sausage worth useful legal winner thank yellow")
	fmt.Println(err)
	// Output:
	// 050ab51fe108939111cfca59a5339c8c51132c01ef8f9457cf0b7fa329366cd55d
	// this is a BIP-39 phrase, as wallets have it, not a recovery phrase of Session
}
