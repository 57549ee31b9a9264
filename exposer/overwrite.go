package exposer

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"causeway/kubeconfig"
)

// issuers is how the name of whoever signs a GKE cluster's tokens begins: by OpenID
// Connect Discovery it is the document's own address less /.well-known, and that is
// the Container API's projects.locations.clusters.well-known.getOpenid-configuration.
const issuers = "https://container.googleapis.com/v1/"

// overwriteError refuses to write a kubeconfig over what is somebody else's.
type overwriteError struct{ text, fix string }

func (e *overwriteError) Error() string { return "write kubeconfig: " + e.text + "; " + e.fix }

// Code implements explain.Coder.
func (e *overwriteError) Code() string { return "CW-CFG-FOREIGN" }

// overwrites says, before anything is changed, why the kubeconfig that the work ends
// in could not be written, or what of somebody else's would be lost by it. The file's
// place is tried only where the work changes something.
func (j Job) overwrites(exposure Exposure, changes bool) []Problem {
	if missing, _ := half(exposure); missing != "" || j.File.Path == "" {
		return nil // no kubeconfig will be written
	}
	var err error
	if changes {
		err = kubeconfig.Writable(j.File.Path)
	}
	if err == nil {
		err = j.foreignBefore(exposure)
	}
	var refused *overwriteError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return []Problem{{Code: refused.Code(), Text: refused.text, Fix: refused.fix, cause: err}}
	}
	return []Problem{ProblemOf(err)}
}

// unrecordable says, before anything is changed, that this machine's record of it
// could not be written.
func (j Job) unrecordable(exposure Exposure, plan Plan) []Problem {
	records, ok := j.Records(exposure).(interface{ Ready() error })
	if !ok || plan.Empty() {
		return nil
	}
	if err := records.Ready(); err != nil {
		return []Problem{{Text: "the record of what is done can't be kept: " + err.Error(), Fix: "make room for it, or name another directory with XDG_STATE_HOME", cause: err}}
	}
	return nil
}

// foreignBefore is foreign of the file as it lies there before the work.
func (j Job) foreignBefore(exposure Exposure) error {
	text, err := kubeconfig.Read(j.File.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return j.File.foreign(text, j.ContextName(exposure.Spec()), j.hand(exposure))
}

// hand is who the kubeconfig will be, as far as that is known before there is one.
func (j Job) hand(exposure Exposure) kubeconfig.Summary {
	spec := exposure.Spec()
	if carrying, ok := exposure.(Carrying); ok && carrying.Carried() != nil || spec.ByGoogle() {
		return kubeconfig.Summary{}
	}
	c := spec.Cluster
	return kubeconfig.Summary{Account: spec.Namespace + "/" + spec.Access.account(),
		Issuer: fmt.Sprintf("%sprojects/%s/locations/%s/clusters/%s", issuers, c.Project, c.Location, c.Name)}
}

// foreign says what of a kubeconfig at the output path is not this exposure's and
// would be lost: without Merge every other context, and either way the one of the
// same name where it is another's. mine is who the new entry is.
func (o Output) foreign(text []byte, context string, mine kubeconfig.Summary) error {
	names, err := kubeconfig.Contexts(text)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != context {
			if o.Merge {
				continue
			}
			return &overwriteError{fmt.Sprintf("%s holds the context %s, which would be lost", o.Path, name),
				"keep what is in it with --merge, or name another file with --kubeconfig-out"}
		}
		have, err := kubeconfig.Inspect(text, name)
		if codeOf(err) == "CW-CFG-NO-CONTEXT" { // it leads nowhere: nothing is lost
			continue
		}
		if err != nil {
			return err
		}
		if !sameHand(have, mine) {
			return &overwriteError{fmt.Sprintf("the context %s in %s is not this exposure's: it leads to %s%s", name, o.Path, have.Server, by(have)),
				"give this one another name with --context-name, or name another file with --kubeconfig-out"}
		}
	}
	return nil
}

// sameHand reports whether an entry is one of causeway's for the same exposure, as
// far as it tells: its token names the namespace, and on GKE the cluster; without a
// token it is the exec plugin that tells whose it is.
func sameHand(have, mine kubeconfig.Summary) bool {
	if have.Account == "" {
		return have.Renewing && (filepath.Base(have.Command) == gkePlugin || len(have.Args) > 0 && have.Args[0] == "credential")
	}
	namespace, account, _ := strings.Cut(have.Account, "/")
	expected, _, _ := strings.Cut(mine.Account, "/")
	another := strings.HasPrefix(have.Issuer, issuers) && strings.HasPrefix(mine.Issuer, issuers) && have.Issuer != mine.Issuer
	return (account == ClientAccount || strings.HasPrefix(account, ClientAccount+"-")) && (expected == "" || namespace == expected) && !another
}

// by says as whom an entry goes, where it tells.
func by(have kubeconfig.Summary) string {
	switch {
	case have.Subject != "" && strings.HasPrefix(have.Issuer, issuers):
		return ", as " + have.Subject + " of " + strings.TrimPrefix(have.Issuer, issuers)
	case have.Subject != "":
		return ", as " + have.Subject
	case have.ClientSubject != "":
		return ", as " + have.ClientSubject
	}
	return ""
}
