package exposer_test

import (
	"flag"
	"os"
	"testing"

	"causeway/internal/kubetest"
)

// TestMain lets tests that mostly wait run at the same time.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(kubetest.StartMain(m))
}
