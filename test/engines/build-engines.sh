#!/usr/bin/env bash
# npm run engines: builds the real engines that tests run against into .engines/bin, at the versions pinned in
# test/engines/*/go.mod, with the checksums in go.sum. What is there already at that version is left alone.
#
# consul is under the Business Source License: a peer for the tests of this repository, never shipped with Meridian.
set -euo pipefail

case "${1:-}" in
  "") ;;
  --help)
    echo "Builds the real engines that tests run against (etcd, versitygw, consul) into .engines/bin; needs Go."
    echo
    echo "  npm run engines"
    exit 0
    ;;
  *)
    echo "engines: $1 is nothing that can be said here; all engines are built, without options" >&2
    exit 2
    ;;
esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
bin="$root/.engines/bin"
failed=()

# program   folder of its go.mod   module that pins the version     package                                  option of its own that prints the version
engines="
etcd        etcd       go.etcd.io/etcd/server/v3        go.etcd.io/etcd/server/v3                --version
etcdctl     etcd       go.etcd.io/etcd/etcdctl/v3       go.etcd.io/etcd/etcdctl/v3               version
etcdutl     etcd       go.etcd.io/etcd/etcdutl/v3       go.etcd.io/etcd/etcdutl/v3               version
versitygw   versitygw  github.com/versity/versitygw     github.com/versity/versitygw/cmd/versitygw  --version
consul      consul     github.com/hashicorp/consul      github.com/hashicorp/consul              version
"

# The pinned version of a required module, without its v.
pinned_version() { # FOLDER MODULE
  sed -n -E "s|^(require)?[[:space:]]*$2 v([^ ]*).*|\2|p" "$here/$1/go.mod" | head -n 1
}

# Succeeds when the program is there and says that it is of that version.
is_built() { # PATH ASK VERSION
  local said
  # Read to its end before it is searched: a reader that stops at the first match would kill the program by its pipe.
  [ -x "$1" ] && said=$("$1" "$2" 2>/dev/null) && grep -qiE "(version *: *|consul )v?${3//./\\.}\$" <<<"$said"
}

# What the linker writes into a program whose own build would: versitygw calls itself "git" without it.
linker_flags() { # PROGRAM VERSION
  case "$1" in
    versitygw) echo "-s -w -X main.Version=v$2" ;;
    *) echo "-s -w" ;;
  esac
}

need_go() {
  command -v go >/dev/null && return
  echo "engines: building $1 needs Go 1.26 or newer (https://go.dev/doc/install), and there is no \`go\` in PATH." >&2
  echo "engines: without engines, \`npm test\` skips what needs them and says so." >&2
  exit 1
}

build() { # PROGRAM FOLDER PACKAGE ASK VERSION
  local partial="$bin/$1.partial"
  # Nicely: what else runs on the machine goes first, as consul alone takes some CPU minutes.
  (cd "$here/$2" && CGO_ENABLED=0 nice -n 19 go build -mod=readonly -trimpath -ldflags="$(linker_flags "$1" "$5")" -o "$partial" "$3" </dev/null) || return 1
  is_built "$partial" "$4" "$5" || { echo "engines: what was built as $1 does not say that it is $5" >&2; return 1; }
  # Only a finished build gets the name that tests look for.
  mv "$partial" "$bin/$1"
}

# bubblewrap and nftables are the system's: sandboxes need both, as root, and their tests say what is missing.
for program in bwrap:bubblewrap nft:nftables; do
  if command -v "${program%:*}" >/dev/null || [ -x "/usr/sbin/${program%:*}" ]; then
    echo "engines: ${program#*:} is there"
  elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "engines: installing ${program#*:}"
    { apt-get install -y --no-install-recommends "${program#*:}" || { apt-get update && apt-get install -y --no-install-recommends "${program#*:}"; }; } >/dev/null </dev/null ||
      echo "engines: ${program#*:} cannot be installed; what needs it is skipped" >&2
  else
    echo "engines: ${program#*:} is not installed; what needs it is skipped" >&2
  fi
done

mkdir -p "$bin"
while read -r program folder module package ask; do
  [ -n "$program" ] || continue
  version=$(pinned_version "$folder" "$module")
  if is_built "$bin/$program" "$ask" "$version"; then
    echo "engines: $program $version is there"
    continue
  fi
  need_go "$program"
  echo "engines: building $program $version"
  build "$program" "$folder" "$package" "$ask" "$version" || failed+=("$program")
done <<<"$engines"

if [ ${#failed[@]} -gt 0 ]; then
  echo "engines: not built, for the reason above: ${failed[*]}" >&2
  exit 1
fi
