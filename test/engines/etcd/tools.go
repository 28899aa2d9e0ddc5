//go:build tools

// Package engines pins the real etcd that tests run against. `go install` refuses etcd's own modules because of
// their replace directives, so they are built from here, with the checksums beside this file.
package engines

import (
	_ "go.etcd.io/etcd/etcdctl/v3"
	_ "go.etcd.io/etcd/etcdutl/v3"
	_ "go.etcd.io/etcd/server/v3"
)
