#!/usr/bin/env bash
# npm run engines: builds the real engines that tests run against into .engines/bin, at the versions pinned in
# test/engines/*/go.mod, with the checksums in go.sum. What is there already at that version is left alone.
#
# consul is under the Business Source License: a peer for the tests of this repository, never shipped with Meridian.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
bin="$root/.engines/bin"
failed=()

# set       program                  folder of its go.mod   module that pins the version     package                                      what of its own prints the version
engines="
npm-test    etcd                     etcd         go.etcd.io/etcd/server/v3        go.etcd.io/etcd/server/v3                    --version
npm-test    etcdctl                  etcd         go.etcd.io/etcd/etcdctl/v3       go.etcd.io/etcd/etcdctl/v3                   version
npm-test    etcdutl                  etcd         go.etcd.io/etcd/etcdutl/v3       go.etcd.io/etcd/etcdutl/v3                   version
npm-test    versitygw                versitygw    github.com/versity/versitygw     github.com/versity/versitygw/cmd/versitygw   --version
npm-test    consul                   consul       github.com/hashicorp/consul      github.com/hashicorp/consul                  version
kubernetes  etcd                     etcd         go.etcd.io/etcd/server/v3        go.etcd.io/etcd/server/v3                    --version
kubernetes  kube-apiserver           kubernetes   k8s.io/kubernetes                k8s.io/kubernetes/cmd/kube-apiserver         --version
kubernetes  kube-controller-manager  kubernetes   k8s.io/kubernetes                k8s.io/kubernetes/cmd/kube-controller-manager  --version
kubernetes  kube-scheduler           kubernetes   k8s.io/kubernetes                k8s.io/kubernetes/cmd/kube-scheduler         --version
kubernetes  kubelet                  kubernetes   k8s.io/kubernetes                k8s.io/kubernetes/cmd/kubelet                --version
kubernetes  kube-proxy               kubernetes   k8s.io/kubernetes                k8s.io/kubernetes/cmd/kube-proxy             --version
kubernetes  kubectl                  kubernetes   k8s.io/kubernetes                k8s.io/kubernetes/cmd/kubectl                version --client
kubernetes  pause                    kubernetes   k8s.io/kubernetes                ./pause                                      --version
kubernetes  kwok                     kwok         sigs.k8s.io/kwok                 sigs.k8s.io/kwok/cmd/kwok                    --version
kubernetes  helm                     helm         helm.sh/helm/v4                  helm.sh/helm/v4/cmd/helm                     version --short
kubernetes  kubeconform              kubeconform  github.com/yannh/kubeconform     github.com/yannh/kubeconform/cmd/kubeconform  -v
"

# What is the system's, as program:package. Sandboxes need the first, as root; nodes of Kubernetes the second, as root.
packages_npm_test="bwrap:bubblewrap nft:nftables"
packages_kubernetes="containerd:containerd runc:runc /usr/lib/cni/bridge:containernetworking-plugins iptables:iptables nft:nftables
  conntrack:conntrack socat:socat ethtool:ethtool ipset:ipset modprobe:kmod ip:iproute2 openssl:openssl buildah:buildah"

print_help() {
  cat <<HELP
Builds the real engines that tests run against into .engines/bin; needs Go. What is there is left alone.

  npm run engines                  etcd, versitygw and consul: what \`npm test\` runs against
  npm run engines -- kubernetes    etcd, the parts of Kubernetes, kwok, helm and kubeconform (12 CPU minutes), and what a node needs by apt
  npm run engines -- PROGRAM …     those programs alone

Examples:
  npm run engines -- kubernetes
  npm run engines -- kubectl helm
HELP
}

# The lines of the table that were asked for: a set, or programs by their names.
lines_of() { # NAME
  awk -v name="$1" '$1 == name || ($2 == name && !seen[name]++)' <<<"$engines"
}

# The pinned version of a required module, without its v.
pinned_version() { # FOLDER MODULE
  sed -n -E "s|^(require)?[[:space:]]*$2 v([^ ]*).*|\2|p" "$here/$1/go.mod" | head -n 1
}

# Succeeds when the program is there and says that it is of that version.
is_built() { # PATH ASK VERSION
  local said asked
  read -ra asked <<<"$2"
  # Read to its end before it is searched: a reader that stops at the first match would kill the program by its pipe.
  [ -x "$1" ] && said=$("$1" "${asked[@]}" 2>/dev/null) && grep -qE "(^|[[:space:]])v?${3//./\\.}([[:space:]+]|\$)" <<<"$said"
}

# What the linker writes into a program whose own build would: without it, most call themselves "git" or v0.0.0, and parts of
# Kubernetes that do refuse each other.
linker_flags() { # FOLDER VERSION
  local flags="-s -w" package
  case "$1" in
    versitygw) flags+=" -X main.Version=v$2" ;;
    kubernetes)
      for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        flags+=" -X $package.gitVersion=v$2 -X $package.gitMajor=${2%%.*} -X $package.gitMinor=$(cut -d. -f2 <<<"$2")"
        flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=local -X $package.buildDate=2026-01-01T00:00:00Z"
      done
      flags+=" -X main.version=$2"
      ;;
    kwok) flags+=" -X sigs.k8s.io/kwok/pkg/consts.Version=v$2" ;;
    helm) flags+=" -X helm.sh/helm/v4/internal/version.version=v$2" ;;
    kubeconform) flags+=" -X main.version=v$2" ;;
  esac
  echo "$flags"
}

need_go() {
  command -v go >/dev/null && return
  echo "engines: building $1 needs Go 1.26 or newer (https://go.dev/doc/install), and there is no \`go\` in PATH." >&2
  echo "engines: without engines, tests skip what needs them and say so." >&2
  exit 1
}

build() { # PROGRAM FOLDER PACKAGE ASK VERSION
  local partial="$bin/$1.partial"
  # Nicely: what else runs on the machine goes first, as consul alone takes some CPU minutes.
  (cd "$here/$2" && CGO_ENABLED=0 nice -n 19 go build -mod=readonly -trimpath -ldflags="$(linker_flags "$2" "$5")" -o "$partial" "$3" </dev/null) || return 1
  is_built "$partial" "$4" "$5" || { echo "engines: what was built as $1 does not say that it is $5" >&2; return 1; }
  # Only a finished build gets the name that tests look for.
  mv "$partial" "$bin/$1"
}

# How nodes and pods that kwok plays behave comes with its module.
keep_kwok_stages() {
  local module
  module=$(cd "$here/kwok" && go list -mod=readonly -m -f '{{.Dir}}' sigs.k8s.io/kwok)
  for stage in "$module"/kustomize/stage/{node/fast,node/heartbeat-with-lease,pod/fast}/*.yaml; do
    case "$stage" in *kustomization.yaml) ;; *) echo "---"; cat "$stage" ;; esac
  done >"$root/.engines/kwok-stages.yaml"
}

install_package() { # PROGRAM:PACKAGE
  local program=${1%:*} package=${1#*:}
  if command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ]; then
    echo "engines: $package is there"
  elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "engines: installing $package"
    { apt-get install -y --no-install-recommends "$package" || { apt-get update && apt-get install -y --no-install-recommends "$package"; }; } >/dev/null </dev/null ||
      echo "engines: $package cannot be installed; what needs it is skipped" >&2
  else
    echo "engines: $package is not installed; what needs it is skipped" >&2
  fi
}

case "${1:-}" in
  --help) print_help; exit 0 ;;
  "") set -- npm-test ;;
esac
for name in "$@"; do
  [ -n "$(lines_of "$name")" ] || { echo "engines: there is no $name; --help tells what there is" >&2; exit 2; }
done

for name in "$@"; do
  case "$name" in
    npm-test) packages=$packages_npm_test ;;
    kubernetes) packages=$packages_kubernetes ;;
    *) packages= ;;
  esac
  for package in $packages; do install_package "$package"; done
done

mkdir -p "$bin"
while read -r _ program folder module package ask; do
  [ -n "$program" ] || continue
  version=$(pinned_version "$folder" "$module")
  if is_built "$bin/$program" "$ask" "$version"; then
    echo "engines: $program $version is there"
    continue
  fi
  need_go "$program"
  echo "engines: building $program $version"
  build "$program" "$folder" "$package" "$ask" "$version" && { [ "$program" != kwok ] || keep_kwok_stages; } || failed+=("$program")
done <<<"$(for name in "$@"; do lines_of "$name"; done)"

if [ ${#failed[@]} -gt 0 ]; then
  echo "engines: not built, for the reason above: ${failed[*]}" >&2
  exit 1
fi
