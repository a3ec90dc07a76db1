package devnet_test

import (
	"fmt"
	"strings"

	"onsight/internal/devnet"
	"onsight/ons"
)

// A network with a name, a node that is down and one that lies, and a chain that loses its newest block.
func ExampleStart() {
	names, err := devnet.ParseNames(strings.NewReader("session alice @alice"), ons.Fakechain)
	if err != nil {
		fmt.Println(err)
		return
	}
	faults, err := devnet.ParseFaults("3:down,4:lie-ons")
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := devnet.Start(devnet.Config{Nodes: 12, Names: names, Faults: faults})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	// Programs find it by n.Oxend() and n.Seed(), or by the variables of n.Environment().
	n.Mine(2)
	n.Reorg(2)
	s := n.Status()
	fmt.Println(s.Nodes, "nodes,", s.Active, "active,", s.Names[0], "name, height", s.Height)
	for _, e := range n.Events() {
		fmt.Println(e.Height, e.What)
	}
	// Output:
	// 12 nodes, 12 active, 1 name, height 572
	// 569 node 3 down
	// 569 node 4 lie-ons
	// 572 reorganisation of 2 blocks
}
