package directory_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"time"

	"onsight/directory"
)

// network is twenty well nodes of five operators, the first one the fastest.
func network() []directory.Entry {
	var entries []directory.Entry
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 20 {
		latency := time.Duration(20+5*i) * time.Millisecond
		e := directory.Entry{Node: directory.Node{
			Key: directory.Key{byte(i)}, State: directory.Active, Funded: true, Active: true, Credit: 1440,
			Operator: fmt.Sprint("operator ", i%5), IP: netip.AddrFrom4([4]byte{192, 0, byte(i), 1}), Oxend: directory.Version{11, 0, uint16(i % 3)},
		}}
		e.Estimate = e.Estimate.Add(directory.Sample{At: now, OK: true, TCP: latency, TLS: 2 * latency, Info: latency, OMQ: directory.NotTried})
		entries = append(entries, e)
	}
	return entries
}

func Example() {
	entries := network()
	query, err := directory.ParseQuery(url.Values{"version": {"11.0.1.."}, "latency": {"..62ms"}, "order": {"-latency"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range query.Run(directory.View{Entries: entries}).Entries {
		fmt.Println(e.Node.Key.String()[:4], e.Node.Oxend, e.Estimate.Latency)
	}
	picked, relaxed := directory.Pick(rand.New(rand.NewPCG(1, 2)), entries, directory.Rules{N: 6, Mainnet: true})
	fmt.Println(len(picked), relaxed)
	_, err = directory.ParseQuery(url.Values{"colour": {"red"}})
	fmt.Println(err)
	// Output:
	// 0800 11.0.2 60ms
	// 0700 11.0.1 55ms
	// 0500 11.0.2 45ms
	// 0400 11.0.1 40ms
	// 0200 11.0.2 30ms
	// 0100 11.0.1 25ms
	// 6 [some share the operator: there were not enough others]
	// unknown parameter "colour"
}
