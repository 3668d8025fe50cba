#!/bin/sh
# setup.sh build|demo|bench|man|test - installs the Debian packages that are missing for that.
#
# Quick and silent when nothing is missing. Services that come with packages are not started.
# Without root and without sudo it prints the command for an administrator and stops.
set -u

here=$(dirname "$0")
kind=${1-}
policy=/usr/sbin/policy-rc.d
mark='# written by greenshim tools/setup.sh'

fail()
{
    echo "setup: $*" >&2
    exit 1
}

# The packages of section $1, with the sections it takes in.
packages()
{
    awk -v want="$1" '
        /^\[/ { section = substr($0, 2, length($0) - 2); next }
        /^[^#]/ { lines[section] = lines[section] " " $1 }
        function list(s,   i, n, words) {
            if (seen[s]++)
                return
            n = split(lines[s], words, " ")
            for (i = 1; i <= n; i++)
                if (words[i] ~ /^@/)
                    list(substr(words[i], 2))
                else
                    print words[i]
        }
        END { if (!(want in lines)) exit 1; list(want) }' "$here/packages"
}

# Those of the packages "$@" that are not installed, on one line.
missing()
{
    installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null |
                sed -n 's/^.i  *//p')
    for name in "$@"; do
        case "
$installed
" in
        *"
$name
"*) ;;
        *) printf '%s ' "$name" ;;
        esac
    done
}

# policy-rc.d with status 101 forbids invoke-rc.d to start services; the former file comes back.
forbid_services()
{
    if [ -e "$policy" ] && ! grep -qF "$mark" "$policy"; then
        mv "$policy" "$policy.greenshim" || exit 1
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy" && chmod 755 "$policy" || exit 1
}

restore_services()
{
    if [ -e "$policy" ] && grep -qF "$mark" "$policy"; then
        rm -f "$policy"
    fi
    if [ -e "$policy.greenshim" ]; then
        mv "$policy.greenshim" "$policy"
    fi
}

install_packages()
{
    # One set-up at a time: the second would otherwise take our policy file for the machine's own.
    exec 9>/run/lock/greenshim-setup || exit 1
    flock 9
    trap restore_services EXIT
    trap 'exit 1' INT TERM HUP
    forbid_services
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get -q -o DPkg::Lock::Timeout=600 update 9>&- || echo "setup: apt-get update failed" >&2
    apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends "$@" 9>&- ||
        fail "apt-get install failed"
}

case $kind in
build | demo | bench | man | test) ;;
--install) # as root, from below
    shift
    install_packages "$@"
    exit
    ;;
*) fail "usage: tools/setup.sh build|demo|bench|man|test" ;;
esac

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    fail "this is not Debian: install what $here/packages lists under [$kind]"

wanted=$(packages "$kind") || fail "$here/packages has no section [$kind]"
# shellcheck disable=SC2086
lacking=$(missing $wanted)
[ -n "$lacking" ] || exit 0

echo "setup: installing $lacking"
# shellcheck disable=SC2086
if [ "$(id -u)" = 0 ]; then
    "$0" --install $lacking || exit 1
elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then
    sudo "$0" --install $lacking || exit 1
else
    echo "setup: packages are missing, and this user is neither root nor may use sudo." >&2
    echo "setup: let an administrator run this, then start again:" >&2
    echo "    apt-get install --no-install-recommends ${lacking% }" >&2
    exit 1
fi

# shellcheck disable=SC2086
lacking=$(missing $wanted)
[ -z "$lacking" ] || fail "still missing: $lacking"
