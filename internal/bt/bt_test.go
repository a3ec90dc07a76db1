package bt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/internal/bt"
)

func TestSpellings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want any
	}{
		{"i0e", int64(0)},
		{"i-1e", int64(-1)},
		{"i9223372036854775807e", int64(math.MaxInt64)},
		{"i9223372036854775808e", uint64(math.MaxInt64 + 1)},
		{"i18446744073709551615e", uint64(math.MaxUint64)},
		{"i-9223372036854775808e", int64(math.MinInt64)},
		{"0:", ""},
		{"4:a\x00b\xff", "a\x00b\xff"},
		{"10:0123456789", "0123456789"},
		{"le", bt.List{}},
		{"de", bt.Dict{}},
		{"l1:ai2elee", bt.List{"a", int64(2), bt.List{}}},
		{"d0:i1e1:\x00i2e1:ai3e2:aai4e1:bdee", bt.Dict{"": int64(1), "\x00": int64(2), "a": int64(3), "aa": int64(4), "b": bt.Dict{}}},
	} {
		got, err := bt.Decode([]byte(tt.text))
		if d := cmp.Diff(tt.want, got); err != nil || d != "" {
			t.Errorf("decode %q: %v %s", tt.text, err, d)
		}
		b, err := bt.Encode(tt.want)
		if err != nil || string(b) != tt.text {
			t.Errorf("encode %v = %q, %v; want %q", tt.want, b, err, tt.text)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("l", n) + strings.Repeat("e", n) }
	for _, tt := range []struct {
		what, text string
		want       error
	}{
		{"Empty", "", bt.ErrSyntax},
		{"NUL", "\x00", bt.ErrSyntax},
		{"NoValue", "x", bt.ErrSyntax},
		{"Two", "i0ei0e", bt.ErrSyntax},
		{"NoDigits", "ie", bt.ErrSyntax},
		{"NoEnd", "i1", bt.ErrSyntax},
		{"Minus", "i-e", bt.ErrSyntax},
		{"MinusZero", "i-0e", bt.ErrSyntax},
		{"Plus", "i+1e", bt.ErrSyntax},
		{"LeadingZero", "i01e", bt.ErrSyntax},
		{"TooLarge", "i18446744073709551616e", bt.ErrSyntax},
		{"TooSmall", "i-9223372036854775809e", bt.ErrSyntax},
		{"VeryLong", "i" + strings.Repeat("9", 1000) + "e", bt.ErrSyntax},
		{"Float", "i1.5e", bt.ErrSyntax},
		{"StringShort", "5:abcd", bt.ErrSyntax},
		{"StringHuge", "18446744073709551615:a", bt.ErrSyntax},
		{"StringLeadingZero", "01:a", bt.ErrSyntax},
		{"StringNoColon", "1a", bt.ErrSyntax},
		{"StringNoEnd", "1", bt.ErrSyntax},
		{"ListOpen", "li1e", bt.ErrSyntax},
		{"DictOpen", "d1:ai1e", bt.ErrSyntax},
		{"DictNoValue", "d1:ae", bt.ErrSyntax},
		{"DictKeyInteger", "di1ei1ee", bt.ErrSyntax},
		{"DictUnsorted", "d1:bi1e1:ai1ee", bt.ErrSyntax},
		{"DictTwice", "d1:ai1e1:ai1ee", bt.ErrSyntax},
		{"DictEmptyKeyTwice", "d0:i1e0:i1ee", bt.ErrSyntax},
		{"End", "e", bt.ErrSyntax},
		{"Deep", deep(bt.MaxDepth + 1), bt.ErrLimit},
		{"DeepOpen", strings.Repeat("d0:", 1000), bt.ErrLimit},
		{"Many", "l" + strings.Repeat("i0e", bt.MaxValues) + "e", bt.ErrLimit},
		{"Large", strings.Repeat("l", bt.MaxSize+1), bt.ErrLimit},
	} {
		t.Run(tt.what, func(t *testing.T) {
			if got, err := bt.Decode([]byte(tt.text)); !errors.Is(err, tt.want) || got != nil {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
	for _, text := range []string{deep(bt.MaxDepth), "l" + strings.Repeat("i0e", bt.MaxValues-1) + "e"} {
		if _, err := bt.Decode([]byte(text)); err != nil {
			t.Errorf("at the limit: %v", err)
		}
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	got, err := bt.Encode(bt.Dict{"yes": true, "no": false, "int": -5, "bytes": []byte("ab")})
	if want := "d5:bytes2:ab3:inti-5e2:noi0e3:yesi1ee"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, v := range []any{nil, 1.5, int32(1), []string{"a"}, bt.List{nil}, bt.Dict{"a": struct{}{}}} {
		if _, err := bt.Encode(v); !errors.Is(err, bt.ErrType) {
			t.Errorf("%#v: got %v, want ErrType", v, err)
		}
	}
	endless := bt.Dict{}
	endless["again"] = bt.List{endless}
	if _, err := bt.Encode(endless); !errors.Is(err, bt.ErrLimit) {
		t.Errorf("got %v, want ErrLimit", err)
	}
}

// value draws what Decode returns.
func value(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Int64().AsAny(),
		rapid.Uint64Range(math.MaxInt64+1, math.MaxUint64).AsAny(),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) any { return string(b) }),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.Map(rapid.SliceOfN(value(depth-1), 0, 4), func(l []any) any { return bt.List(l) }),
			rapid.Map(rapid.MapOfN(rapid.String(), value(depth-1), 0, 4), func(m map[string]any) any { return bt.Dict(m) }))
	}
	return rapid.OneOf(kinds...)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := value(3).Draw(t, "value")
		b, err := bt.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := bt.Decode(b)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Fatalf("%q: %v %s", b, err, d)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"i-12e", "3:abc", "li1e1:ae", "d1:ai1e1:bdee", "i18446744073709551615e", "l58:{\"code\":200}e"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := bt.Decode(b)
		if err != nil {
			if !errors.Is(err, bt.ErrSyntax) && !errors.Is(err, bt.ErrLimit) {
				t.Fatalf("unknown error: %v", err)
			}
			return
		}
		again, err := bt.Encode(v)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q is written %q, %v", b, again, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	text, err := bt.Encode(bt.Dict{"#": 7, "&": bt.Dict{"n": "Alice", "p": strings.Repeat("x", 100)}, "<": bt.List{bt.List{1, 2, "three"}}})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := bt.Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	v := bt.Dict{"#": 7, "&": bt.Dict{"n": "Alice", "p": strings.Repeat("x", 100)}, "<": bt.List{bt.List{1, 2, "three"}}}
	for b.Loop() {
		if _, err := bt.Encode(v); err != nil {
			b.Fatal(err)
		}
	}
}

func Example() {
	b, err := bt.Encode(bt.Dict{"t": 1700000000, "d": true, "n": bt.List{0, 2}})
	fmt.Printf("%s %v\n", b, err)
	v, err := bt.Decode(b)
	fmt.Println(v, err)
	_, err = bt.Decode([]byte("d1:bi1e1:ai1ee"))
	fmt.Println(err)
	// Output:
	// d1:di1e1:nli0ei2ee1:ti1700000000ee <nil>
	// map[d:1 n:[0 2] t:1700000000] <nil>
	// not bencode: keys out of order at byte 10
}
