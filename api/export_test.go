package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"onsight/api"
	"onsight/indexer"
)

// TestExport compares the files with what a server of the same snapshot answers: they must be the same bytes.
func TestExport(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 1000} {
		x := indexOf(t, synced(), names(rand.New(rand.NewPCG(uint64(n), 0)), n)...)
		s := serve(t, config(x))
		e, err := api.NewExport(x.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		bits := s.ranges(t).Bits
		count := 0
		err = e.Ranges(func(path string, write func(io.Writer) error) error {
			count++
			var got bytes.Buffer
			if err := write(&got); err != nil {
				return err
			}
			url := "/v1/names/" + path
			if past, ok := strings.CutPrefix(path, "history/"); ok {
				url = "/v1/names/range/" + past + "/history"
			}
			if _, want := wire(t, s.url+url); !bytes.Equal(got.Bytes(), want) {
				return fmt.Errorf("%s is not what the server says", path)
			}
			return nil
		})
		if want := 2 * (1<<(bits+1) - 1); err != nil || count != want {
			t.Errorf("%d names: %v, %d files, want %d", n, err, count, want)
		}
		if _, want := wire(t, s.url+"/v1/names/bundle"); !bytes.Equal(e.Bundle(), want) {
			t.Errorf("%d names: another bundle", n)
		}
		var status struct {
			Network string
			Ready   bool
			Files   struct {
				At string
				rangesReply
			}
		}
		b, err := e.Status()
		if err != nil || json.Unmarshal(b, &status) != nil || !status.Ready || status.Network != "fakechain" || status.Files.At != e.Folder || status.Files.Bits != bits {
			t.Errorf("%d names: %v %s", n, err, b)
		}
	}
	if _, err := api.NewExport(indexOf(t, indexer.State{}).Snapshot()); err == nil {
		t.Error("exported an empty index")
	}
	x := indexOf(t, synced(), names(rand.New(rand.NewPCG(1, 0)), 10)...)
	e, err := api.NewExport(x.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	full := fmt.Errorf("disk full")
	if err := e.Ranges(func(string, func(io.Writer) error) error { return full }); err != full {
		t.Errorf("got %v", err)
	}
}
