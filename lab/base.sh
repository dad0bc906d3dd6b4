# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The base: one Debian tree, made once by mmdebstrap from the machine's own package sources, on which every
# host's root is an overlay. It lies in the cache, outside the checkout and outside the lab's folder, under
# a name that is the digest of what it is made from; so a changed package list makes another one.

# The packages of a host, one a line.
base_packages() {
    sed -e 's/#.*//' -e 's/[[:space:]]//g' "$PACKAGES/host" "$PACKAGES/lab-host" | sed '/^$/d' | sort -u
}

# Where the base lies, made or not.
base_folder() {
    local digest
    digest=$(base_recipe | sha256sum)
    echo "$CACHE/base-${digest:0:16}"
}

# All that decides what the base becomes.
base_recipe() {
    base_codename
    base_packages
    echo "${BASE_OPTIONS[@]}"
    declare -f base_settle
    tar -c -C "$HERE/root" --sort=name --mtime=@0 --owner=0 --group=0 --mode=a+rX .
}

base_codename() {
    (. /etc/os-release && echo "$VERSION_CODENAME")
}

# The machine's own source files that offer its own release.
base_sources() {
    local file
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ -r "$file" ] || continue
        awk -v suite="$(base_codename)" '
            /^(deb|Suites:)[ \t]/ { for (i = 2; i <= NF; i++) if ($i == suite) found = 1 }
            END { exit !found }' "$file" && echo "$file"
    done
}

# How this machine reaches its packages (proxies, date checks), as mmdebstrap options.
base_apt_options() {
    apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries|ForceIPv)' | grep -v '""' |
        sed 's/^/--aptopt=/'
}

# What a server in a rack has no use for in the tree, and what makes its making slow.
# shellcheck disable=SC2054 # the commas belong to the options
BASE_OPTIONS=(
    --mode=root --variant=minbase --format=directory
    --aptopt='Acquire::Languages "none"'
    --dpkgopt=force-unsafe-io
    --dpkgopt=path-exclude=/usr/share/doc/*
    --dpkgopt=path-exclude=/usr/share/man/*
    --dpkgopt=path-exclude=/usr/share/info/*
    --dpkgopt=path-exclude=/usr/share/locale/*
    --dpkgopt=path-exclude=/usr/share/lintian/*
    --skip=cleanup/apt,cleanup/reproducible
)

base_make() {
    local folder=$1 options sources
    mapfile -t options < <(base_apt_options)
    mapfile -t sources < <(base_sources)
    mkdir -p "$CACHE"
    rm -rf --one-file-system "$folder.part"
    say "making the hosts' base in $folder (minutes, only once)"
    mmdebstrap --quiet "${BASE_OPTIONS[@]}" "${options[@]}" --include="$(base_packages | paste -sd,)" \
        "$(base_codename)" "$folder.part" "${sources[@]}" </dev/null >"$folder.log" 2>&1 ||
        die "the base was not made; see $folder.log"
    base_settle "$folder.part"
    mv "$folder.part" "$folder"
    base_prune "$folder"
}

# What every host has in common, put into the tree once.
base_settle() {
    local root=$1
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/etc/apt/sources.list* \
        "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/ssh/ssh_host_* "$root"/etc/resolv.conf
    : >"$root/etc/machine-id"
    rm -f "$root/var/lib/dbus/machine-id"
    mkdir -p "$root/var/log/journal" "$root/etc/quoin"
    cp -R "$HERE/root/." "$root/"
    # The hosts share this machine's DMI tables, so libvirt must tell them apart by another number.
    sed -i 's/^#host_uuid_source = .*/host_uuid_source = "machine-id"/' "$root/etc/libvirt/libvirtd.conf"
    systemctl --root="$root" enable ssh.service systemd-networkd.service libvirtd.socket >/dev/null 2>&1
    # Without a console, a clock, modules, a udev or a way out these could only fail or wait.
    systemctl --root="$root" mask console-getty.service getty.target apt-daily.timer \
        apt-daily-upgrade.timer systemd-networkd-wait-online.service systemd-timesyncd.service \
        e2scrub_all.timer e2scrub_reap.service fstrim.timer \
        systemd-udevd.service nvmf-autoconnect.service >/dev/null 2>&1
}

# Older bases go, but for one that a host, or another overlay, stands on.
base_prune() {
    local keep=$1 other
    for other in "$CACHE"/base-????????????????; do
        [ "$other" = "$keep" ] || grep -qsxF "$other" "$LAB"/hosts/*/base ||
            grep -qsF "lowerdir=$other," /proc/mounts ||
            rm -rf --one-file-system "$other" "$other.log"
    done
}

base_ensure() {
    local folder
    folder=$(base_folder)
    [ -d "$folder" ] || base_make "$folder"
}
