#!/bin/sh
# A shell plugin: keeps the records as files in a folder that all peers share.
#
#   plugins:
#     shared:
#       type: shell
#       command: /usr/local/lib/stunmesh/folder-store.sh
#       args: [/mnt/shared/stunmesh]
#
# stdin has STUNMESH_ACTION, STUNMESH_KEY and, for set, STUNMESH_VALUE as assignments.
set -eu
umask 077

folder=${1:?usage: folder-store.sh FOLDER}
. /dev/stdin

case $STUNMESH_ACTION in
get)
  # No such file: exit 0 without output means that there is no record.
  if [ -e "$folder/$STUNMESH_KEY" ]; then cat "$folder/$STUNMESH_KEY"; fi
  ;;
set)
  mkdir -p "$folder"
  temporary=$folder/.$STUNMESH_KEY.$$
  trap 'rm -f "$temporary"' EXIT
  printf '%s\n' "$STUNMESH_VALUE" >"$temporary"
  # A rename is one step: a reader sees the old record or the new one, never half of it.
  mv "$temporary" "$folder/$STUNMESH_KEY"
  ;;
*)
  echo "unknown action" >&2
  exit 2
  ;;
esac
