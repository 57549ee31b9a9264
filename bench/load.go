package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// sample is what one round of one way gave.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
	proxyCPU  time.Duration // for a request; 0 for the direct way
	serverCPU time.Duration // kube-apiserver's, for a request
}

// saturate sends a number of requests over some connections, each as fast as it
// gets answers.
func saturate(ctx context.Context, w way, server int, request []byte, connections, requests int) (sample, error) {
	conns, err := connect(ctx, w, connections, request)
	if err != nil {
		return sample{}, err
	}
	defer closeAll(conns)
	before, err := w.cpu(server)
	if err != nil {
		return sample{}, err
	}
	var left atomic.Int64
	left.Store(int64(requests))
	began := time.Now()
	times, err := each(conns, func(_ int, c *conn) ([]time.Duration, error) {
		var took []time.Duration
		for left.Add(-1) >= 0 {
			sent := time.Now()
			if _, err := c.do(request); err != nil {
				return nil, err
			}
			took = append(took, time.Since(sent))
		}
		return took, nil
	})
	elapsed := time.Since(began)
	if err != nil {
		return sample{}, fmt.Errorf("saturate %s: %w", w.name, err)
	}
	after, err := w.cpu(server)
	if err != nil {
		return sample{}, err
	}
	s := quantiles(times)
	s.perSecond = float64(len(times)) / elapsed.Seconds()
	s.proxyCPU = (after.proxy - before.proxy) / time.Duration(len(times))
	s.serverCPU = (after.server - before.server) / time.Duration(len(times))
	return s, nil
}

// pace sends requests at a steady rate, whatever the answers do: a late answer
// makes the next request of its connection late, and that counts.
func pace(ctx context.Context, w way, request []byte, connections, perSecond int, length time.Duration) (sample, error) {
	conns, err := connect(ctx, w, connections, request)
	if err != nil {
		return sample{}, err
	}
	defer closeAll(conns)
	gap := time.Second * time.Duration(connections) / time.Duration(perSecond)
	began := time.Now()
	times, err := each(conns, func(i int, c *conn) ([]time.Duration, error) {
		var took []time.Duration
		due := began.Add(gap * time.Duration(i) / time.Duration(connections))
		for ; due.Sub(began) < length; due = due.Add(gap) {
			time.Sleep(time.Until(due))
			// From when it is sent: the timer of the client is not the way's.
			sent := time.Now()
			if _, err := c.do(request); err != nil {
				return nil, err
			}
			took = append(took, time.Since(sent))
		}
		return took, nil
	})
	if err != nil {
		return sample{}, fmt.Errorf("pace %s: %w", w.name, err)
	}
	return quantiles(times), nil
}

// connect opens connections and sends one request over each, so that no round
// pays for handshakes, the proxy's own upstream ones included.
func connect(ctx context.Context, w way, connections int, request []byte) ([]*conn, error) {
	conns := make([]*conn, 0, connections)
	for range connections {
		c, err := dial(ctx, w)
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		conns = append(conns, c)
	}
	_, err := each(conns, func(_ int, c *conn) ([]time.Duration, error) {
		for range 3 {
			if _, err := c.do(request); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	if err != nil {
		closeAll(conns)
		return nil, fmt.Errorf("warm up %s: %w", w.name, err)
	}
	return conns, nil
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		_ = c.Close() // measured already
	}
}

// each runs the function for all connections at once and gathers what it gives.
func each(conns []*conn, work func(int, *conn) ([]time.Duration, error)) ([]time.Duration, error) {
	var (
		group  sync.WaitGroup
		lock   sync.Mutex
		all    []time.Duration
		errAll error
	)
	for i, c := range conns {
		group.Go(func() {
			times, err := work(i, c)
			lock.Lock()
			defer lock.Unlock()
			all, errAll = append(all, times...), errors.Join(errAll, err)
		})
	}
	group.Wait()
	return all, errAll
}

func quantiles(times []time.Duration) sample {
	if len(times) == 0 {
		return sample{}
	}
	slices.Sort(times)
	return sample{p50: times[len(times)/2], p99: times[len(times)*99/100]}
}

// median of one figure over rounds; of an even number the mean of the two in the middle.
func median[T float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
