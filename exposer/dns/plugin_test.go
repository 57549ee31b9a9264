package dns

import (
	"fmt"
	"os"
	"time"

	"causeway/exposer"
)

// pluginToken is the variable by which a test says which token its exec plugin has.
const pluginToken = "CAUSEWAY_TEST_GOOGLE_TOKEN"

// plugin is this binary in the place of `causeway credential --google`.
func plugin() int {
	answer, err := exposer.GoogleCredential(os.Getenv("KUBERNETES_EXEC_INFO"), os.Getenv(pluginToken), time.Time{}, time.Now())
	if err != nil || os.Getenv(pluginToken) == "" {
		fmt.Fprintln(os.Stderr, "no token:", err)
		return 1
	}
	fmt.Println(string(answer))
	return 0
}
