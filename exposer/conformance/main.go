package conformance

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
)

// Main is the TestMain of a method's tests: it runs them and stops their API servers.
// More run at the same time than there are processors, for they mostly wait. A binary
// that a kubeconfig names as its exec plugin answers with a token instead.
//
//	func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }
func Main(m *testing.M) int {
	if len(os.Args) > 1 && os.Args[1] == "credential" {
		return plugin(os.Args[2:])
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	return kubetest.StartMain(m)
}

// asFlag names the token that the plugin gives; without it the owner's. client-go
// keeps the tokens of equal plugins, so another identity takes another command line.
const asFlag = "--as="

// plugin is the test binary in the place of `causeway credential --google`.
func plugin(args []string) int {
	token := gcptest.Token
	for _, arg := range args {
		if other, ok := strings.CutPrefix(arg, asFlag); ok {
			token = other
		}
	}
	answer, err := exposer.GoogleCredential(os.Getenv("KUBERNETES_EXEC_INFO"), token, time.Time{}, time.Now())
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "no token:", err)
		return 1
	}
	_, _ = fmt.Fprintln(os.Stdout, string(answer))
	return 0
}

// PluginAs is a kubeconfig whose plugin, a test binary, gives another token.
func PluginAs(kubeconfig []byte, token string) []byte {
	return regexp.MustCompile(`(?m)^(\s*)- --google$`).ReplaceAll(kubeconfig, []byte("${1}- --google\n${1}- "+asFlag+token))
}
