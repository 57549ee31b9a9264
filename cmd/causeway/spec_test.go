package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/exposer/all"
)

const exposureFile = `apiVersion: causeway.dev/v1
kind: Exposure
name: prod
method: ilb
cluster: {project: file-project, location: europe-west3, name: file-cluster}
farSide: {cidrs: [172.31.0.0/16]}
ilb: {mode: passthrough, replicas: 3, port: 8443}
access: {role: edit, namespaces: [shop]}
`

// specOf resolves a plan's command line to the spec that the job would get.
func specOf(t *testing.T, env map[string]string, args ...string) exposer.Spec {
	t.Helper()
	a := &app{methods: all.Methods(), getenv: func(name string) string { return env[name] }}
	c := &common{}
	var spec exposer.Spec
	cmd := &cobra.Command{Use: "plan", RunE: func(cmd *cobra.Command, args []string) (err error) {
		method := ""
		if len(args) > 0 {
			method = args[0]
		}
		spec, _, err = a.resolve(cmd, c, method)
		return err
	}}
	c.exposureFlags(cmd)
	c.methodFlags(cmd)
	c.runFlags(cmd, nil)
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestWhereASpecComesFrom(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("exposure.yaml", []byte(exposureFile), 0o600); err != nil {
		t.Fatal(err)
	}
	const flags = "ilb --location europe-west3 --cluster c --client-cidr 10.0.0.0/8"
	for name, c := range map[string]struct {
		args string
		env  map[string]string
		want string // a part of the spec as JSON
	}{
		"a file alone":                     {"-f exposure.yaml", nil, `"project":"file-project"`},
		"a flag wins over the file":        {"-f exposure.yaml --project flag-project", nil, `"project":"flag-project"`},
		"and leaves the rest as it is":     {"-f exposure.yaml --project flag-project", nil, `"replicas":3`},
		"a list replaces the file's":       {"-f exposure.yaml --client-cidr 10.0.0.0/8", nil, `"cidrs":["10.0.0.0/8"]`},
		"a switch that is turned off wins": {"-f exposure.yaml --global-access=false --port 443", nil, `"port":443,"replicas":3`},
		"the file wins over environment":   {"-f exposure.yaml", map[string]string{"CLOUDSDK_CORE_PROJECT": "env-project"}, `"project":"file-project"`},
		"a flag wins over environment":     {flags + " --project flag-project", map[string]string{"CLOUDSDK_CORE_PROJECT": "env-project"}, `"project":"flag-project"`},
		"gcloud's variable":                {flags, map[string]string{"CLOUDSDK_CORE_PROJECT": "env-project", "GOOGLE_CLOUD_PROJECT": "other-project"}, `"project":"env-project"`},
		"then the libraries' variable":     {flags, map[string]string{"GOOGLE_CLOUD_PROJECT": "other-project"}, `"project":"other-project"`},
		"the name is the cluster's":        {flags + " --project flag-project", nil, `"name":"c","method":"ilb"`},
		"the method as argument and file":  {"ilb -f exposure.yaml", nil, `"method":"ilb"`},
		"repeated and comma-separated":     {flags + ",172.16.0.0/12 --client-cidr 192.168.0.0/16 --project flag-project", nil, `"cidrs":["10.0.0.0/8","172.16.0.0/12","192.168.0.0/16"]`},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(specOf(t, c.env, strings.Fields(c.args)...))
			if err != nil || !strings.Contains(string(text), c.want) {
				t.Errorf("%v: want %s in\n%s", err, c.want, text)
			}
		})
	}
}

func TestPathsInASpecAreWhole(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	spec := specOf(t, nil, strings.Fields("ilb --project lab-project --location europe-west3 --cluster c --client-cidr 10.0.0.0/8 --ca-cert ca.crt --ca-key ca.key")...)
	if here, _ := os.Getwd(); spec.ILB.TLS.CAKey != here+"/ca.key" {
		t.Errorf("the record would be read from elsewhere: %s", spec.ILB.TLS.CAKey)
	}
}

func TestAFileWithATypo(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("exposure.yaml", []byte(strings.Replace(exposureFile, "replicas", "replica", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	got := typed(t, nil, "plan", "-f", "exposure.yaml")
	if got.code != exitUsage || !strings.Contains(got.err, `ilb.replica is no field of an exposure`) && !strings.Contains(got.err, "replica is no field of an exposure") {
		t.Errorf("exit %d\n%s", got.code, got.err)
	}
	if got := typed(t, nil, "plan", "psc", "-f", "exposure.yaml"); got.code != exitUsage {
		t.Errorf("a method beside a broken file: exit %d\n%s", got.code, got.err)
	}
}

// TestApplyFromAFile: the job from a file, with the project of the environment.
func TestApplyFromAFile(t *testing.T) {
	p := stand(t, "filed")
	p.env["CLOUDSDK_CORE_PROJECT"] = "lab-project"
	p.write("exposure.yaml", "apiVersion: causeway.dev/v1\nkind: Exposure\nname: filed\nmethod: ilb\n"+
		"cluster: {location: europe-west3, name: private-cluster}\nfarSide: {cidrs: [172.31.0.0/16]}\nilb: {clientAuth: mtls, dnsNames: [api.example.com]}\n")
	got := p.runs(0, "apply", "-f", "exposure.yaml", "--yes", "--from", "cluster")
	p.says(got.err, "secret/causeway-client-tls")
	shown := p.runs(0, "certs", "show", "-f", "exposure.yaml")
	p.says(shown.out, "names   api.example.com, 10.156.0.3", "client: causeway-client")
	// Without flags or file the record of this machine would have to be guessed.
	p.runs(exitUsage, "status", "ilb")
	p.runs(0, "status", "ilb", "--location", "europe-west3", "--cluster", "private-cluster", "--name", "filed")
	p.runs(0, "destroy", "-f", "exposure.yaml", "--yes")
}
