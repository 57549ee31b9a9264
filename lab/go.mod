// The lab: a real private cluster and its networks on one machine. It is a
// module of its own so that the product's binary never carries what only the
// lab needs; Go still lets it import causeway/internal.
module causeway/lab

go 1.26.0

replace causeway => ../

require (
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/vishvananda/netlink v1.3.1 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
