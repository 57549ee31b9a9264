package main

import (
	"testing"

	"causeway/lab/topology"
)

func TestVerbsAndTheirFlags(t *testing.T) {
	type parsed struct {
		verb      string
		line      topology.Line
		small, ok bool
	}
	for _, c := range []struct {
		args []string
		want parsed
	}{
		{[]string{"up"}, parsed{"up", topology.LineStatic, false, true}},
		{[]string{"up", "--line", "static"}, parsed{"up", topology.LineStatic, false, true}},
		{[]string{"up", "--line", "vpn"}, parsed{"up", topology.LineVPN, false, true}},
		{[]string{"up", "--line", "hub"}, parsed{"up", topology.LineHub, false, true}},
		{[]string{"demo", "--small"}, parsed{"demo", topology.LineStatic, true, true}},
		{[]string{"up", "--line", "interconnect"}, parsed{"up", topology.LineStatic, false, false}},
		{[]string{"down", "--line", "vpn"}, parsed{}},
		{[]string{"up", "--small"}, parsed{}},
		{nil, parsed{}},
	} {
		var got parsed
		if got.verb, got.line, got.small, got.ok = parse(c.args); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.args, got, c.want)
		}
	}
}
