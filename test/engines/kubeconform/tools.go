//go:build tools

// Package engines pins kubeconform, which holds rendered manifests against the schemas of a real apiserver.
package engines

import _ "github.com/yannh/kubeconform/cmd/kubeconform"
