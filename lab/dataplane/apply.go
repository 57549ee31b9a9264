package dataplane

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"time"

	"causeway/lab/netns"
	"causeway/lab/topology"
)

// apply puts in place what is wanted: links first, since sessions and routes go
// over them.
func (p *Plane) apply(w Want) error {
	had := p.applied
	if p.whole && reflect.DeepEqual(had, w) && time.Since(p.healed) < healEvery {
		return nil
	}
	p.healed = time.Now()
	errs := []error{p.links(had.Links, w.Links)}
	for namespace, config := range w.Routers {
		if config != had.Routers[namespace] {
			if err := p.routers[namespace].Configure(config); err != nil {
				errs = append(errs, err)
				w.Routers[namespace] = "" // to be tried again
			}
		}
	}
	for _, namespace := range p.o.Line.Namespaces() {
		if namespace != topology.Far { // the far side's routes are its own speaker's
			errs = append(errs, p.o.Spaces[namespace].SetRoutes(w.Routes[namespace]))
		}
	}
	for namespace, rules := range w.Filters {
		if rules != had.Filters[namespace] {
			if err := restore(p.o.Spaces[namespace], rules); err != nil {
				errs = append(errs, err)
				w.Filters[namespace] = ""
			}
		}
	}
	p.applied = w
	return errors.Join(errs...)
}

// links makes the tunnels' links the wanted ones. A link that is another tunnel's
// now, or ends elsewhere, is made anew: its sessions must not live on.
func (p *Plane) links(had, want []Link) error {
	far := p.o.Spaces[topology.Far]
	have, err := far.Links(strings.TrimSuffix(topology.TunnelName(0), "0"))
	if err != nil {
		return err
	}
	var errs []error
	there := map[string]bool{}
	for _, name := range have {
		there[name] = slices.ContainsFunc(had, func(h Link) bool {
			return h.Name == name && slices.ContainsFunc(want, func(w Link) bool {
				return w.Name == name && w.Tunnel == h.Tunnel && w.Namespace == h.Namespace
			})
		})
		if !there[name] {
			errs = append(errs, far.Unlink(name))
		}
	}
	up := map[string]bool{}
	for _, l := range want {
		if err := p.link(l, there[l.Name]); err != nil {
			errs = append(errs, err)
			continue
		}
		up[l.Tunnel] = true
	}
	p.mu.Lock()
	differs := !reflect.DeepEqual(p.up, up)
	p.up = up
	p.mu.Unlock()
	if differs {
		p.again() // the Fabric has changed by it
	}
	return errors.Join(errs...)
}

func (p *Plane) link(l Link, there bool) error {
	far, google := p.o.Spaces[topology.Far], p.o.Spaces[l.Namespace]
	if !there {
		if err := google.Pair(l.Name, far); err != nil {
			return err
		}
	}
	if err := google.SetAddress(l.Name, l.Google); err != nil {
		return err
	}
	return far.SetAddress(l.Name, l.Far)
}

// install makes the chains and has packets pass them: hooks are table, chain, own
// chain.
func install(space *netns.Space, hooks [][3]string, rules string) error {
	if err := restore(space, rules); err != nil {
		return err
	}
	for _, h := range hooks {
		if err := run(space, "", "iptables", "-w", "5", "-t", h[0], "-I", h[1], "-j", h[2]); err != nil {
			return err
		}
	}
	return nil
}

// restore replaces the lab's own chains; others' stay.
func restore(space *netns.Space, rules string) error {
	return run(space, rules, "iptables-restore", "-w", "5", "--noflush")
}

// run runs a program in a namespace to its end.
func run(space *netns.Space, input string, args ...string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		path = "/usr/sbin/" + args[0] // not on every user's PATH
	}
	cmd := exec.Command(path, args[1:]...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &out
	if err := space.Start(cmd); err != nil {
		return fmt.Errorf("run %s in %s: %w", args[0], space.Name, err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("run %s in %s: %w: %s", strings.Join(args, " "), space.Name, err, strings.TrimSpace(out.String()))
	}
	return nil
}
