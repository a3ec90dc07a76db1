package api

import (
	"encoding/binary"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// bucket is a client as the limits say it is, with nothing ever forgotten.
type bucket struct {
	tokens  float64
	at      time.Time
	running int
}

// TestCrowd compares the clients that are remembered with a model that forgets nobody: none is ever refused more or less.
// Rates and times are such that floats have no say.
func TestCrowd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := Limits{
			Rate: rapid.SampledFrom([]float64{0, 0.25, 1, 4, 64}).Draw(t, "rate"), Burst: rapid.IntRange(1, 20).Draw(t, "burst"),
			Concurrent: rapid.IntRange(0, 3).Draw(t, "concurrent"), Total: rapid.IntRange(0, 6).Draw(t, "total"),
		}
		c, now := newCrowd(l), time.Unix(1735689600, 0)
		model, running := map[byte]*bucket{}, []func(){}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 8, 40, 8 * 30, 8 * 200}).Draw(t, "pass")) * time.Second / 8)
			if len(running) > 0 && rapid.Bool().Draw(t, "leave") {
				i := rapid.IntRange(0, len(running)-1).Draw(t, "who")
				running[i]()
				running = append(running[:i], running[i+1:]...)
				continue
			}
			who := rapid.ByteRange(0, 4).Draw(t, "client")
			cost := rapid.SampledFrom([]int{0, 0, 1, 5, 100}).Draw(t, "cost")
			b := model[who]
			if b == nil {
				b = &bucket{tokens: float64(l.Burst), at: now}
				model[who] = b
			}
			b.tokens, b.at = min(float64(l.Burst), b.tokens+now.Sub(b.at).Seconds()*l.Rate), now
			var want error
			switch {
			case l.Total > 0 && len(running) >= l.Total:
				want = errBusy
			case l.Concurrent > 0 && b.running >= l.Concurrent:
				want = errConcurrent
			case l.Rate > 0 && b.tokens < 1:
				want = errRate
			}
			v, wait, err := c.admit(netip.AddrFrom4([4]byte{192, 0, 2, who}), now)
			if err != want || (err != nil) != (wait > 0) {
				t.Fatalf("client %d: got %v after %v, want %v", who, err, wait, want)
			}
			if err != nil {
				if err == errRate && wait != time.Duration((1-b.tokens)/l.Rate*float64(time.Second)) {
					t.Fatalf("client %d: told to wait %v with %v tokens", who, wait, b.tokens)
				}
				continue
			}
			b.tokens--
			if l.Rate > 0 && cost > 0 {
				c.charge(v, cost, now)
				b.tokens -= min(float64(cost), math.Floor(b.tokens+float64(l.Burst)))
			}
			b.running++
			running = append(running, func() { c.leave(v); b.running-- })
		}
		if got := c.total.Load(); got != int64(len(running)) {
			t.Fatalf("%d are running, want %d", got, len(running))
		}
	})
}

// TestCrowdBounded asks from a million addresses at one moment: nobody is refused, and few are remembered. Who is being
// answered is among those.
func TestCrowdBounded(t *testing.T) {
	t.Parallel()
	c, now := newCrowd(Limits{Rate: 1, Burst: 1, Concurrent: 1}), time.Unix(1735689600, 0)
	slow := netip.MustParseAddr("2001:db8::1")
	if _, _, err := c.admit(slow, now); err != nil {
		t.Fatal(err)
	}
	for i := range uint32(1_000_000) {
		var a [16]byte
		a[0] = 0x20
		binary.BigEndian.PutUint32(a[4:], i)
		v, _, err := c.admit(netip.AddrFrom16(a), now.Add(time.Duration(i)*5*time.Microsecond))
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		c.leave(v)
	}
	if n := c.size(); n > crowdParts*partSize*2 {
		t.Errorf("%d clients are remembered, want at most %d", n, crowdParts*partSize*2)
	}
	if _, _, err := c.admit(slow, now.Add(5*time.Second)); err != errConcurrent {
		t.Errorf("a client that is being answered: got %v, want %v", err, errConcurrent)
	}
}

// proxies of the tests.
var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		remote  string
		lines   []string
		want    string
		proxied bool
	}{
		{remote: "192.0.2.1:80", want: "192.0.2.1"},
		{remote: "[2001:db8::1]:80", want: "2001:db8::1"},
		{remote: "[::ffff:192.0.2.1]:80", want: "192.0.2.1"},
		{remote: "[fe80::1%eth0]:80", want: "fe80::1"},
		{remote: "@", want: "invalid IP"},
		{remote: "", want: "invalid IP"},
		// Nobody but a proxy of ours is believed.
		{remote: "192.0.2.1:80", lines: []string{"198.51.100.7"}, want: "192.0.2.1", proxied: true},
		{remote: "11.0.0.1:80", lines: []string{"10.0.0.1"}, want: "11.0.0.1", proxied: true},
		{remote: "@", lines: []string{"198.51.100.7"}, want: "invalid IP", proxied: true},
		{remote: "10.0.0.1:80", want: "10.0.0.1"},
		{remote: "10.0.0.1:80", lines: []string{"198.51.100.7"}, want: "198.51.100.7", proxied: true},
		{remote: "[::ffff:10.0.0.1]:80", lines: []string{"198.51.100.7"}, want: "198.51.100.7", proxied: true},
		{remote: "[fd00::1]:80", lines: []string{"2001:db8::5"}, want: "2001:db8::5", proxied: true},
		{remote: "10.0.0.1:80", lines: []string{" 198.51.100.7\t"}, want: "198.51.100.7", proxied: true},
		{remote: "10.0.0.1:80", lines: []string{"198.51.100.7:4711"}, want: "198.51.100.7", proxied: true},
		{remote: "10.0.0.1:80", lines: []string{"[2001:db8::5]:4711"}, want: "2001:db8::5", proxied: true},
		{remote: "10.0.0.1:80", lines: []string{"[2001:db8::5]"}, want: "2001:db8::5", proxied: true},
		// What the stranger himself wrote stands left of him.
		{remote: "10.0.0.1:80", lines: []string{"127.0.0.1, 203.0.113.9, 198.51.100.7"}, want: "198.51.100.7", proxied: true},
		{remote: "10.0.0.1:80", lines: []string{"203.0.113.9", "198.51.100.7"}, want: "198.51.100.7", proxied: true},
		{remote: "10.0.0.1:80", lines: []string{"203.0.113.9,198.51.100.7,10.0.0.2", "10.1.1.1"}, want: "198.51.100.7", proxied: true},
		{remote: "10.0.0.1:80", lines: []string{"10.0.0.3,10.0.0.2"}, want: "10.0.0.3", proxied: true},
		// A proxy that says nothing useful answers for it.
		{remote: "10.0.0.1:80", lines: []string{"unknown"}, want: "10.0.0.1", proxied: true},
		{remote: "10.0.0.1:80", lines: []string{""}, want: "10.0.0.1", proxied: true},
		{remote: "10.0.0.1:80", lines: []string{"198.51.100.7,"}, want: "10.0.0.1", proxied: true},
		{remote: "10.0.0.1:80", lines: []string{"198.51.100.7,_hidden,10.0.0.2"}, want: "10.0.0.2", proxied: true},
		{remote: "10.0.0.1:80", lines: []string{"198.51.100.7" + strings.Repeat(",10.0.0.2", maxHops)}, want: "10.0.0.2", proxied: true},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.lines != nil {
			r.Header[forwardedFor] = c.lines
		}
		if got, proxied := origin(r, proxies); got.String() != c.want || proxied != c.proxied {
			t.Errorf("%s, %q: got %s, %v, want %s, %v", c.remote, c.lines, got, proxied, c.want, c.proxied)
		}
	}
	r := &http.Request{RemoteAddr: "127.0.0.1:80", Header: http.Header{"Forwarded": {"for=192.0.2.1"}}}
	if _, proxied := origin(r, nil); !proxied {
		t.Error("Forwarded is not noticed")
	}
}

// FuzzOrigin holds that whatever a client writes into its own header, it is known by the address that our proxy saw.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"", "127.0.0.1", "10.0.0.1, 10.0.0.2", "[::1]:80,,%", "::ffff:10.0.0.1"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, own string, lines bool) {
		r := &http.Request{RemoteAddr: "10.0.0.1:80", Header: http.Header{forwardedFor: {own + ", 198.51.100.7"}}}
		if lines {
			r.Header[forwardedFor] = []string{own, "198.51.100.7"}
		}
		if got, _ := origin(r, proxies); got.String() != "198.51.100.7" {
			t.Errorf("%q: got %s", own, got)
		}
		r.Header[forwardedFor] = []string{own}
		if got, _ := origin(r, proxies); !got.IsValid() {
			t.Errorf("%q: nobody", own)
		}
	})
}
