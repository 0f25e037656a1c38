#!/bin/bash
# Runs a command as root under Debian's stock kernel, in a virtual machine without hardware help (qemu, TCG).
#
#   run-in-vm.sh 'COMMAND'
#
# The guest sees this machine's whole file system, read-only, under an overlay in memory: it may write anywhere and nothing
# of it stays, except what it puts into the folder $OUT. It has no network but its own. Standard output and error come out
# here, apart, as they are written. Nothing is installed on this machine: Debian packages are unpacked into a cache folder.
#
# Environment
#   VM_CACHE    folder for kernel and qemu   (~/.cache/stunmesh/vm)
#   VM_OUT      folder of this machine that receives what the guest wrote into $OUT
#   VM_CONSOLE  file of this machine that receives the kernel's console
#   VM_MODULES  kernel modules to load       (wireguard)
#   VM_TIMEOUT  seconds                      (300)
#   VM_MEMORY   MiB                          (1024)
#   VM_CPUS     virtual processors           (2)
#   VM_ACCEL    qemu accelerator             (tcg)
# The guest inherits PATH, HOME, LANG, REQUIRE, NO_COLOR and all that begins with STUNMESH_ or VM_ENV_.
#
# Exit status: the command's own; 64 wrong use, 69 this machine cannot run it, 124 out of time, 125 the guest did not start or died.
set -u

cache=${VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/stunmesh/vm}
tree=$cache/tree
say() { printf 'run-in-vm: %s\n' "$*" >&2; }

# Kernel, emulator and what they need, unpacked below $tree, and a first file system that mounts the host's root.
prepare() {
  set -e
  command -v apt-get dpkg >/dev/null || { say 'needs apt-get and dpkg (Debian or a relative)'; return 69; }
  [ "$(dpkg --print-architecture)" = amd64 ] || { say 'made for amd64 only'; return 69; }
  compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || apt-get update -q >&2 ||
    { say 'no package lists: run apt-get update as root'; return 69; }
  local work=$cache/work.$$ kernel packages module file
  rm -rf "$cache"/work.* "$tree"
  mkdir -p "$work/debs" "$work/tree" "$work/first/bin" "$work/first/modules"
  kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: linux-image-//p' | head -1)
  [ -n "$kernel" ] || { say 'apt knows no linux-image-amd64'; return 69; }
  # apt's own simulation names what this machine lacks; what it has is used from where it is.
  packages=$(apt-get install -s --no-install-recommends qemu-system-x86 seabios kmod | awk '$1 == "Inst" { print $2 }')
  say "fetching kernel $kernel and emulator (about 100 MB, unpacked below $cache)"
  # shellcheck disable=SC2086
  (cd "$work/debs" && apt-get download -qq -o APT::Sandbox::User=root $packages busybox-static "linux-image-$kernel" >&2)
  for file in "$work"/debs/*.deb; do dpkg -x "$file" "$work/tree"; done
  rm -rf "$work/debs"
  # Newer releases keep modules below /usr; one place for both.
  [ -d "$work/tree/lib/modules" ] || { mkdir -p "$work/tree/lib" && mv "$work/tree/usr/lib/modules" "$work/tree/lib/modules"; }
  # Debian's names for kmod are absolute links, which mean nothing in here.
  for file in "$work/tree/bin" "$work/tree/usr/bin"; do
    [ -x "$file/kmod" ] && ln -sf kmod "$file/modprobe" && ln -sf kmod "$file/depmod"
  done
  with_tree "$work/tree" depmod -b "$work/tree" "$kernel"
  cp "$work/tree/bin/busybox" "$work/first/bin/" 2>/dev/null || cp "$work/tree/usr/bin/busybox" "$work/first/bin/"
  for module in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
    with_tree "$work/tree" modprobe -d "$work/tree" -S "$kernel" --show-depends "$module"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
    module=$(basename "${file%.xz}")
    case $file in *.xz) "$work/first/bin/busybox" xzcat "$file" ;; *) cat "$file" ;; esac >"$work/first/modules/$module"
    echo "$module" >>"$work/first/modules/order"
  done
  first_process >"$work/first/init"
  chmod +x "$work/first/init"
  (cd "$work/first" && find . | bin/busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/tree/first.gz"
  cp "$work/first/bin/busybox" "$work/tree/busybox"
  echo "$kernel" >"$work/tree/kernel"
  cksum <"$0" >"$work/tree/made-by"
  mv "$work/tree" "$tree"
  rm -rf "$work"
}

# Runs a program that may be the host's or an unpacked one, with the unpacked libraries behind the host's.
with_tree() {
  local top=$1
  shift
  tree_environment "$top"
  env "${environment[@]}" "$@"
}

tree_environment() {
  local libraries=x86_64-linux-gnu
  environment=(
    "PATH=$PATH:/usr/sbin:/sbin:$1/usr/bin:$1/usr/sbin:$1/bin:$1/sbin"
    "LD_LIBRARY_PATH=$1/usr/lib/$libraries:$1/lib/$libraries:$1/usr/lib/$libraries/pulseaudio"
  )
}

# The guest's first process: mounts the shared folders, lays the overlay, hands over to the second stage.
first_process() {
  cat <<'END'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /below /above /root /share
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "/modules/$module" || echo "cannot load $module"; done </modules/order
nine=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o $nine,ro,cache=loose host /below || echo 'cannot mount the host'
mount -t tmpfs -o size=75% tmpfs /above
mkdir /above/upper /above/work
mount -t overlay -o lowerdir=/below,upperdir=/above/upper,workdir=/above/work overlay /root
mount -t 9p -o $nine,rw,cache=none share /share
for folder in proc sys dev; do mount --move /$folder /root/$folder; done
mkdir -p /root/dev/pts /root/dev/shm
mount -t devpts -o ptmxmode=666 devpts /root/dev/pts
mount -t tmpfs -o mode=1777 tmpfs /root/dev/shm
# Names that a device manager would make.
ln -s /proc/self/fd /root/dev/fd
for pair in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/${pair%:*} /root/dev/${pair#*:}; done
mount -t tmpfs -o mode=755 tmpfs /root/run
mkdir -p /root/run/vm
mount --move /share /root/run/vm
exec switch_root /root /bin/bash /run/vm/second
END
}

# The guest's second stage, already in the host's file system; stays the first process to its end.
second_stage() {
  cat <<END
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mkdir -p /lib/modules && mount --bind '$tree/lib/modules' /lib/modules
mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname vm
'$tree/busybox' ip link set lo up
# The kernel calls /sbin/modprobe when a first use needs a module; where the host has none, ours stands there.
if [ ! -x /sbin/modprobe ]; then
  cat >/sbin/modprobe <<'WRAP'
#!/bin/sh
PATH='$tree/bin:$tree/usr/bin' LD_LIBRARY_PATH='$tree/usr/lib/x86_64-linux-gnu:$tree/lib/x86_64-linux-gnu' exec modprobe "\$@"
WRAP
  chmod +x /sbin/modprobe
fi
for module in ${VM_MODULES-wireguard}; do /sbin/modprobe "\$module"; done
. /run/vm/environment
export OUT=/run/vm/out
cd "\$(cat /run/vm/folder)" 2>/dev/null || cd /
ports=(/dev/vport*p1 /dev/vport*p2)
# Shells of its own: the command may leave background processes or a broken shell behind.
bash /run/vm/command </dev/null >"\${ports[0]}" 2>"\${ports[1]}"
echo \$? >/run/vm/status
sync
'$tree/busybox' poweroff -f
END
}

[ $# = 1 ] || { sed -n '2,/^set -u/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 64; }

# What another version of this script made is made afresh.
ready() { [ -s "$tree/kernel" ] && [ "$(cat "$tree/made-by" 2>/dev/null)" = "$(cksum <"$0")" ]; }

if ! ready; then
  mkdir -p "$cache" || exit 69
  exec 9>"$cache/lock"
  # Somebody else may be fetching the same thing right now.
  flock 9 2>/dev/null
  if ! ready; then
    (prepare)
    status=$?
    [ $status = 0 ] || { rm -rf "$cache"/work.*; [ $status = 69 ] || say 'cannot prepare the virtual machine'; exit 69; }
  fi
  exec 9>&-
fi
kernel=$(cat "$tree/kernel")

share=$(mktemp -d) || exit 125
helpers=()
finish() {
  [ ${#helpers[@]} = 0 ] || kill "${helpers[@]}" 2>/dev/null
  rm -rf "$share"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir "$share/out"
printf '%s\n' "$1" >"$share/command"
pwd >"$share/folder"
export -p | grep -E '^declare -x (PATH|HOME|LANG|REQUIRE|NO_COLOR|STUNMESH_[A-Z0-9_]*|VM_ENV_[A-Z0-9_]*)=' >"$share/environment"
second_stage >"$share/second"
mkfifo "$share/stdout" "$share/stderr"
cat "$share/stdout" &
helpers+=($!)
cat "$share/stderr" >&2 &
helpers+=($!)

console=${VM_CONSOLE:-$share/console}
firmware=()
for folder in "$tree/usr/share/qemu" "$tree/usr/share/seabios" /usr/share/seabios; do [ -d "$folder" ] && firmware+=(-L "$folder"); done
accel=${VM_ACCEL:-tcg}
[ "$accel" = tcg ] && accel=tcg,thread=multi
tree_environment "$tree"
# Started plainly, not by a function: the process that is signalled has to be timeout itself, which passes the signal on.
env "${environment[@]}" timeout --foreground -k 5 "${VM_TIMEOUT:-300}" qemu-system-x86_64 "${firmware[@]}" \
  -machine q35 -accel "$accel" -cpu max -smp "${VM_CPUS:-2}" -m "${VM_MEMORY:-1024}" \
  -nodefaults -no-user-config -display none -no-reboot -serial "file:$console" -device virtio-rng-pci \
  -kernel "$tree/boot/vmlinuz-$kernel" -initrd "$tree/first.gz" \
  -append 'console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable random.trust_cpu=on' \
  -fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap -device virtio-9p-pci,fsdev=host,mount_tag=host \
  -fsdev "local,id=share,path=$share,security_model=none" -device virtio-9p-pci,fsdev=share,mount_tag=share \
  -device virtio-serial-pci \
  -chardev "file,id=stdout,path=$share/stdout" -device virtserialport,chardev=stdout,nr=1 \
  -chardev "file,id=stderr,path=$share/stderr" -device virtserialport,chardev=stderr,nr=2 </dev/null &
machine=$!
helpers+=("$machine")
wait "$machine"
ended=$?

if [ -n "${VM_OUT:-}" ]; then mkdir -p "$VM_OUT" && cp -a "$share/out/." "$VM_OUT/"; fi
if [ -s "$share/status" ]; then
  # qemu has closed its ends of the pipes: both readers come to their end by themselves.
  wait "${helpers[0]}" "${helpers[1]}"
  exit "$(cat "$share/status")"
fi
if [ "$ended" = 124 ] || [ "$ended" = 137 ]; then
  say "out of time (VM_TIMEOUT=${VM_TIMEOUT:-300})"
  exit 124
fi
say "the guest ended without a status (qemu: $ended); its console:"
tail -20 "$console" >&2
exit 125
