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
        cat "$root/hashes.txt" 2>/dev/null || true
        if [ -d "$root/dreamlab/ops/csrc" ]; then
            find "$root/dreamlab/ops/csrc" -type f -print0 | sort -z | xargs -0 -r cat
        fi
    } | cksum
}

# Installs every package of hashes.txt, each file checked by its sha256. 0: done; 1: a file is another; 2: it cannot be
# done here (no sums are known for this system, or the index lacks a version), which is said.
install_checked() {
    local output
    if [ "${DREAMLAB_HASHES:-}" = no ]; then
        say "WARNING: DREAMLAB_HASHES=no: packages are installed by their versions, and no file is checked"
        return 2
    fi
    if [ ! -f "$root/hashes.txt" ] || [[ ! $OSTYPE =~ ^(linux|darwin) ]]; then
        say "WARNING: there are no sums for $OSTYPE in hashes.txt: packages are installed by their versions, unchecked"
        return 2
    fi
    if output=$("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --requirement "$root/hashes.txt" 2>&1); then
        say "checked by sha256: all packages but torch, whose build pip's settings choose${1:+, and those of $1}"
        return 0
    fi
    printf '%s\n' "$output" >&2
    if [[ $output == *"DO NOT MATCH THE HASHES"* ]]; then
        say "a package is not the file that was published (above). Where your index builds packages of its own," \
            "and you trust it: DREAMLAB_HASHES=no"
        return 1
    fi
    say "WARNING: packages could not be installed by their sums (above): they are installed by their versions, unchecked"
    return 2
}

# ensure_venv EXTRAS: EXTRAS is "" or a list such as "dev".
ensure_venv() {
    local extras=$1 stamp=$venv/.installed-${1:-base} python wanted checked=0 isolation=
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
    install_checked "$extras" || checked=$?
    [ "$checked" != 1 ] || return 1
    # setuptools has been checked, so the project is built with it; otherwise pip fetches one of its own
    [ "$checked" != 0 ] || isolation=--no-build-isolation
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check ${isolation:+"$isolation"} \
        --constraint "$root/constraints.txt" --editable "$root${extras:+[$extras]}" >&2 || {
        say "the install failed: see the lines above"
        return 1
    }
    printf '%s\n' "$wanted" >"$stamp"
}
