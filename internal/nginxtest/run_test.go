package nginxtest_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/internal/nginxtest"
)

const plain = `
daemon off;
pid %DIR%/nginx.pid;
error_log %DIR%/error.log;
events {}
http {
    access_log off;
    client_body_temp_path %DIR%/body; proxy_temp_path %DIR%/proxy; fastcgi_temp_path %DIR%/fastcgi;
    uwsgi_temp_path %DIR%/uwsgi; scgi_temp_path %DIR%/scgi;
    server { listen %LISTEN%; return 200 "nginx $nginx_version"; }
}
`

func all(t *testing.T) []nginxtest.Binary {
	t.Helper()
	binaries, err := nginxtest.Find(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	return binaries
}

func TestEachReleaseRunsAsTheVersionThatItIs(t *testing.T) {
	for _, binary := range all(t) {
		t.Run(binary.Version, func(t *testing.T) {
			run, err := nginxtest.Start(t.Context(), binary, nginxtest.Config{Dir: t.TempDir(), Conf: []byte(plain)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := run.Stop(); err != nil {
					t.Error(err)
				}
			})
			response, err := http.Get("http://" + run.Addr.String())
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if server := response.Header.Get("Server"); server != "nginx/"+binary.Version {
				t.Errorf("answered as %q, want nginx/%s", server, binary.Version)
			}
			if len(run.Workers()) != 1 {
				t.Errorf("workers %v, want one", run.Workers())
			}
			if err := run.Quit(); err != nil {
				t.Fatal(err)
			}
			if err := run.Wait(t.Context()); err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestAFaultInTheConfigurationIsTold(t *testing.T) {
	binary := nginxtest.Newest(all(t))
	config := nginxtest.Config{Dir: t.TempDir(), Conf: []byte("ssl on;\nevents {}\n")}
	if _, err := nginxtest.Start(t.Context(), binary, config); err == nil || !strings.Contains(err.Error(), `unknown directive "ssl"`) {
		t.Errorf("start: error %v", err)
	}
	if _, err := nginxtest.Check(t.Context(), binary, config); err == nil || !strings.Contains(err.Error(), `unknown directive "ssl"`) {
		t.Errorf("check: error %v", err)
	}
}

func TestStopWaitsAndMayBeCalledTwice(t *testing.T) {
	binary := nginxtest.Newest(all(t))
	run, err := nginxtest.Start(t.Context(), binary, nginxtest.Config{Dir: t.TempDir(), Conf: []byte(plain)})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := run.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join("/proc", "self")); err == nil && len(run.Workers()) != 0 {
		t.Errorf("workers %v are left", run.Workers())
	}
}

func TestARelativeDirectoryIsRefused(t *testing.T) {
	_, err := nginxtest.Start(context.Background(), nginxtest.Binary{}, nginxtest.Config{Dir: "here"})
	if err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Errorf("error %v", err)
	}
}

func TestCacheDirFollowsTheEnvironment(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"its own variable comes first": {map[string]string{"CAUSEWAY_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c"},
		"then the user's cache":        {map[string]string{"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/causeway"},
		"then the home directory":      {map[string]string{"HOME": "/h"}, "/h/.cache/causeway"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := nginxtest.CacheDir(func(key string) string { return test.env[key] }); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestNoNginxNamesTheTargetThatInstallsIt(t *testing.T) {
	if _, err := os.Stat("/usr/sbin/nginx"); err != nil {
		_, err := nginxtest.Find(func(string) string { return t.TempDir() })
		if err == nil || !strings.Contains(err.Error(), "make setup") {
			t.Errorf("error %v", err)
		}
	}
}
