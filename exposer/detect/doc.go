// Package detect says which methods can work for a cluster.
package detect
