#!/usr/bin/env bash
# Builds a release: archives for every platform, deb and rpm packages, manifests for
# Homebrew, Scoop and winget, an SBOM, and checksums of them all.
#
#   release/build.sh [DIRECTORY]          (default: dist/)
#
# VERSION sets the version (default: from git), TARGETS the platforms. The same tree,
# version and Go yield the same bytes. Requires Go, git, zip and envsubst.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-dist}
version=${VERSION:-$(git describe --tags --match 'v[0-9]*' 2>/dev/null || echo "v0.0.0-$(git rev-parse --short=12 HEAD)")}
commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
targets=${TARGETS:-linux/amd64 linux/arm64 linux/386 linux/arm linux/riscv64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64 freebsd/amd64}
number=${version#v}
export SOURCE_DATE_EPOCH CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false" GOARM=7 TZ=UTC LC_ALL=C

nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4
cyclonedx=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # os arch file
  GOOS=$1 GOARCH=$2 go build -ldflags "-s -w -buildid= -X main.release=$version -X main.releaseCommit=$commit" -o "$3" ./cmd/winnow
}

# Files shipped with the program: manual page, completions, licences.
common=$work/common
mkdir -p "$common/completions"
GOOS='' GOARCH='' build "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$work/winnow"
"$work/winnow" man >"$common/winnow.1"
for shell in bash zsh fish powershell; do "$work/winnow" completion $shell >"$common/completions/winnow.$shell"; done
cp README.md CHANGELOG.md LICENSE NOTICE release/config.toml release/winnow.service "$common"
release/licences.sh >"$common/THIRD-PARTY.txt"

for target in $targets; do
  os=${target%/*} arch=${target#*/}
  name=winnow-$number-$os-$arch
  program=winnow
  [ "$os" != windows ] || program=winnow.exe
  echo "$name"
  mkdir -p "$work/$name"
  cp -R "$common/." "$work/$name"
  build "$os" "$arch" "$work/$name/$program"
  find "$work/$name" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  if [ "$os" = windows ]; then
    (cd "$work" && find "$name" -type f | sort | zip -qX "$out/$name.zip" -@)
  else
    tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
  fi
  # Go's arm is Debian's armhf; RPM distributions have no common riscv64 yet.
  case $target in linux/amd64 | linux/arm64 | linux/386 | linux/arm | linux/riscv64)
    [ "$arch" != arm ] || arch=arm7
    for kind in deb rpm; do
      NAME=$work/$name VERSION=$number ARCH=$arch envsubst <release/nfpm.yaml >"$work/nfpm.yaml"
      GOFLAGS= go run $nfpm package --config "$work/nfpm.yaml" --packager $kind --target "$out" >/dev/null
    done ;;
  esac
done

# The tool takes the version from git, so it gets a repository with just that.
echo "bill of materials"
mkdir "$work/tree"
git archive HEAD | tar -xC "$work/tree"
(
  cd "$work/tree"
  git init -q
  git -c user.name=winnow -c user.email=winnow -c commit.gpgsign=false commit -q --allow-empty -m release
  git tag "$version"
  GOOS=linux GOARCH=amd64 GOFLAGS='' go run $cyclonedx app -json -licenses -noserial -notimestamp -std -main cmd/winnow \
    -output "$out/winnow-$number.cdx.json" . 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
)

# Package manifests, which contain the archives' checksums.
sum() { [ ! -f "$out/$1" ] || sha256sum "$out/$1" | cut -d' ' -f1; }
fill() {
  sed -e "s|@VERSION@|$number|g" \
    -e "s|@DARWIN_AMD64@|$(sum "winnow-$number-darwin-amd64.tar.gz")|" -e "s|@DARWIN_ARM64@|$(sum "winnow-$number-darwin-arm64.tar.gz")|" \
    -e "s|@LINUX_AMD64@|$(sum "winnow-$number-linux-amd64.tar.gz")|" -e "s|@LINUX_ARM64@|$(sum "winnow-$number-linux-arm64.tar.gz")|" \
    -e "s|@WINDOWS_AMD64@|$(sum "winnow-$number-windows-amd64.zip")|" -e "s|@WINDOWS_ARM64@|$(sum "winnow-$number-windows-arm64.zip")|" "$1"
}
mkdir -p "$out/manifests/winget"
fill release/winnow.rb >"$out/manifests/winnow.rb"
fill release/scoop.json >"$out/manifests/winnow.json"
for f in release/winget/*.yaml; do fill "$f" >"$out/manifests/winget/$(basename "$f")"; done
cp -R release/kubernetes "$out/manifests/kubernetes"

cd "$out"
find . -type f ! -name SHA256SUMS | sed 's|^\./||' | sort | xargs sha256sum >SHA256SUMS
du -sh . | cut -f1
