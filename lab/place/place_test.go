package place

import "testing"

func TestFindPrefersTheNearestVariable(t *testing.T) {
	for name, c := range map[string]struct {
		env        map[string]string
		uid        int
		run, cache string
	}{
		"root with a home":           {map[string]string{"HOME": "/root"}, 0, "/run/causeway-lab", "/root/.cache/causeway"},
		"a cache directory wins":     {map[string]string{"HOME": "/root", "XDG_CACHE_HOME": "/c"}, 0, "/run/causeway-lab", "/c/causeway"},
		"causeway's own wins":        {map[string]string{"HOME": "/root", "XDG_CACHE_HOME": "/c", "CAUSEWAY_CACHE": "/own"}, 0, "/run/causeway-lab", "/own"},
		"a user has no /run":         {map[string]string{"HOME": "/home/u"}, 1000, "/home/u/.cache/causeway/run/causeway-lab", "/home/u/.cache/causeway"},
		"a user's runtime directory": {map[string]string{"HOME": "/home/u", "XDG_RUNTIME_DIR": "/run/user/1000"}, 1000, "/run/user/1000/causeway-lab", "/home/u/.cache/causeway"},
	} {
		p, err := Find(func(key string) string { return c.env[key] }, c.uid)
		if err != nil || p.Run != c.run || p.Cache != c.cache {
			t.Errorf("%s: %+v (%v), want run %s, cache %s", name, p, err, c.run, c.cache)
		}
	}
	if _, err := Find(func(string) string { return "" }, 0); err == nil {
		t.Error("without any variable there is no place")
	}
}
