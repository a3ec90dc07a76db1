package onion_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"

	"onsight/internal/onion"
)

// A client asks a node by way of two others; each opens its own layer and no other.
func Example() {
	var nodes []*ecdh.PrivateKey
	var hops []onion.Hop
	for i := range 3 {
		k, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			fmt.Println(err)
			return
		}
		nodes = append(nodes, k)
		hops = append(hops, onion.Hop{Ed25519: [32]byte{byte(i)}, X25519: k.PublicKey()})
	}
	body, reply, err := onion.Wrap(nil, onion.XChaCha20, hops[:2], hops[2], []byte(`{"method":"info","params":{}}`))
	if err != nil {
		fmt.Println(err)
		return
	}

	part, err := onion.ParsePart(body) // at the guard
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, node := range nodes {
		layer, err := onion.Peel(node, part)
		if err != nil {
			fmt.Println(err)
			return
		}
		if layer.Kind == onion.Relay {
			fmt.Println(layer.Kind, "to", layer.Destination[0])
			part = layer.Next
			continue
		}
		fmt.Printf("%s %s\n", layer.Kind, layer.Blob)
		answer, err := layer.Reply.Seal(nil, []byte(`{"status":200,"body":"{\"version\":[2,8,0]}"}`))
		if err != nil {
			fmt.Println(err)
			return
		}
		status, text, err := onion.OpenReply(reply, answer)
		fmt.Println(status, string(text), err)
	}
	// Output:
	// relay to 1
	// relay to 2
	// final {"method":"info","params":{}}
	// 200 {"version":[2,8,0]} <nil>
}
