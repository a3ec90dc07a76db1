package directory

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Place is where an address is, as far as local databases know.
type Place struct {
	Country        string // two letters; "": unknown
	CountryUnknown string // why; "" if it is known
	AS             uint32 // number of the autonomous system; 0: unknown
	ASName         string
	ASUnknown      string // why; "" if it is known
}

// Geo looks places up in local databases in MaxMind's format. A nil Geo knows nothing and says so. It may be used
// concurrently, but not with Close.
type Geo struct {
	country, as *maxminddb.Reader // nil: none given
}

// OpenGeo opens a database of countries and one of autonomous systems; "" for none. They may be the same file.
func OpenGeo(country, as string) (*Geo, error) {
	g := &Geo{}
	for _, f := range []struct {
		path string
		into **maxminddb.Reader
	}{{country, &g.country}, {as, &g.as}} {
		if f.path == "" {
			continue
		}
		r, err := maxminddb.Open(f.path)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open %s: %w", f.path, err), g.Close())
		}
		*f.into = r
	}
	return g, nil
}

// Close closes the databases.
func (g *Geo) Close() error {
	var errs []error
	for _, r := range []*maxminddb.Reader{g.country, g.as} {
		if r != nil {
			errs = append(errs, r.Close())
		}
	}
	return errors.Join(errs...)
}

// Place looks a up.
func (g *Geo) Place(a netip.Addr) Place {
	var country, as *maxminddb.Reader
	if g != nil {
		country, as = g.country, g.as
	}
	var p Place
	var c struct {
		Country struct {
			Code string `maxminddb:"iso_code"`
		} `maxminddb:"country"`
	}
	if p.CountryUnknown = lookUp(country, "countries", a, &c); p.CountryUnknown == "" {
		if p.Country = c.Country.Code; p.Country == "" {
			p.CountryUnknown = "the database has no country for the address"
		}
	}
	var n struct {
		Number uint32 `maxminddb:"autonomous_system_number"`
		Name   string `maxminddb:"autonomous_system_organization"`
	}
	if p.ASUnknown = lookUp(as, "autonomous systems", a, &n); p.ASUnknown == "" {
		if p.AS, p.ASName = n.Number, n.Name; p.AS == 0 {
			p.ASUnknown = "the database has no autonomous system for the address"
		}
	}
	return p
}

// lookUp decodes what r has of a, or returns why there is nothing.
func lookUp(r *maxminddb.Reader, of string, a netip.Addr, into any) (why string) {
	switch {
	case !a.IsValid():
		return "the address is unknown"
	case r == nil:
		return "no database of " + of + " was given"
	}
	switch found := r.Lookup(a); {
	case found.Err() != nil:
		return "the database of " + of + " cannot be read"
	case !found.Found():
		return "the address is not in the database of " + of
	case found.Decode(into) != nil:
		return "the database of " + of + " is of another form"
	}
	return ""
}
