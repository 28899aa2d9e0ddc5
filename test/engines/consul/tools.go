//go:build tools

// Package engines pins the real Consul that the tests of discovery run against: a peer, never shipped. `go install` refuses
// its module because of replace directives, so it is built from here, with its own checksums in go.sum.
package engines

import _ "github.com/hashicorp/consul"
