package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// proxiedFile is in the folder of a profile that was used with a proxy: what such a one has to send does not go directly because somebody
// forgot to say so.
const proxiedFile = "proxied"

// noProxy is what --proxy is to be where a profile that was used with one is to go without.
const noProxy = "none"

// stayHome are the commands that ask nobody anything.
var stayHome = []string{"account", "chats", "export", "messages read", "messages search", "messages show", "contacts list", "requests list", "outbox list",
	"outbox show", "outbox drop", "names pins", "names receipt", "vault"}

// staysHome reports whether a command asks nobody anything.
func staysHome(path string) bool {
	_, path, _ = strings.Cut(path, " ")
	return slices.ContainsFunc(stayHome, func(c string) bool { return path == c || strings.HasPrefix(path, c+" ") })
}

// checkProxy notes that a profile is used with a proxy, and refuses to use one without that was.
func (f *flags) checkProxy() error {
	path := filepath.Join(f.folder(), proxiedFile)
	switch {
	case f.local || f.proxy == noProxy:
	case f.by != nil && !exists(path):
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return fmt.Errorf("note that the profile is used with a proxy: %w", err)
		}
	case f.by == nil && exists(path):
		return usagef("profile %s was used with a proxy: name it with --proxy (COURIER_PROXY), or go without: --proxy %s", f.profile, noProxy)
	}
	return nil
}
