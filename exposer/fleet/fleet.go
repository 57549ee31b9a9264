package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/gcp"
)

// Fleet is the fleet that a cluster is in, or is to join.
type Fleet struct {
	Project     gcp.Project // that hosts it
	Members     []gcp.Membership
	Unreachable []string        // locations that did not answer: what lies there is not known
	Off         bool            // GKE Hub's API is off: there is no fleet yet
	Member      *gcp.Membership // the cluster's own; nil: none was found

	cluster gcp.Cluster
	number  int64 // of the cluster's project; 0 where it could not be read
}

// Read reads the fleet of a cluster. asked is the project that is to host it; "":
// the one that the cluster is in, else the cluster's own. An API that is off means
// that there is no fleet yet, which is no error.
func Read(ctx context.Context, google *gcp.Cloud, cluster gcp.Cluster, asked string) (*Fleet, error) {
	project, err := google.Project(ctx, cmp.Or(asked, cluster.Fleet.Project, cluster.Project))
	if err != nil {
		return nil, err
	}
	f := &Fleet{Project: project, cluster: cluster, number: project.Number}
	if cluster.Project != project.ID {
		own, err := google.Project(ctx, cluster.Project)
		if err != nil && !exposer.MissingRight(err) {
			return nil, err
		}
		f.number = own.Number
	}
	f.Members, f.Unreachable, err = google.Memberships(ctx, project.ID)
	switch {
	case explain.CodeOf(err) == "CW-GCP-API-DISABLED":
		f.Off = true
	case err != nil:
		return nil, err
	}
	f.Member = f.Of(cluster)
	return f, nil
}

// ReadCluster reads a cluster and its fleet. On destroy one that does not exist any
// more is no error: gone says so, and it has its names alone.
func ReadCluster(ctx context.Context, ref exposer.ClusterRef, asked string, deps exposer.Deps) (cluster gcp.Cluster, gone bool, f *Fleet, err error) {
	cluster, err = deps.Google.Cluster(ctx, ref.Project, ref.Location, ref.Name)
	if gcp.NotFound(err) && deps.Leaving {
		deps.Note("the cluster does not exist any more; what it held is gone with it")
		cluster, gone, err = gcp.Cluster{Project: ref.Project, Location: ref.Location, Name: ref.Name}, true, nil
	}
	if err != nil {
		return cluster, gone, nil, err
	}
	f, err = Read(ctx, deps.Google, cluster, asked)
	return cluster, gone, f, err
}

// Of finds a cluster's membership by its resource link; nil when none has it.
func (f *Fleet) Of(cluster gcp.Cluster) *gcp.Membership {
	for i, m := range f.Members {
		if f.leads(m, cluster) {
			return &f.Members[i]
		}
	}
	return nil
}

// leads reports whether a membership is a cluster's. Where its link writes the project by
// a number that can't be read, the cluster's own word decides.
func (f *Fleet) leads(m gcp.Membership, cluster gcp.Cluster) bool {
	if f.links(m.Cluster, cluster) {
		return true
	}
	parts := strings.Split(m.Cluster, "/")
	return len(parts) == 6 && parts[3] == cluster.Location && parts[5] == cluster.Name && cluster.Fleet.Membership != "" &&
		slices.Contains([]string{m.Name, f.Path(m)}, cluster.Fleet.Membership)
}

// Asked is the project to ask for the next time, so that it is this fleet again, were
// the cluster not in it any more: "" where it is the cluster's own, which is so anyway.
func (f *Fleet) Asked(now string) string {
	if now == "" && f.Project.ID != f.cluster.Project {
		return f.Project.ID
	}
	return now
}

// OwnNumber is the number of the cluster's project; 0 where it could not be read.
func (f *Fleet) OwnNumber() int64 { return f.number }

// links reports whether a resource link is a cluster's. Google writes the project
// by ID or by number, and a zone, in older ones, as such.
func (f *Fleet) links(link string, cluster gcp.Cluster) bool {
	parts := strings.Split(link, "/")
	if len(parts) != 6 || parts[3] != cluster.Location || parts[5] != cluster.Name {
		return false
	}
	number := f.number
	if cluster.Project == f.Project.ID {
		number = f.Project.Number
	}
	return parts[1] == cluster.Project || number != 0 && parts[1] == fmt.Sprint(number)
}

// Path is a membership's name with the project's number, as Connect Gateway and the
// states of features have it.
func (f *Fleet) Path(m gcp.Membership) string {
	return fmt.Sprintf("projects/%d/locations/%s/memberships/%s", f.Project.Number, m.Location, m.ID)
}

// Problems are why the cluster can't be used as a member of the fleet, where it is
// not to be registered, or can't be.
func (f *Fleet) Problems(register bool, name string) []exposer.Problem {
	c := f.cluster
	in := c.Fleet.Project
	switch {
	case in != "" && in != f.Project.ID && in != fmt.Sprint(f.Project.Number):
		return []exposer.Problem{{Code: "CW-FLEET-MEMBER",
			Text: fmt.Sprintf("the cluster is in the fleet of project %s, not in that of %s, and a cluster is in one fleet at most", in, f.Project.ID),
			Fix:  "leave --fleet-project out, or give it this project"}}
	case f.Member != nil:
		return stateProblems(*f.Member)
	case len(f.Unreachable) > 0:
		return []exposer.Problem{{Code: "CW-FLEET-UNREACHABLE",
			Text: fmt.Sprintf("the fleet's locations %s do not answer: whether the cluster has a membership there can't be seen", strings.Join(f.Unreachable, ", ")),
			Fix:  "run the same command again later; registered twice, the cluster would be known under two names"}}
	case !register:
		return []exposer.Problem{{Code: "CW-FLEET-MEMBER",
			Text: fmt.Sprintf("the cluster is in no fleet, as far as project %s knows", f.Project.ID),
			Fix:  "give --register, and causeway registers it in the fleet of project " + f.Project.ID}}
	}
	return f.nameProblems(name)
}

// nameProblems says that another cluster has the name that the membership would get.
func (f *Fleet) nameProblems(name string) []exposer.Problem {
	at := slices.IndexFunc(f.Members, func(m gcp.Membership) bool { return m.ID == name && m.Location == f.cluster.Region() })
	if at < 0 {
		return nil
	}
	other := f.Members[at]
	return []exposer.Problem{{Code: "CW-FLEET-NAME",
		Text: fmt.Sprintf("the fleet has a membership %s in %s already, of %s", name, other.Location, cmp.Or(other.Cluster, "a cluster outside Google Cloud")),
		Fix:  "give the new one another name with --membership"}}
}

func stateProblems(m gcp.Membership) []exposer.Problem {
	switch {
	case m.ClusterMissing:
		return []exposer.Problem{{Code: "CW-FLEET-MEMBER", Text: "membership " + m.ID + " says that its cluster is missing: it was deleted and made anew",
			Fix: fmt.Sprintf("gcloud container fleet memberships delete %s --location %s --project %s, then run the same command again with --register", m.ID, m.Location, m.Project)}}
	case m.State == "DELETING":
		return []exposer.Problem{{Code: "CW-FLEET-MEMBER", Text: "membership " + m.ID + " is being deleted", Fix: "wait until it is gone, then run the same command again with --register"}}
	}
	return nil
}
