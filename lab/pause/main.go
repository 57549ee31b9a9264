// Command pause holds a Pod's namespaces open: it is the first process of each
// Pod's sandbox, does nothing, and ends when asked. It is built static, so that
// its image is one file and no registry is needed.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	for {
		select {
		case <-end:
			return
		case <-children:
			// As process 1 of a Pod with a shared process namespace it inherits
			// orphans; nobody else would collect them.
			for {
				pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
				if err != nil || pid <= 0 {
					break
				}
			}
		}
	}
}
