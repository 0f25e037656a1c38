#!/bin/sh
# An exec plugin without a JSON parser: a request is one line, and its strings need no unescaping.
#
#   plugins:
#     shared:
#       type: exec
#       command: /usr/local/lib/stunmesh/folder-store-json.sh
#       args: [/mnt/shared/stunmesh]
set -u
umask 077

fail() {
  printf '{"success":false,"error":"%s"}\n' "$1"
  exit 1
}

folder=${1:-}
[ -n "$folder" ] || fail "usage: folder-store-json.sh FOLDER"

IFS= read -r request || fail "no request"
member() { printf '%s\n' "$request" | sed -n "s/.*\"$1\": *\"\\([0-9A-Za-z]*\\)\".*/\\1/p"; }
action=$(member action)
key=$(member key)
[ -n "$key" ] || fail "no key"

case $action in
get)
  value=
  # An empty value says that there is no record.
  if [ -e "$folder/$key" ]; then value=$(cat "$folder/$key") || fail "cannot read the record"; fi
  printf '{"success":true,"value":"%s"}\n' "$value"
  ;;
set)
  temporary=$folder/.$key.$$
  mkdir -p "$folder" && member value >"$temporary" && mv "$temporary" "$folder/$key" || fail "cannot write the record"
  printf '{"success":true}\n'
  ;;
*) fail "unknown action" ;;
esac
