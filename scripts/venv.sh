# Sourced by scripts/run and scripts/test: makes .venv beside this folder and keeps it up to date.

say() { printf '%s\n' "$*" >&2; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv

# Prints the first Python from 3.10 to 3.13 that starts and can make environments; PYTHON names one to prefer.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.12 python3.11 python3.13 python3.10 python; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
            >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    say "dreamlab needs Python 3.10 to 3.13 with the venv module, and found none (python3 is" \
        "$(python3 --version 2>&1 || true)). On Debian or Ubuntu: apt-get install python3-venv"
    return 1
}

# A fingerprint of everything that an install depends on.
fingerprint() {
    {
        printf '%s\n' "$1"
        cat "$root/pyproject.toml" "$root/constraints.txt" "$root/setup.py"
        if [ -d "$root/dreamlab/ops/csrc" ]; then
            find "$root/dreamlab/ops/csrc" -type f -print0 | sort -z | xargs -0 -r cat
        fi
    } | cksum
}

# ensure_venv EXTRAS: EXTRAS is "" or a list such as "dev".
ensure_venv() {
    local extras=$1 stamp=$venv/.installed-${1:-base} python wanted
    if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
        python=$(find_python) || return 1
        say "making $venv with $("$python" --version)"
        "$python" -m venv --clear "$venv" || return 1
    fi
    wanted=$(fingerprint "$extras")
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return 0
    fi
    say "installing dreamlab${extras:+ with its $extras tools} (the first time this takes some minutes)"
    rm -f "$venv"/.installed-*
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --constraint "$root/constraints.txt" --editable "$root${extras:+[$extras]}" >&2 || {
        say "the install failed: see the lines above"
        return 1
    }
    printf '%s\n' "$wanted" >"$stamp"
}
