// Command bench measures what the proxy costs: the rendered configuration in a
// real nginx in front of a real kube-apiserver, beside the direct way, the script
// that the product replaces (testdata/baseline) and HAProxy in TCP mode.
//
// Client, proxy, kube-apiserver and etcd share one machine. Single rounds differ
// by 20 % there, so the ways take turns in each round and only medians count.
//
//	go run ./bench                      # everything, seven rounds
//	go run ./bench -only saturated -rounds 9
//	go run ./bench -nginx 1.22.1        # another release at hand
//
// It prints tables to stdout and what it is doing to stderr. With -check it exits
// 1 when a figure misses what the product promises (see goals).
package main
