// Package place says where the lab's files lie.
//
//	run    /run/causeway-lab                     state, logs, keys, env; gone after `down`
//	data   <cache>/lab                           containerd's images and layers; gone after `down`
//	bin    <cache>/bin                           etcd, Kubernetes, kubectl, pause; kept
//	images <cache>/images                        image archives; kept
//	nginx  <cache>/nginx/<version>               root file systems with newer nginx; kept
//
// <cache> is $CAUSEWAY_CACHE, else $XDG_CACHE_HOME/causeway, else ~/.cache/causeway.
package place

import (
	"errors"
	"path/filepath"
)

// Place holds the lab's directories.
type Place struct {
	Run, Data, Cache string
}

// Find derives the places from the environment.
func Find(getenv func(string) string, uid int) (Place, error) {
	cache := getenv("CAUSEWAY_CACHE")
	if cache == "" {
		switch {
		case getenv("XDG_CACHE_HOME") != "":
			cache = filepath.Join(getenv("XDG_CACHE_HOME"), "causeway")
		case getenv("HOME") != "":
			cache = filepath.Join(getenv("HOME"), ".cache", "causeway")
		default:
			return Place{}, errors.New("find cache directory: none of CAUSEWAY_CACHE, XDG_CACHE_HOME and HOME is set")
		}
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		return Place{}, err
	}
	run := "/run/causeway-lab"
	if uid != 0 {
		if run = getenv("XDG_RUNTIME_DIR"); run == "" {
			run = filepath.Join(cache, "run")
		}
		run = filepath.Join(run, "causeway-lab")
	}
	return Place{Run: run, Data: filepath.Join(cache, "lab"), Cache: cache}, nil
}

// Bin is the path of a built program.
func (p Place) Bin(name string) string { return filepath.Join(p.Cache, "bin", name) }

// Images is where image archives are kept.
func (p Place) Images() string { return filepath.Join(p.Cache, "images") }

// Keys is where the cluster's keys lie.
func (p Place) Keys() string { return filepath.Join(p.Run, "keys") }

// Log is the log file of a component.
func (p Place) Log(name string) string { return filepath.Join(p.Run, "logs", name+".log") }

// Audit is the API server's audit log, a JSON object a line.
func (p Place) Audit() string { return p.Log("audit") }

// AdminKubeconfig is a cluster admin's kubeconfig that works on the machine itself.
func (p Place) AdminKubeconfig() string { return filepath.Join(p.Run, "admin.kubeconfig") }

// SecondKubeconfig is that of the second cluster of a fleet.
func (p Place) SecondKubeconfig() string { return filepath.Join(p.Run, "admin-second.kubeconfig") }

// AliceToken is the file of the Google access token of somebody without rights.
func (p Place) AliceToken() string { return filepath.Join(p.Run, "access-token-alice") }

// Env is a file for the shell to source.
func (p Place) Env() string { return filepath.Join(p.Run, "env") }

// Hosts is what the machines of a namespace are told for names: a hosts file, or none
// where the lab has no names.
func (p Place) Hosts(namespace string) string {
	return filepath.Join(p.Run, "names", namespace+".hosts")
}

// Roots is a bundle of root certificates for those who call Google's front ends.
func (p Place) Roots() string { return filepath.Join(p.Run, "roots.crt") }

// Resolv is the resolver's file of the machines of a namespace; none where they are told
// names by their hosts file alone.
func (p Place) Resolv(namespace string) string {
	return filepath.Join(p.Run, "names", namespace+".resolv")
}
