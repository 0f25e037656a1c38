#!/bin/sh
# Removes what install.sh has made, and what the daemon keeps for itself. --purge: configuration, secrets and logs too.
# --root DIR: from a system below DIR that does not run.
set -eu

lib=/usr/local/lib/stunmesh
etc=/usr/local/etc/stunmesh
rcd=/usr/local/etc/rc.d/stunmesh
root='' purge=no

fail() {
    echo "uninstall.sh: $1" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
    --purge)
        purge=yes
        shift
        ;;
    --root)
        [ -d "${2:-}" ] || fail '--root needs a folder'
        root=$(CDPATH='' cd -- "$2" && pwd)
        shift 2
        ;;
    *) fail "unknown option $1; allowed: --purge, --root DIR" ;;
    esac
done
manifest=$root$lib/MANIFEST
[ -f "$manifest" ] || fail "there is no $manifest: it was not installed by install.sh"
[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail 'run it as root'

if [ -z "$root" ] && "$rcd" onestatus >/dev/null 2>&1; then "$rcd" onestop; fi

# Longest names first: what lies in a folder goes before it.
made=$(LC_ALL=C sort -r "$manifest")
rm -rf "$root/var/run/stunmesh" "$root/var/db/stunmesh" "$root/var/run/stunmesh.pid" "$root/var/run/stunmesh-child.pid"
if [ "$purge" = yes ]; then
    rm -rf "$root$etc" "$root/var/log/stunmesh.log"*
    if [ -z "$root" ] && command -v sysrc >/dev/null; then sysrc -x stunmesh_enable 2>/dev/null || true; fi
fi
echo "$made" | while read -r path; do
    case $path in
    */) rmdir "$root$path" 2>/dev/null || true ;;
    *) rm -f "$root$path" ;;
    esac
done
for each in "$root$etc" "$root/var/log/stunmesh.log"; do
    [ ! -e "$each" ] || echo "kept: $each (--purge removes it)"
done
