# shellcheck shell=bash
# shellcheck disable=SC2154,SC2164 # set by name; bash -e runs what changes its folder
# Sourced after lib.sh and ironflex.sh: a machine whose file tree is an overlay of this one's, in memory, so that nothing of it stays, and whose
# first process is systemd, as in a container: with process numbers, mounts and control groups of its own, in a network namespace
# that is given. It has no unit enabled, of this machine's or of Debian's, and a database of dpkg's with few packages in it.

# Makes the overlay and sets `installed` to where it is. Lives until the suite's end, whatever becomes of its cases.
machine_tree() {
  local memory=$LAB_DIR/memory units
  installed=$LAB_DIR/installed
  mkdir -p "$installed" "$memory"
  defer umount -R "$memory" "$installed"
  modprobe -q overlay || true
  mount -t tmpfs memory "$memory"
  mkdir "$memory/upper" "$memory/work"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$memory/upper,workdir=$memory/work" "$installed"
  # Of hundreds of units those that any service refers to, for every look at the others would cost.
  units=$installed/usr/lib/systemd/system
  mount -t tmpfs units "$installed/etc/systemd/system"
  mount -t tmpfs generators "$installed/usr/lib/systemd/system-generators"
  mount -t tmpfs units "$units"
  cp -a /usr/lib/systemd/system/{sysinit,basic,shutdown,umount,multi-user,local-fs,local-fs-pre,swap,sockets,timers,paths,slices}.target \
    /usr/lib/systemd/system/{network,network-pre,network-online,nss-lookup,time-set,time-sync,emergency,rescue,remote-fs,initrd-switch-root}.target \
    /usr/lib/systemd/system/systemd-journald*.{service,socket} "$units/"
  printf '[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\nAfter=systemd-journald.service\n' >"$units/lab.target"
  small_database
}

# A database of dpkg's with those packages alone that ours needs: the whole one takes minutes to read from here.
small_database() {
  local database=$LAB_DIR/database package
  mkdir -p "$database/info" "$database/updates" "$database/triggers"
  for package in libc6 libgcc-s1 systemd; do
    dpkg-query --admindir=/var/lib/dpkg -s "$package"
    echo
  done >"$database/status"
  for package in libc6:amd64 libgcc-s1:amd64 systemd; do : >"$database/info/$package.list"; done
  mount --bind "$database" "$installed/var/lib/dpkg"
}

# Starts the machine in NAMESPACE, until the suite's end; machine_boots waits for it. Before there is a journal it speaks to the kernel's log.
machine_start() { # NAMESPACE
  local groups=$LAB_DIR/groups
  mkdir "$groups"
  mount -t cgroup2 groups "$groups"
  defer umount "$groups"
  mkdir "$groups/lab-$$"
  defer find "$groups/lab-$$" -depth -type d -exec rmdir {} +
  spawn machine_parent "$LAB_DIR/machine" machine_first_process "$groups/lab-$$" "$1"
  # It heeds no TERM, which would be waited for in vain, and has nothing to save.
  defer kill -KILL "$machine_parent"
}

# A case: systemd has come up.
machine_boots() {
  evidence "$LAB_DIR/machine"
  evidence "$LAB_DIR/kernel"
  wait_for 60 "systemd" machine_is_up
}

# The control group is this process's own, so that the machine finds none but its own.
machine_first_process() { # CONTROL-GROUP NAMESPACE
  echo "$BASHPID" >"$1/cgroup.procs"
  exec "$LAB_TOOL" in "$2" unshare --mount --pid --ipc --uts --cgroup --fork --kill-child \
    bash -e -c "$(declare -f machine_init); machine_init $(printf %q "$installed")"
}

# What a container's manager does before the first process.
machine_init() { # ROOT
  cd "$1"
  mount -t tmpfs run run
  mount -t proc proc proc
  mount -t sysfs sys sys
  mount -t cgroup2 groups sys/fs/cgroup
  mount --rbind /dev dev
  mkdir run/old
  pivot_root . run/old
  umount -l /run/old
  exec env -i container=lab PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd --system --unit=lab.target --show-status=no
}

machine_is_up() {
  dmesg >"$LAB_DIR/kernel"
  in_machine systemctl --quiet is-active lab.target
}

# Runs COMMAND as root on the machine.
in_machine() { # COMMAND [ARG …]
  local first
  # The line has no end.
  { read -r first || true; } 2>/dev/null <"/proc/$machine_parent/task/$machine_parent/children"
  [ -n "$first" ] || return
  PATH=/usr/sbin:/usr/bin HOME=/root TMPDIR=/tmp nsenter -t "${first% }" -m -u -i -n -p -C -r -w "$@"
}

# Sets VARIABLE to the one process of a unit of the machine, as it is numbered here; to nothing if it has none.
unit_process() { # VARIABLE UNIT
  local lab_process=
  read -r lab_process 2>/dev/null <"$LAB_DIR/groups/lab-$$/system.slice/$2/cgroup.procs" || true
  printf -v "$1" '%s' "$lab_process"
}
