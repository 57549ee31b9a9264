package kubeconfig_test

import (
	"fmt"
	"os"
	"path/filepath"

	"causeway/kubeconfig"
)

func ExampleBuild() {
	text, err := kubeconfig.Build(kubeconfig.Params{Context: "causeway-prod", Server: "https://10.0.0.5", Token: "t0ken"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(text))
	// Output:
	// apiVersion: v1
	// clusters:
	// - cluster:
	//     server: https://10.0.0.5
	//   name: causeway-prod
	// contexts:
	// - context:
	//     cluster: causeway-prod
	//     user: causeway-prod
	//   name: causeway-prod
	// current-context: causeway-prod
	// kind: Config
	// users:
	// - name: causeway-prod
	//   user:
	//     token: t0ken
}

func ExampleMerge() {
	mine := []byte("contexts: [{name: mine, context: {cluster: a, user: a}}]\ncurrent-context: mine\n")
	made, _ := kubeconfig.Build(kubeconfig.Params{Context: "causeway-prod", Server: "https://10.0.0.5"})
	merged, err := kubeconfig.Merge(mine, made, kubeconfig.MergeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	current, _ := kubeconfig.Inspect(merged, "causeway-prod")
	fmt.Println(current.Server)
	_, err = kubeconfig.Merge([]byte("users: {a: b}"), made, kubeconfig.MergeOptions{})
	fmt.Println(err)
	// Output:
	// https://10.0.0.5
	// read existing kubeconfig: users is not a list but a mapping
}

// Read, merge and write under one lock: what kubectl writes meanwhile is not lost.
func ExampleUpdate() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	made, _ := kubeconfig.Build(kubeconfig.Params{Context: "causeway-prod", Server: "https://10.0.0.5"})
	path := filepath.Join(dir, ".kube", "config")
	err = kubeconfig.Update(path, func(old []byte) ([]byte, error) {
		return kubeconfig.Merge(old, made, kubeconfig.MergeOptions{SetCurrent: true})
	})
	info, _ := os.Stat(path)
	fmt.Println(err, info.Mode())
	// Output: <nil> -rw-------
}

func ExampleInspect() {
	token := "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6Y2F1c2V3YXktcHJvZDpjYXVzZXdheS1jbGllbnQiLCJleHAiOjE3OTUzMDU2MDB9.c2ln"
	text, _ := kubeconfig.Build(kubeconfig.Params{Context: "causeway-prod", Server: "https://10.0.0.5", Token: token})
	summary, err := kubeconfig.Inspect(text, "")
	fmt.Println(summary.Account, summary.Expires, err)
	// Output: causeway-prod/causeway-client 2026-11-22 00:00:00 +0000 UTC <nil>
}

func ExampleRemove() {
	made, _ := kubeconfig.Build(kubeconfig.Params{Context: "causeway-prod", Server: "https://10.0.0.5"})
	text, err := kubeconfig.Remove(made, "causeway-prod")
	fmt.Printf("%s%v\n", text, err)
	// Output:
	// apiVersion: v1
	// clusters: []
	// contexts: []
	// current-context: ""
	// kind: Config
	// users: []
	// <nil>
}
