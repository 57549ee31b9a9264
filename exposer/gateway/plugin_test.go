package gateway

import (
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"causeway/exposer"
	"causeway/internal/gcptest"
)

// tokenVariable names the one whose token the plugin gives; the operator's when it
// is empty.
const tokenVariable = "CAUSEWAY_TEST_TOKEN"

// plugin is this binary in the place of `causeway credential --google`.
func plugin() int {
	token := gcptest.Token
	if other := os.Getenv(tokenVariable); other != "" {
		token = other
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
