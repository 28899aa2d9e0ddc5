// Pause holds the namespaces of a pod: it waits for children it was left, and goes when it is told to. The usual one comes from a
// registry that a test machine may not reach.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// The version of Kubernetes that it was built for, which the linker writes.
var version = "unknown"

func main() {
	if len(os.Args) > 1 {
		fmt.Println("pause", version)
		return
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for name := range signals {
		if name != syscall.SIGCHLD {
			os.Exit(0)
		}
		reap()
	}
}

// One signal may stand for several children.
func reap() {
	for {
		var status syscall.WaitStatus
		if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}
