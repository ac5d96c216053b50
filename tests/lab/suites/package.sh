#!/bin/bash
# kernel: debian
# limit: 300
# takes: 30
# The Debian package: installed with dpkg on an overlay of this machine's tree, and its unit as systemd judges it.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
needs dpkg systemd-analyze
installed=$LAB_DIR/installed

# An overlay of this machine's tree in memory, for nothing of it may stay.
overlay() {
  local memory=$LAB_DIR/memory
  mkdir -p "$installed" "$memory"
  modprobe -q overlay || true
  mount -t tmpfs memory "$memory"
  mkdir "$memory/upper" "$memory/work"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$memory/upper,workdir=$memory/work" "$installed"
  mount -t proc proc "$installed/proc"
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

package_is_installed() {
  chroot "$installed" dpkg -i "$IRONFLEX_PACKAGE"
  chroot "$installed" getent passwd ironflex
  assert_equal "750 ironflex ironflex" "$(chroot "$installed" stat -c '%a %U %G' /etc/ironflex)" "the configuration's folder"
  # The manual's pages and the shells' completions are there, and say something.
  [ -n "$(chroot "$installed" gzip -dc /usr/share/man/man7/ironflex-commands.7.gz | grep 'show crypto session')" ] ||
    fail "the manual lacks the commands"
  bash -n "$installed/usr/share/bash-completion/completions/ironflex"
  assert_equal "ironflex $(dpkg-deb -f "$IRONFLEX_PACKAGE" Version)" "$(chroot "$installed" ironflex --version)" "the program installed"
}

unit_is_sound() {
  chroot "$installed" systemd-analyze verify --man=no ironflex.service
  # 3.0 of 10, the exposure that systemd calls OK, is not to be exceeded.
  chroot "$installed" systemd-analyze security --offline=yes --threshold=30 --no-pager ironflex.service >"$LAB_DIR/security"
  tell "$(tail -n 1 "$LAB_DIR/security" | tr -cd '[:print:]')"
}

# Until the suite's end, whatever becomes of its cases.
defer umount -R "$LAB_DIR/memory" "$installed"
overlay
small_database
lab_case package-is-installed package_is_installed
lab_case unit-is-sound unit_is_sound
