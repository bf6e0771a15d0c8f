#!/usr/bin/env bash
# Prints the licences of Go and of every module built into winnow.
set -euo pipefail
cd "$(dirname "$0")/.."

show() { # name version folder
  local found=
  for file in "$3"/LICENSE* "$3"/LICENCE* "$3"/COPYING* "$3"/NOTICE*; do
    [ -f "$file" ] || continue
    found=1
    printf '%s\n%s %s: %s\n\n' "--------------------------------------------------------------------------------" "$1" "$2" "$(basename "$file")"
    cat "$file"
    echo
  done
  [ -n "$found" ] || { echo "$1 has no licence in $3" >&2; exit 1; }
}

echo "winnow is licensed under the Apache License 2.0 (LICENSE, NOTICE). It also contains:"
echo
show Go "$(go env GOVERSION)" "$(go env GOROOT)"
go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/winnow | sort -u | while read -r path version dir; do
  show "$path" "$version" "$dir"
done
