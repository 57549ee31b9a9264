package main

import "testing"

// TestAFileOfOthersIsKept: what the work would end in is looked at before the work.
func TestAFileOfOthersIsKept(t *testing.T) {
	p := stand(t, "kept")
	theirs, state := p.read("cluster.kubeconfig"), ""
	apply := p.on("apply", "ilb", "--client-cidr", "172.31.0.0/16", "--from", "cluster", "--yes")
	got := p.runs(exitPrecondition, append(apply, "--kubeconfig-out", "cluster.kubeconfig")...)
	p.says(got.err, "cluster.kubeconfig holds the context lab, which would be lost", "--merge", "causeway explain CW-CFG-FOREIGN")
	p.says(p.runs(exitPrecondition, append(apply, "--merge", "--context-name", "lab")...).err, "the context lab in", "--context-name")
	p.says(p.runs(exitPrecondition, append(apply, "--kubeconfig-out", "cluster.kubeconfig/new")...).err, "not a directory", "causeway explain CW-CFG-")
	p.env["XDG_STATE_HOME"], state = "/proc", p.env["XDG_STATE_HOME"] // takes no file, from root either
	p.says(p.runs(exitPrecondition, apply...).err, "the record of what is done can't be kept", "XDG_STATE_HOME")
	p.env["XDG_STATE_HOME"] = state
	p.nothing()
	if p.read("cluster.kubeconfig") != theirs {
		t.Error("the user's kubeconfig was changed")
	}

	p.runs(exitDone, append(apply, "--merge")...)
	p.runs(exitFailed, p.on("kubeconfig", "ilb", "--kubeconfig-out", "cluster.kubeconfig")...)
	p.runs(exitDone, p.on("kubeconfig", "ilb", "--merge", "--context-name", "second")...)
	p.says(p.read("cluster.kubeconfig"), "name: lab\n", "name: causeway-kept\n", "name: second\n", "current-context: lab")
	p.runs(exitDone, p.on("destroy", "ilb", "--yes")...)
}
