package api

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops is how many proxies in a row are followed.
const maxHops = 16

const forwardedFor = "X-Forwarded-For"

// origin returns who sent a request: the other end of the connection or, as long as that is a proxy of ours, whom it says
// it asks for. Each proxy adds to the right of X-Forwarded-For, so what stands left of the first stranger is the stranger's
// own invention. Where a proxy of ours says nothing that can be read, it is itself the client. The zero Addr is somebody
// whose address cannot be told. With proxied the connection is from a proxy, trusted or not.
func origin(r *http.Request, proxies []netip.Prefix) (client netip.Addr, proxied bool) {
	client = parseAddress(r.RemoteAddr)
	lines := r.Header[forwardedFor]
	if len(lines) == 0 {
		return client, len(r.Header["Forwarded"]) > 0
	}
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; hops++ {
			if hops == maxHops || !ours(client, proxies) {
				return client, true
			}
			var last string
			if cut := strings.LastIndexByte(rest, ','); cut >= 0 {
				rest, last = rest[:cut], rest[cut+1:]
			} else {
				last, more = rest, false
			}
			before := parseAddress(strings.Trim(last, " \t"))
			if !before.IsValid() {
				return client, true
			}
			client = before
		}
	}
	return client, true
}

// ours reports whether an address is one of our proxies'.
func ours(a netip.Addr, proxies []netip.Prefix) bool {
	for _, p := range proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseAddress reads an address with or without a port, and in brackets as a URL has it; the zero Addr if it is none.
func parseAddress(s string) netip.Addr {
	if colon := strings.IndexByte(s, ':'); colon >= 0 && (s[0] == '[' || colon == strings.LastIndexByte(s, ':')) {
		if at, err := netip.ParseAddrPort(s); err == nil {
			return at.Addr().Unmap().WithZone("")
		}
	}
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
