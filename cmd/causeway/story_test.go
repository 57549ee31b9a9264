package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway/kubeconfig"
)

// TestTheWholeStory is a life of one exposure. The goldens are what the user
// reads: look at them as one.
func TestTheWholeStory(t *testing.T) {
	p := stand(t, "private-cluster")
	apply := p.on("apply", "ilb", "--client-cidr", "172.31.0.0/16", "--from", "cluster", "--yes")

	p.shows("plan", 0, p.on("plan", "ilb", "--client-cidr", "172.31.0.0/16")...)
	p.absent("causeway-private-cluster.kubeconfig")
	dry := p.shows("apply-dry-run", 0, append(p.on("apply", "ilb", "--client-cidr", "172.31.0.0/16"), "--dry-run")...)
	p.says(dry.out, "12 to create")
	p.shows("apply", 0, apply...)
	p.mode("causeway-private-cluster.kubeconfig", 0o600)
	first := p.read("causeway-private-cluster.kubeconfig")
	p.shows("apply-again", 0, apply...)
	if p.read("causeway-private-cluster.kubeconfig") != first {
		t.Error("the second apply wrote another kubeconfig")
	}
	p.shows("status", 0, p.on("status", "ilb")...)
	p.shows("certs-show", 0, p.on("certs", "show", "ilb")...)
	p.shows("certs-rotate", 0, p.on("certs", "rotate", "ilb")...)
	p.shows("certs-rotate-ca", 0, p.on("certs", "rotate", "ilb", "--ca")...)
	p.shows("certs-show-after", 0, p.on("certs", "show", "ilb")...)
	p.write("password", "correct horse\n")
	p.shows("certs-export", 0, p.on("certs", "export", "ilb", "--dir", "out", "--password-file", "password")...)
	p.read("out/truststore.p12")
	p.shows("kubeconfig", 0, p.on("kubeconfig", "ilb", "--token-ttl", "2h")...)
	p.shows("kubeconfig-merge", 0, p.on("kubeconfig", "ilb", "--merge")...)
	p.merged()
	p.shows("verify", 0, p.on("verify", "ilb", "--from", "cluster")...)
	p.shows("render", 0, p.on("render", "ilb", "--client-cidr", "172.31.0.0/16")...)
	p.shows("handoff", 0, p.on("handoff", "ilb", "--secrets", "encrypt", "--password-file", "password")...)
	p.archived("handoff-private-cluster.tar.gz", "README.md", "ca.crt", "kubeconfig.enc", "truststore.p12", "verify.sh")

	p.probe(ends())
	p.shows("verify-fails", 5, p.on("verify", "ilb", "--from", "cluster")...)

	p.shows("destroy-dry-run", 0, p.on("destroy", "ilb", "--dry-run")...)
	p.shows("destroy", 0, p.on("destroy", "ilb", "--yes")...)
	p.shows("destroy-again", 0, p.on("destroy", "ilb", "--yes")...)
	p.shows("status-after", 4, p.on("status", "ilb")...)
	for _, verb := range [][]string{{"verify", "ilb", "--from", "cluster"}, {"kubeconfig", "ilb"}, {"handoff", "ilb"}, {"certs", "show", "ilb"}, {"certs", "rotate", "ilb"}} {
		p.says(p.runs(exitFailed, p.on(verb...)...).err, "does not stand", "causeway explain CW-RUN-ABSENT")
	}
	if left, err := p.world.Objects(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left in the cluster: %v %v", left, err)
	}
}

// mode checks a file's permissions.
func (p *place) mode(file string, want os.FileMode) {
	p.Helper()
	info, err := os.Stat(file)
	if err != nil {
		p.Fatal(err)
	}
	if info.Mode().Perm() != want {
		p.Errorf("%s has mode %v, want %v", file, info.Mode().Perm(), want)
	}
}

// merged checks that the user's own entries are where they were.
func (p *place) merged() {
	p.Helper()
	text := []byte(p.read(p.env["KUBECONFIG"]))
	for _, context := range []string{"lab", "causeway-private-cluster"} {
		if alone, err := kubeconfig.Extract(text, context); err != nil || alone == nil {
			p.Errorf("context %s is not in the merged file: %v", context, err)
		}
	}
	p.says(string(text), "current-context: lab")
}

// unpack unpacks a handoff.
func (p *place) unpack(file, dir string) {
	p.Helper()
	zipped, err := gzip.NewReader(strings.NewReader(p.read(file)))
	if err != nil {
		p.Fatal(err)
	}
	for archive := tar.NewReader(zipped); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			p.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			p.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(header.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			p.Fatal(err)
		}
		p.write(path, string(content))
	}
}

// archived checks what the archive holds, and that no secret lies open in it.
func (p *place) archived(file string, want ...string) {
	p.Helper()
	p.mode(file, 0o600)
	zipped, err := gzip.NewReader(strings.NewReader(p.read(file)))
	if err != nil {
		p.Fatal(err)
	}
	var names []string
	for archive := tar.NewReader(zipped); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			p.Fatal(err)
		}
		var content bytes.Buffer
		if _, err := io.Copy(&content, archive); err != nil {
			p.Fatal(err)
		}
		if filepath.Base(header.Name) != "verify.sh" { // which looks for keys, and so names them
			p.noSecret(content.String())
		}
		names = append(names, filepath.Base(header.Name))
	}
	slices.Sort(names)
	if !slices.Equal(names, want) {
		p.Errorf("the archive holds %v, want %v", names, want)
	}
}
