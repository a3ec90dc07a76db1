package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commandLines finds what is run in a text: courier and its arguments, up to what a shell would take for something else.
var commandLines = regexp.MustCompile(`(?m)(?:^ +|[$|&] )(?:[A-Z_]+=\S+ )*(?:bin/)?courier ((?:'[^']*'|"[^"]*"|[^|&#<>\n'"])*)`)

// TestDocsParse holds every line of the README, and of what commands give as examples, to the commands and flags there are.
func TestDocsParse(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{string(readme)}
	root, _ := program{env: func(string) string { return "" }}.root()
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		if cmd.Name() != "completion" && cmd.Name() != "help" {
			texts = append(texts, cmd.Example)
		}
		for _, sub := range cmd.Commands() {
			each(sub)
		}
	}
	each(root)
	texts = append(texts, longHelp)
	seen := 0
	for _, text := range texts {
		for _, found := range commandLines.FindAllStringSubmatch(text, -1) {
			seen++
			args := words(found[1])
			root, _ := program{env: func(string) string { return "" }}.root()
			cmd, rest, err := root.Find(args)
			if err == nil && cmd == root {
				t.Errorf("courier %s: no command", found[1])
				continue
			}
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil && cmd.Args != nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil {
				t.Errorf("courier %s: %v", found[1], err)
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d lines", seen)
	}
}

// words splits a line as a shell does, as far as documents go.
func words(line string) (list []string) {
	for _, w := range regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(line, -1) {
		list = append(list, strings.Trim(w, `'"`))
	}
	return list
}
