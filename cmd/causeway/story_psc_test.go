package main

import (
	"testing"

	"causeway/exposer/conformance"
)

// TestTheStoryOfAPublishedExposure makes both halves at once.
func TestTheStoryOfAPublishedExposure(t *testing.T) {
	p := standIn(t, "host", conformance.Options{Seed: "psc-consumer", GoogleTime: googleTime})
	before := p.world.State()
	p.apply()
	p.exposed = "shared"
	both := []string{"--exposure", "host", "--nat-range", "10.200.0.0/28", "--consumer-project", "consumer-project", "--consumer-network", "consumer-vpc",
		"--consumer-subnet", "clients", "--endpoint-name", "api.prod.example"}

	p.shows("psc-plan", 0, append(p.on("plan", "psc"), both...)...)
	p.shows("psc-render", 0, append(p.on("render", "psc"), both...)...)
	p.shows("psc-apply", 0, append(p.on("apply", "psc", "--yes"), both...)...)
	p.shows("psc-apply-again", 0, append(p.on("apply", "psc", "--yes"), both...)...)
	p.shows("psc-verify", 0, p.on("verify", "psc")...)
	p.shows("psc-status", 0, p.on("status", "psc")...)
	p.shows("psc-handoff", 0, p.on("handoff", "psc", "--secrets", "omit")...)

	p.exposed = "host"
	p.shows("psc-host-refuses", 4, p.on("destroy", "ilb", "--yes")...)
	p.exposed = "shared"
	p.shows("psc-destroy", 0, p.on("destroy", "psc", "--yes")...)
	p.exposed = "host"
	p.runs(0, p.on("destroy", "ilb", "--yes")...)
	if p.world.State() != before {
		t.Error("Google's side is not as before")
	}
}

// TestTheStoryOfAnAttachmentThatGKEMakes is the same through the cluster's own
// object: its name at Google is GKE's, and changes from run to run.
func TestTheStoryOfAnAttachmentThatGKEMakes(t *testing.T) {
	p := standIn(t, "root", conformance.Options{Seed: "psc-consumer", GoogleTime: googleTime})
	before := p.world.State()
	p.apply()
	p.exposed = "crd"
	p.world.Attach(t, "causeway-root")
	spec := []string{"--exposure", "root", "--nat-range", "10.200.0.0/28", "--through", "crd", "--consumer-project", "consumer-project",
		"--consumer-network", "consumer-vpc", "--consumer-subnet", "clients"}
	p.shows("psc-crd-plan", 0, append(p.on("plan", "psc"), spec...)...)
	p.shows("psc-crd-render", 0, append(p.on("render", "psc"), spec...)...)
	p.shows("psc-crd-networks", 2, append(p.on("plan", "psc", "--consumer", "projects/p/global/networks/n"), spec...)...)
	p.runs(0, append(p.on("apply", "psc", "--yes"), spec...)...)
	p.runs(0, append(p.on("plan", "psc", "--exit-code"), spec...)...)
	p.runs(0, p.on("verify", "psc")...)
	p.runs(0, p.on("status", "psc")...)
	p.runs(0, p.on("handoff", "psc", "--secrets", "omit")...)
	p.unpack("handoff-crd.tar.gz", "handed")
	p.says(p.read("handed/causeway-crd/psc.yaml"), "attachment: projects/lab-project/regions/europe-west3/serviceAttachments/k8s1-sa-")
	p.shows("psc-crd-switched", 4, append(p.on("apply", "psc", "--yes", "--through", "rest"), spec[:4]...)...)
	p.shows("psc-crd-destroy", 0, p.on("destroy", "psc", "--yes")...)
	p.exposed = "root"
	p.runs(0, p.on("destroy", "ilb", "--yes")...)
	if p.world.State() != before {
		t.Error("Google's side is not as before")
	}
}

// TestTheStoryOfTwoHalves is two people: the producer hands over a file, the
// consumer makes the endpoint from it, without any way to the cluster's API.
func TestTheStoryOfTwoHalves(t *testing.T) {
	p := standIn(t, "base", conformance.Options{Seed: "psc-consumer", GoogleTime: googleTime})
	before := p.world.State()
	p.apply()
	p.exposed = "half"
	p.shows("psc-producer-apply", 0, p.on("apply", "psc", "--yes", "--exposure", "base", "--nat-range", "10.200.0.0/28", "--consumer", "consumer-project=2")...)
	p.shows("psc-producer-handoff", 0, p.on("handoff", "psc")...)
	p.unpack("handoff-half.tar.gz", "handed")

	cluster := p.env["KUBECONFIG"]
	p.env["KUBECONFIG"] = "/nonexistent"
	consumer := []string{"--consume", "handed/causeway-half/psc.yaml", "--consumer-project", "consumer-project", "--consumer-network", "consumer-vpc", "--consumer-subnet", "clients"}
	p.shows("psc-consumer-plan", 0, append([]string{"plan", "psc"}, consumer...)...)
	p.shows("psc-consumer-apply", 0, append([]string{"apply", "psc", "--yes"}, consumer...)...)
	p.mode("causeway-private-cluster-psc-end.kubeconfig", 0o600)
	p.says(p.read("causeway-private-cluster-psc-end.kubeconfig"), "tls-server-name: 10.156.0.", "server: https://10.156.0.")
	p.shows("psc-consumer-destroy", 0, "destroy", "psc", "--yes", "--project", "lab-project", "--location", "europe-west3", "--cluster", "private-cluster", "--name", "private-cluster-psc-end")
	p.env["KUBECONFIG"] = cluster
	p.runs(0, p.on("destroy", "psc", "--yes")...)
	p.exposed = "base"
	p.runs(0, p.on("destroy", "ilb", "--yes")...)
	if p.world.State() != before {
		t.Error("Google's side is not as before")
	}
}
