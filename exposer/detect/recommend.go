package detect

// recommend takes the first rule of the package's list that holds.
func (j judge) recommend(r *Report) {
	if !j.Cluster.Ready() {
		r.Because = "the cluster is " + j.Cluster.Status + ": wait until it is RUNNING, and ask again"
		if ending(j.Cluster) {
			r.Because = "the cluster is " + j.Cluster.Status + ", and does not come back by waiting: nothing can lead to it"
		}
		return
	}
	line := best(j.own, j.hubs)
	switch {
	case j.collides():
		j.take(r, "the client networks collide with the cluster's or its network's, so no route can lead to both", []string{"psc", "dns", "gateway"}, Works, After)
	case j.Cluster.IPEndpointsOff:
		j.take(r, "the cluster's IP endpoints are off, so its DNS endpoint is the way that its owner chose", []string{"dns", "gateway"}, Works, After)
	case line.presence == there:
		j.byLine(r, line)
	case line.presence == hidden:
		j.take(r, "it can't be seen whether a line leads here, and this way is open without one", []string{"dns", "gateway"}, Works)
		j.take(r, "if a line leads to the cluster's network, which can't be seen here, this works nearly everywhere", []string{"ilb"}, Works, After, Unknown)
	default:
		j.take(r, "no line leads to the cluster's network, and this way needs none; its name is public, and IAM guards it", []string{"dns", "gateway"}, Works, After)
		if r.Recommended != "" {
			j.instead(r, "route", "it stays private: causeway makes the VPN, and the far side's engineer its other half", Works, After)
		}
		j.take(r, "no line leads to the cluster's network yet, and causeway can make one", []string{"route"}, Works, After)
	}
	// Whatever is left: better than nothing.
	j.take(r, "it is what can work here", []string{"ilb", "route", "psc", "dns", "gateway"}, Works, After, Unknown)
}

// byLine is for clusters that the far side's line leads to.
func (j judge) byLine(r *Report, line way) {
	where := "a line ends in the cluster's network"
	if line.hub {
		where = "the far side's line ends in the hub " + line.net.Ref.String() + ", one peering away"
	}
	j.take(r, where+", and this lets in the client networks alone and leaves the control plane off the line", []string{"ilb"}, Works)
	if r.Recommended != "" {
		but := "the control plane itself is announced, by settings that others share"
		if j.Cluster.PeeringName == "" {
			but = "whoever shares the line reaches the control plane itself"
			if Enforced(j.Cluster) {
				but = "authorized networks alone keep others from the control plane itself"
			}
		}
		j.instead(r, "route", "nothing runs in the cluster, but "+but, Works)
		return
	}
	j.take(r, where+", and this works at once, where ilb needs something first", []string{"route"}, Works)
	j.take(r, where+", and what has to come first is the least here", []string{"ilb", "route"}, After)
}

// collides reports whether a client network is in use on this side.
func (j judge) collides() bool {
	return len(OverlapProblems(j.ask.Clients, UsedBy(j.Cluster, j.Subnets...))) > 0
}

// take recommends the first of the methods with one of the verdicts, the better
// verdict first; what is recommended already stays.
func (j judge) take(r *Report, because string, methods []string, verdicts ...Verdict) {
	if r.Recommended != "" {
		return
	}
	if m, ok := j.find(r, methods, verdicts); ok {
		r.Recommended, r.Because, r.Command = m.Method, because, m.Command
	}
}

// instead names what else is worth a thought.
func (j judge) instead(r *Report, method, because string, verdicts ...Verdict) {
	if m, ok := j.find(r, []string{method}, verdicts); ok && method != r.Recommended {
		r.Instead = &Choice{Method: method, Because: because, Command: m.Command}
	}
}

func (j judge) find(r *Report, methods []string, verdicts []Verdict) (Assessment, bool) {
	for _, verdict := range verdicts {
		for _, name := range methods {
			if m := r.Method(name); m.Verdict == verdict {
				return m, true
			}
		}
	}
	return Assessment{}, false
}
