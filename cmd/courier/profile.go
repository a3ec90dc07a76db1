package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A profile is a folder: what opens the database, and the database.
const (
	vaultFile = "vault"
	storeFile = "courier.db"
)

// dataFolder is where profiles live when no folder is named.
func dataFolder(env func(string) string) (string, error) {
	dir := env("XDG_DATA_HOME")
	if !filepath.IsAbs(dir) { // the specification has relative ones ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", usagef("there is no home folder (%w): set HOME, or name the folder of profiles with --home (COURIER_HOME)", err)
		}
		dir = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(dir, "courier"), nil
}

// checkProfile holds a profile's name to what is a folder's name everywhere.
func checkProfile(name string) error {
	ok := len(name) > 0 && len(name) <= 64 && name[0] != '.' && name[0] != '-'
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	}
	if !ok {
		return usagef("--profile: %q is no name of a profile: use up to 64 letters, digits, -, _ and .", name)
	}
	return nil
}

func (f *flags) folder() string    { return filepath.Join(f.home, f.profile) }
func (f *flags) vaultPath() string { return filepath.Join(f.folder(), vaultFile) }
func (f *flags) storePath() string { return filepath.Join(f.folder(), storeFile) }
func (f *flags) hasProfile() bool  { return isProfile(f.folder()) }
func isProfile(folder string) bool {
	return exists(filepath.Join(folder, vaultFile)) || exists(filepath.Join(folder, storeFile))
}
func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

// profiles lists the profiles in a folder, in their order. A folder that is not there holds none.
func profiles(home string) (list []string, err error) {
	entries, err := os.ReadDir(home)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list profiles: %w", err)
	}
	for _, e := range entries {
		if checkProfile(e.Name()) == nil && isProfile(filepath.Join(home, e.Name())) {
			list = append(list, e.Name())
		}
	}
	return list, nil
}
