package fleet

import (
	"fmt"
	"strings"

	"causeway/internal/gcp"
)

// ByAgent reports whether Connect Gateway reaches a membership's cluster by the
// Connect Agent in it; GKE's clusters on Google Cloud it reaches without one.
func ByAgent(m gcp.Membership) bool { return m.Kind != gcp.KindGKE }

// URL is where Connect Gateway serves a membership, in the form of the kubeconfigs
// that Google makes for it; "" while it can't lead anywhere. The project is in it by
// its number, and the server is that of the membership's location (gcloud's
// gateway.py).
func (f *Fleet) URL(m gcp.Membership) string {
	if m.ClusterMissing {
		return ""
	}
	host := "connectgateway.googleapis.com"
	if m.Location != "global" {
		host = m.Location + "-" + host
	}
	path := f.Path(m)
	if !ByAgent(m) {
		path = strings.Replace(path, "/memberships/", "/gkeMemberships/", 1)
	}
	return fmt.Sprintf("https://%s/v1/%s", host, path)
}

// Needs says what keeps a membership from being reached, as far as its record tells;
// "" for nothing. Whether an agent is connected is not in it.
func Needs(m gcp.Membership) string {
	switch {
	case m.ClusterMissing:
		return "none: its cluster is gone"
	case m.State == "CREATING":
		return "none yet: being registered"
	case m.State == "DELETING":
		return "none: being unregistered"
	}
	return ""
}
