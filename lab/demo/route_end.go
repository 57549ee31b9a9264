package demo

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"causeway/lab/site"
)

// psc exposes the cluster whose control plane is an endpoint in the VPC's subnet:
// the line is there, the subnet is announced, and no peering is in between.
func (t *routeTour) psc(ctx context.Context) error {
	if err := t.s.ResetGoogle(ctx); err != nil {
		return err
	}
	if _, err := t.operator.Do(ctx, command("apply", exposing(namePSC), "--yes")...); err != nil {
		return err
	}
	google, err := t.s.Google(ctx)
	if err != nil {
		return err
	}
	var written []string
	for _, one := range google.Requests {
		if one.Write() {
			written = append(written, one.Method+" of "+path.Base(one.Path))
		}
	}
	fmt.Fprintf(t.out, "\n# all that was written to Google: %s\n", strings.Join(written, ", "))
	if len(written) != 1 {
		return fmt.Errorf("%d writes to Google, and the authorized networks alone were needed", len(written))
	}
	far, _, err := t.receive(ctx, namePSC)
	if err != nil {
		return err
	}
	if _, err := far.Do(ctx, "causeway", "verify", "--kubeconfig", ".kube/config"); err != nil {
		return err
	}
	if err := far.Nodes(ctx); err != nil {
		return err
	}
	return t.verified(ctx, namePSC)
}

func (t *routeTour) destroy(ctx context.Context) error {
	for _, name := range []string{namePSC, nameLine} {
		if _, err := t.operator.Do(ctx, command("destroy", routed(name), "--yes")...); err != nil {
			return err
		}
	}
	if err := t.s.AwaitSilence(ctx, site.ByPeering, settle); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n# the far side's engineer takes its half away too; its routes are gone\n")
	if err := t.s.FarDown(ctx); err != nil {
		return err
	}
	r, err := t.far.Do(ctx, "ip", "route")
	if err != nil {
		return err
	}
	if strings.TrimSpace(r.Stdout) != "" {
		return errors.New("the far side's kernel still has routes")
	}
	return asBefore(ctx, t.stage, t.before)
}

// asBefore proves that cloud and cluster are as they were.
func asBefore(ctx context.Context, on stage, before site.Picture) error {
	after, err := on.s.Take(ctx)
	if err != nil {
		return err
	}
	if err := same("destroy left something", before, after); err != nil {
		return err
	}
	fmt.Fprintf(on.out, "\n# cloud and cluster are as before: the emulator's state byte by byte (%d bytes),\n# the cluster's %d objects by name, uid and generation\n",
		len(after.Cloud), len(after.Cluster))
	return nil
}

func (t *routeTour) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeAwayBound)
	defer cancel()
	var errs []error
	for _, name := range []string{namePSC, nameLine} {
		errs = append(errs, dismantle(ctx, t.stage, t.operator.Who, name, routed(name)))
	}
	return errors.Join(append(errs, t.s.FarDown(ctx), t.s.CloseShop(ctx))...)
}

// dismantle destroys an exposure that is left in a lab which stays up.
func dismantle(ctx context.Context, on stage, who site.Who, name string, args []string) error {
	left, err := on.s.Take(ctx)
	if err != nil || len(left.Mentions("causeway-"+name)) == 0 && len(left.Mentions("exposure "+name)) == 0 {
		return err
	}
	fmt.Fprintf(on.out, "# destroying %s\n", name)
	return on.s.Run(ctx, who, command("destroy", args, "--yes")...).Want(0)
}
