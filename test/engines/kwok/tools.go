//go:build tools

// Package engines pins kwok, which plays the kubelets of nodes that are not there: a thousand pods cost a test no memory.
package engines

import _ "sigs.k8s.io/kwok/cmd/kwok"
