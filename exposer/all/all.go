// Package all lists the methods that this causeway has, explicitly: a new method
// is a folder beside it and a line here.
package all

import (
	"causeway/exposer"
	"causeway/exposer/dns"
	"causeway/exposer/gateway"
	"causeway/exposer/ilb"
	"causeway/exposer/mcs"
	"causeway/exposer/psc"
	"causeway/exposer/route"
)

// Methods returns every method, in the order in which help texts show them.
func Methods() []exposer.Method {
	return []exposer.Method{ilb.Method{}, route.Method{}, psc.Method{}, dns.Method{}, gateway.Method{}, mcs.Method{}}
}
