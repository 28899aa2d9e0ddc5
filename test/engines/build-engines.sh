#!/usr/bin/env bash
# npm run engines: builds the real engines that tests run against into .engines/bin, at the versions pinned in
# test/engines/*/go.mod, with the checksums in go.sum. What is there already at that version is left alone.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
bin="$root/.engines/bin"

# The pinned version of a required module, without its v.
pinned_version() { # FOLDER MODULE
  sed -n "s|^[[:space:]]*$2 v\([^ ]*\).*|\1|p" "$here/$1/go.mod" | head -n 1
}

# Succeeds when the program is there and says that it is of that version.
is_built() { # PROGRAM VERSION
  case "$1" in
    etcd) "$bin/etcd" --version ;;
    *) "$bin/$1" version ;;
  esac 2>/dev/null | grep -qiE "version: $2\$"
}

need_go() {
  command -v go >/dev/null && return
  echo "engines: building etcd needs Go 1.26 or newer (https://go.dev/doc/install), and there is no \`go\` in PATH." >&2
  echo "engines: without engines, \`npm test\` skips what needs them and says so." >&2
  exit 1
}

build_etcd() {
  local version program package
  version=$(pinned_version etcd go.etcd.io/etcd/server/v3)
  for program in etcd:server etcdctl:etcdctl etcdutl:etcdutl; do
    package="go.etcd.io/etcd/${program#*:}/v3"
    program=${program%:*}
    if is_built "$program" "$version"; then
      echo "engines: $program $version is there"
      continue
    fi
    need_go
    echo "engines: building $program $version"
    (cd "$here/etcd" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags='-s -w' -o "$bin/$program.partial" "$package")
    # Only a finished build gets the name that tests look for.
    mv "$bin/$program.partial" "$bin/$program"
    is_built "$program" "$version" || { echo "engines: $bin/$program does not say that it is $version" >&2; exit 1; }
  done
}

mkdir -p "$bin"
build_etcd
