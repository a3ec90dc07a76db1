package directory

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mmdb writes a database in MaxMind's format (version 2.0, IPv4, records of 24 bits) with one value for each prefix.
// Source: https://maxmind.github.io/MaxMind-DB/
func mmdb(t *testing.T, kind string, values map[string]any) string {
	t.Helper()
	type node struct{ to [2]int } // a child's number; 0: nothing; negative: the value before that
	nodes := []node{{}}
	var data [][]byte
	for prefix, v := range values {
		p := netip.MustParsePrefix(prefix)
		data = append(data, mmdbValue(v))
		at, address := 0, p.Addr().As4()
		for bit := range p.Bits() {
			side := address[bit/8] >> (7 - bit%8) & 1
			switch {
			case bit == p.Bits()-1:
				nodes[at].to[side] = -len(data)
			case nodes[at].to[side] == 0:
				nodes = append(nodes, node{})
				nodes[at].to[side] = len(nodes) - 1
				at = len(nodes) - 1
			default:
				at = nodes[at].to[side]
			}
		}
	}
	var tree, section bytes.Buffer
	offsets := []int{0}
	for _, d := range data {
		section.Write(d)
		offsets = append(offsets, section.Len())
	}
	for _, n := range nodes {
		for _, to := range n.to {
			record := len(nodes) // nothing
			if to > 0 {
				record = to
			} else if to < 0 {
				record = len(nodes) + 16 + offsets[-to-1]
			}
			tree.Write([]byte{byte(record >> 16), byte(record >> 8), byte(record)})
		}
	}
	meta := mmdbValue(map[string]any{"node_count": uint32(len(nodes)), "record_size": uint16(24), "ip_version": uint16(4), "database_type": kind,
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0), "build_epoch": uint64(1)})
	file := append(tree.Bytes(), make([]byte, 16)...)
	file = append(file, section.Bytes()...)
	file = append(append(file, "\xab\xcd\xefMaxMind.com"...), meta...)
	path := filepath.Join(t.TempDir(), kind+".mmdb")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mmdbValue(v any) []byte {
	switch v := v.(type) {
	case string:
		if len(v) >= 29 {
			return append([]byte{2<<5 | 29, byte(len(v) - 29)}, v...)
		}
		return append([]byte{2<<5 | byte(len(v))}, v...)
	case uint16:
		return binary.BigEndian.AppendUint16([]byte{5<<5 | 2}, v)
	case uint32:
		return binary.BigEndian.AppendUint32([]byte{6<<5 | 4}, v)
	case uint64:
		return binary.BigEndian.AppendUint64([]byte{8, 9 - 7}, v)
	case map[string]any:
		b := []byte{7<<5 | byte(len(v))}
		for k, e := range v {
			b = append(append(b, mmdbValue(k)...), mmdbValue(e)...)
		}
		return b
	}
	panic("not needed")
}

func TestGeo(t *testing.T) {
	t.Parallel()
	countries := mmdb(t, "Country", map[string]any{
		"10.1.0.0/16": map[string]any{"country": map[string]any{"iso_code": "DE"}},
		"10.2.0.0/16": map[string]any{"continent": "EU"},
		"10.3.0.0/16": "text",
	})
	systems := mmdb(t, "ASN", map[string]any{"10.1.0.0/16": map[string]any{"autonomous_system_number": uint32(24940), "autonomous_system_organization": "Hetzner Online"}})
	const none = "the address is not in the database of "
	for _, tt := range []struct {
		name, countries, systems, address string
		want                              Place
	}{
		{"known", countries, systems, "10.1.2.3", Place{Country: "DE", AS: 24940, ASName: "Hetzner Online"}},
		{"no country in it", countries, systems, "10.2.2.3", Place{CountryUnknown: "the database has no country for the address", ASUnknown: none + "autonomous systems"}},
		{"another form", countries, systems, "10.3.2.3", Place{CountryUnknown: "the database of countries is of another form", ASUnknown: none + "autonomous systems"}},
		{"not in it", countries, systems, "192.0.2.1", Place{CountryUnknown: none + "countries", ASUnknown: none + "autonomous systems"}},
		{"IPv6 in a database of IPv4", countries, "", "2001:db8::1", Place{CountryUnknown: "the database of countries cannot be read", ASUnknown: "no database of autonomous systems was given"}},
		{"no databases", "", "", "10.1.2.3", Place{CountryUnknown: "no database of countries was given", ASUnknown: "no database of autonomous systems was given"}},
		{"the wrong one", systems, countries, "10.1.2.3", Place{CountryUnknown: "the database has no country for the address", ASUnknown: "the database has no autonomous system for the address"}},
	} {
		g, err := OpenGeo(tt.countries, tt.systems)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tt.want, g.Place(netip.MustParseAddr(tt.address))); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
		unknown := Place{CountryUnknown: "the address is unknown", ASUnknown: "the address is unknown"}
		if d := cmp.Diff(unknown, g.Place(netip.Addr{})); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
	if p := (*Geo)(nil).Place(netip.MustParseAddr("10.1.2.3")); p.CountryUnknown == "" || p.ASUnknown == "" {
		t.Errorf("got %+v", p)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if g, err := OpenGeo(countries, missing); err == nil || g != nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v, %v", g, err)
	}
}
