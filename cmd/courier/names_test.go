package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

// published has onsight write what a file host gives away of the town's names: published FOLDER. It sets SERVER to a host of the folder.
func published(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: published FOLDER")
	}
	bin, db, folder := ts.MkAbs("onsight"), ts.MkAbs("names.db"), ts.MkAbs(args[0])
	build := exec.Command("go", "build", "-o", bin, "onsight/cmd/onsight")
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("%v: %s", err, out)
	}
	for _, args := range [][]string{
		{"index", "--once", "--db", db, "--oxend", townOf(ts).Oxend()},
		{"export", "--db", db, "--static", folder},
	} {
		cmd := exec.Command(bin, args...)
		cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+ts.MkAbs("onsight-data"))
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Fatalf("%v: %s", err, out)
		}
	}
	s := httptest.NewServer(http.FileServer(http.Dir(folder)))
	ts.Defer(s.Close)
	ts.Setenv("SERVER", s.URL)
}
