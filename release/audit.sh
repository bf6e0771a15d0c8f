#!/usr/bin/env bash
# Checks dependencies and reproducibility: known vulnerabilities, the licence of every
# module, and identical bytes when built from a copy of the tree in another directory.
#
#   release/audit.sh
#
# The vulnerability database is vuln.go.dev, or VULNDB (a URL, including file://). If it
# cannot be reached, the check is skipped with a notice; REQUIRE_VULNDB=1 makes that a
# failure.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "vulnerabilities"
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.9.0
if ! go run $govulncheck ${VULNDB:+-db "$VULNDB"} ./... >"$work/log" 2>&1; then
  reason=$(grep -m1 -E 'fetching vulnerabilities|dial tcp|no such host|proxyconnect|i/o timeout|context deadline' "$work/log" || true)
  if [ -z "$reason" ] || [ -n "${REQUIRE_VULNDB:-}" ]; then
    cat "$work/log"
    exit 1
  fi
  echo "  skipped, database unreachable: $reason"
else
  tail -n 3 "$work/log"
fi

echo "licences"
# Identifies licences at least as permissive as Apache-2.0 by a phrase.
kind() { # file
  local text
  text=$(tr -s '[:space:]' ' ' <"$1")
  case $text in
    *"GNU "*GENERAL* | *"GNU "*General*) return 1 ;;
    *"Apache License Version 2.0"*) echo Apache-2.0 ;;
    *"Permission is hereby granted, free of charge, to any person obtaining a copy"*) echo MIT ;;
    *"Permission to use, copy, modify, and/or distribute this software for any purpose"*) echo ISC ;;
    *"Redistribution and use in source and binary forms, with or without modification, are permitted"*) echo BSD ;;
    *) return 1 ;;
  esac
}
modules=0
while read -r path version dir; do
  found=
  for file in "$dir"/LICENSE* "$dir"/LICENCE* "$dir"/COPYING*; do
    [ -f "$file" ] || continue
    found=$(kind "$file") || { echo "$path $version: $(basename "$file") is not Apache-2.0, MIT, ISC or BSD"; exit 1; }
  done
  [ -n "$found" ] || { echo "$path $version has no licence"; exit 1; }
  echo "$found" >>"$work/kinds"
  modules=$((modules + 1))
done < <(go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/winnow | sort -u)
echo "  $modules modules: $(sort "$work/kinds" | uniq -c | awk '{print $1, $2}' | paste -sd, | sed 's/,/, /g')"

echo "identical bytes from another directory"
mkdir "$work/elsewhere"
git ls-files -z -c -o --exclude-standard -- . ':!testdata' | xargs -0 tar -cf - | tar -xf - -C "$work/elsewhere"
build() { CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false' go build -ldflags '-s -w -buildid=' -o "$1" ./cmd/winnow; }
build "$work/here"
(cd "$work/elsewhere" && build "$work/there")
cmp "$work/here" "$work/there"
for folder in "$PWD" "$work" "$(go env GOMODCACHE)"; do
  ! grep -qaF "$folder" "$work/here" || { echo "the program contains the path $folder"; exit 1; }
done
echo "  $(sha256sum <"$work/here" | cut -c1-64)"
