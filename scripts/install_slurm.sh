#!/bin/sh
# Installs SLURM for make test-cluster, where that can be done: on Debian, as root. Elsewhere the tests of SLURM are
# skipped, with the reason. The services that the packages bring are not started.
if command -v slurmctld >/dev/null || [ -x /usr/sbin/slurmctld ]; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "SLURM is not installed, and this is not root on Debian: its tests will be skipped."
    exit 0
fi
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge ||
    echo "SLURM could not be installed: its tests will be skipped."
