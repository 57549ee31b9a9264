package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"causeway/lab/life"
	"causeway/lab/site"
)

// farSide is the far side's engineer, for those who play by hand: starts tunnels and
// router from the folder line/ of what causeway handed over, tells how they do, or
// takes them away.
func farSide(ctx context.Context, lab life.Lab, folder string, stdout io.Writer) error {
	state, err := lab.Status()
	if err != nil {
		return fmt.Errorf("find the lab: %w (LINE=vpn make lab brings one up)", err)
	}
	dir, err := os.MkdirTemp("", "causeway-far-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tools := site.Tools{Causeway: filepath.Join("..", "bin", "causeway"), Script: filepath.Join("..", "scripts", "verify.sh")}
	s, err := site.Open(lab.Place, state, tools, dir)
	if err != nil {
		return err
	}
	defer s.Close()
	switch folder {
	case "":
	case "down":
		return s.FarDown(ctx)
	default:
		if err := s.FarUp(ctx, folder); err != nil {
			return err
		}
	}
	far, err := s.FarState(ctx)
	if err != nil {
		return err
	}
	for _, one := range far.Sessions {
		fmt.Fprintf(stdout, "session %-10s %s %s\n", one.Name, one.State, one.Error)
	}
	for _, route := range far.Routes {
		fmt.Fprintln(stdout, "route  ", route)
	}
	return nil
}
