//go:build tools

// Package engines pins the real S3 server that the code store's tests run against, with the checksums beside this file.
package engines

import _ "github.com/versity/versitygw/cmd/versitygw"
