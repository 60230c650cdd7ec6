#!/bin/bash
# Runs a command in the folder of a system, in namespaces of its own, which the caller has made: whatever is mounted or
# runs here is gone with them. This shell is the first process, so it takes care of orphans as an init does.
#   inside.sh FOLDER PYTHON exec|noexec VARIABLE=VALUE... COMMAND...
set -e
root=$1 python=$2 tmp=$3
shift 3

# A root that is a mount, as any machine's is: else nothing inside could make namespaces for mounts of its own.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0 1 2; do
    name=$(echo stdin stdout stderr | cut -d ' ' -f $((number + 1)))
    ln -s "/proc/self/fd/$number" "$root/dev/$name"
done
if [ "$tmp" = noexec ]; then
    mount --bind "$root/tmp" "$root/tmp"
    mount -o remount,bind,noexec,nosuid,nodev "$root/tmp"
fi

# Up already, unless the network is one of this command's own.
"$python" -I -c '
import fcntl, socket, struct
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING
'
chroot "$root" /usr/bin/env -i "$@"
