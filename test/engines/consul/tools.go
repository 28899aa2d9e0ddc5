//go:build tools

package engines

import _ "github.com/hashicorp/consul"
