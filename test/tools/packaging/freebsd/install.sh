#!/bin/sh
# Installs stunmesh on FreeBSD, OPNsense and pfSense from the folder that this script lies in; README.txt has its options.
# Everything that it makes is written down in /usr/local/lib/stunmesh/MANIFEST, which uninstall.sh goes by.
set -eu

arch=@ARCH@
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
lib=/usr/local/lib/stunmesh
rcd=/usr/local/etc/rc.d/stunmesh
root='' runtime='' executable=''

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
    --root | --runtime | --executable)
        [ -n "${2:-}" ] || fail "$1 needs a value"
        case $1 in
        --root) root=$(CDPATH='' cd -- "$2" && pwd) || fail "there is no folder $2" ;;
        --runtime) runtime=$2 ;;
        --executable) executable=$2 ;;
        esac
        shift 2
        ;;
    *) fail "unknown option $1; allowed: --root DIR, --runtime FILE, --executable FILE" ;;
    esac
done
[ -z "$runtime" ] || [ -z "$executable" ] || fail 'either --runtime or --executable'

# --- is it the right system, and the archive whole? ---------------------------------------------------------------------

if [ -z "$root" ]; then
    [ "$(uname -s)" = FreeBSD ] || fail "this is $(uname -s), not FreeBSD"
    case $(uname -m) in
    amd64) own=x64 ;;
    arm64) own=arm64 ;;
    *) own=$(uname -m) ;;
    esac
    [ "$own" = "$arch" ] || fail "this archive is for $arch, and this machine is $own; take the archive for it"
    [ "$(id -u)" = 0 ] || fail 'run it as root'
fi

digest() {
    if command -v sha256 >/dev/null; then sha256 -q "$1"; else sha256sum "$1" | cut -d ' ' -f 1; fi
}

while read -r sum file; do
    [ -f "$here/$file" ] || fail "$file is missing in $here; unpack the archive again"
    [ "$(digest "$here/$file")" = "$sum" ] || fail "$file is damaged; fetch the archive again"
done <"$here/SHA256SUMS"

# --- what runs it -------------------------------------------------------------------------------------------------------

script=$lib/stunmesh.js trial=''
if [ -n "$executable" ]; then
    [ -f "$executable" ] || fail "there is no file $executable"
    runtime=$lib/stunmesh script=''
    trial=$executable
elif [ -n "$runtime" ]; then
    :
elif [ -f "$here/bun" ]; then
    runtime=$lib/bun
    trial=$here/bun
else
    for each in /usr/local/bin/node /usr/local/bin/bun; do
        [ ! -x "$root$each" ] || { runtime=$each && break; }
    done
    [ -n "$runtime" ] || fail 'there is neither node nor bun in /usr/local/bin: pkg install node, or --runtime FILE'
fi
case $runtime in
*[!A-Za-z0-9_./+@-]*) fail "a runtime whose path has other signs than letters, digits and _ . / + @ - : $runtime" ;;
/*) ;;
*) fail "--runtime needs an absolute path, not $runtime" ;;
esac
case $runtime in
"$lib"/*) ;;
*) [ -x "$root$runtime" ] || fail "there is no program $root$runtime" ;;
esac
trial=${trial:-$runtime}
if [ -z "$root" ]; then
    "$trial" ${script:+"$here/stunmesh/stunmesh.js"} --version >/dev/null || fail "$trial does not run it; node has to be 20.19 or newer"
fi

# --- the files ----------------------------------------------------------------------------------------------------------

manifest=$root$lib/MANIFEST
made=$(mktemp "${TMPDIR:-/tmp}/stunmesh.XXXXXX")
words=$(mktemp "${TMPDIR:-/tmp}/stunmesh.XXXXXX")
# However it ends, what has been made until then can be removed.
finish() {
    [ ! -d "$root$lib" ] || LC_ALL=C sort -u "$made" >"$manifest"
    rm -f "$made" "$words"
}
trap finish EXIT
# What an earlier release has made is this one's to remove.
[ ! -f "$manifest" ] || cat "$manifest" >"$made"

# folder PATH MODE: with those above it; only what was not there is ours.
folder() {
    [ ! -d "$root$1" ] || return 0
    folder "$(dirname -- "$1")" 755
    mkdir -m "$2" "$root$1"
    echo "$1/" >>"$made"
}

# put MODE FROM TO: removed first, since a daemon may have the old file mapped, and a link leads elsewhere.
put() {
    folder "$(dirname -- "$3")" 755
    rm -f "$root$3"
    install -m "$1" "$2" "$root$3"
    echo "$3" >>"$made"
}

# The names of the program's parts change with each release.
rm -rf "$root$lib/lib"
folder "$lib" 755
(cd "$here/stunmesh" && find . -type f ! -path './service/*' ! -path './man/*') | sed 's/^\.//' | sort | while read -r file; do
    case $file in
    /stunmesh.js) put 555 "$here/stunmesh$file" "$lib$file" ;;
    *) put 444 "$here/stunmesh$file" "$lib$file" ;;
    esac
done
[ -z "$executable" ] || put 555 "$executable" "$lib/stunmesh"
[ ! -f "$here/bun" ] || put 555 "$here/bun" "$lib/bun"
put 555 "$here/uninstall.sh" "$lib/uninstall.sh"
put 444 "$here/stunmesh/man/man1/stunmesh.1" /usr/local/share/man/man1/stunmesh.1
put 644 "$here/stunmesh/service/freebsd/newsyslog.conf" /usr/local/etc/newsyslog.conf.d/stunmesh.conf
folder /usr/local/etc/stunmesh 700
put 644 "$here/config.yaml.sample" /usr/local/etc/stunmesh/config.yaml.sample

sed -e "s|^\(: \"\${stunmesh_runtime:=\)[^}]*|\1$runtime|" -e "s|^\(: \"\${stunmesh_script=\)[^}]*|\1$script|" \
    "$here/stunmesh/service/freebsd/stunmesh" >"$words"
put 555 "$words" "$rcd"
printf '#!/bin/sh\nexec %s%s "$@"\n' "$runtime" "${script:+ $script}" >"$words"
put 555 "$words" /usr/local/bin/stunmesh

echo "$lib/MANIFEST" >>"$made"

# --- what is next -------------------------------------------------------------------------------------------------------

echo "stunmesh is in $root$lib, run by $runtime"
[ -z "$root" ] || exit 0
if "$rcd" onestatus >/dev/null 2>&1; then
    "$rcd" onerestart
elif [ ! -f /usr/local/etc/stunmesh/config.yaml ]; then
    echo 'next: stunmesh init, then sysrc stunmesh_enable=YES and service stunmesh start'
else
    echo 'next: sysrc stunmesh_enable=YES and service stunmesh start'
fi
