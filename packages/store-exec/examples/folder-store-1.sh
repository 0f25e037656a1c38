#!/bin/sh
# An exec plugin of protocol 1 in POSIX sh: one process a call, absent told from failed, failures with codes.
#
#   plugins:
#     shared:
#       type: exec
#       protocol: 1
#       command: /usr/local/lib/stunmesh/folder-store-1.sh
#       args: [/mnt/shared/stunmesh]
set -u
umask 077

# A failure is an answer: it has a code, and the exit status is 0.
fail() {
  printf '{"success":false,"code":"%s","error":"%s"}\n' "$1" "$2"
  exit 0
}

folder=${1:-}
[ -n "$folder" ] || fail rejected "usage: folder-store-1.sh FOLDER"

# A request is one line, and its strings need no unescaping.
IFS= read -r request || fail internal "no request"
member() { printf '%s\n' "$request" | sed -n "s/.*\"$1\": *\"\\([0-9A-Za-z]*\\)\".*/\\1/p"; }
action=$(member action)
key=$(member key)

case $action in
describe)
  printf '{"success":true,"protocol":1,"version":"1.0","traits":{"min_poll_ms":1000,"delete":true}}\n'
  ;;
get)
  if [ -e "$folder/$key" ]; then
    value=$(cat "$folder/$key") || fail later "cannot read the record"
    printf '{"success":true,"value":"%s"}\n' "$value"
  else
    printf '{"success":true}\n'
  fi
  ;;
set)
  mkdir -p "$folder" || fail later "cannot make the folder"
  [ -w "$folder" ] || fail rejected "the folder may not be written"
  temporary=$folder/.$key.$$
  { member value >"$temporary" && mv "$temporary" "$folder/$key"; } || fail later "cannot write the record"
  printf '{"success":true}\n'
  ;;
delete)
  rm -f "$folder/$key" || fail later "cannot delete the record"
  printf '{"success":true}\n'
  ;;
*) fail rejected "unknown action" ;;
esac
