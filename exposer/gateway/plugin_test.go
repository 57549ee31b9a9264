package gateway

import (
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"strings"
	"time"

	"causeway/exposer"
	"causeway/internal/gcptest"
)

// asFlag names the token that the plugin gives; without it the operator's. client-go
// keeps the tokens of equal plugins, so another identity takes another command line.
const asFlag = "--as="

// plugin is this binary in the place of `causeway credential --google`.
func plugin() int {
	token := gcptest.Token
	for _, arg := range os.Args {
		if other, ok := strings.CutPrefix(arg, asFlag); ok {
			token = other
		}
	}
	answer, err := exposer.GoogleCredential(os.Getenv("KUBERNETES_EXEC_INFO"), token, time.Time{}, time.Now())
	if err != nil {
		fmt.Fprintln(os.Stderr, "no token:", err)
		return 1
	}
	fmt.Println(string(answer))
	return 0
}

// quiet is a log for servers whose clients break off on purpose.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

var googleFlag = regexp.MustCompile(`(?m)^(\s*)- --google$`)

// of is a kubeconfig whose plugin gives another token.
func of(kubeconfig []byte, token string) []byte {
	return googleFlag.ReplaceAll(kubeconfig, []byte("${1}- --google\n${1}- "+asFlag+token))
}
