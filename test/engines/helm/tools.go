//go:build tools

// Package engines pins the helm that the charts are linted, rendered and installed with.
package engines

import _ "helm.sh/helm/v4/cmd/helm"
