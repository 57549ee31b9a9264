package main

import (
	"testing"

	"causeway/lab/topology"
)

func TestVerbsAndTheirFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want request
		ok   bool
	}{
		{[]string{"up"}, request{verb: "up"}, true},
		{[]string{"up", "--line", "static"}, request{verb: "up"}, true},
		{[]string{"up", "--line", "vpn"}, request{verb: "up", line: topology.LineVPN}, true},
		{[]string{"up", "--line", "hub"}, request{verb: "up", line: topology.LineHub}, true},
		{[]string{"demo"}, request{verb: "demo"}, true},
		{[]string{"demo", "--small"}, request{verb: "demo", small: true}, true},
		{[]string{"demo", "--route"}, request{verb: "demo", route: true}, true},
		{[]string{"far"}, request{verb: "far"}, true},
		{[]string{"far", "/handed/line"}, request{verb: "far", folder: "/handed/line"}, true},
		{[]string{"demo", "--hub"}, request{}, false},
		{[]string{"demo", "--small", "--route"}, request{}, false},
		{[]string{"up", "--line", "interconnect"}, request{}, false},
		{[]string{"down", "--line", "vpn"}, request{}, false},
		{[]string{"up", "--small"}, request{}, false},
		{nil, request{}, false},
	} {
		if got, ok := parse(c.args); ok != c.ok || ok && got != c.want {
			t.Errorf("%v: %+v, %t, want %+v, %t", c.args, got, ok, c.want, c.ok)
		}
	}
}
