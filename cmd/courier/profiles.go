package main

import (
	"github.com/spf13/cobra"

	"onsight/internal/terminal"
)

type profileView struct {
	Profile string `json:"profile"`
	Folder  string `json:"folder"`
	Current bool   `json:"current"`
}

func (p program) profilesCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "profiles", Short: "List the profiles: each has an account and a database of its own",
		Long: "List the profiles. Each has an account and a database of its own; --profile names the one that a command is about.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			names, err := profiles(f.home)
			if err != nil {
				return err
			}
			l := newList(p, f, nil, func(t *terminal.Table, v profileView) { t.Add(terminal.Cell{Text: v.Profile}) })
			for _, name := range names {
				one := *f
				one.profile = name
				if err := l.add(profileView{Profile: name, Folder: one.folder(), Current: name == f.profile}); err != nil {
					return err
				}
			}
			return l.close()
		},
	}
}
