#!/bin/sh
# Prepares .venv: a supported Python, the pinned packages, the dbt packages.
# Does nothing when that has been done for the present pyproject.toml and requirements.lock.
# PYTHON=<command or path> chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

versions="3.10, 3.11 or 3.12"
is_supported='import ensurepip, sys, venv
sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'
version='import sys; print("%d.%d.%d" % sys.version_info[:3])'

usable() {
    "$1" -c "$is_supported" >/dev/null 2>&1
}

# An environment copied from another folder still points there.
is_ours() {
    grep -qsF "$PWD/.venv" .venv/bin/activate
}

find_python() {
    for candidate in python3.12 python3.11 python3.10 python3 python \
        "$HOME"/.pyenv/versions/3.1[012].*/bin/python; do
        if usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

if [ -n "${PYTHON:-}" ]; then
    usable "$PYTHON" || {
        echo "setup: PYTHON=$PYTHON cannot be used: it must be Python $versions, with venv" >&2
        exit 1
    }
    python=$PYTHON
elif is_ours && usable .venv/bin/python; then
    python=.venv/bin/python
else
    python=$(find_python)
    [ -n "$python" ] || {
        echo "setup: no supported Python found: install $versions (with venv)" \
            "or name it, as in: make build PYTHON=/path/to/python3.12" >&2
        exit 1
    }
fi

wanted="$("$python" -c "$version") $(cat pyproject.toml requirements.lock | cksum)"
if is_ours && [ -f .venv/installed ] && [ "$(cat .venv/installed)" = "$wanted" ]; then
    exec .venv/bin/python scripts/install_dbt_packages.py --if-missing
fi

start=$(date +%s)
if [ "$python" != .venv/bin/python ]; then
    echo "setup: creating .venv with Python $("$python" -c "$version")"
    "$python" -m venv --clear .venv
fi
rm -f .venv/installed

echo "setup: installing the pinned packages (a few minutes, once; log in .venv/install.log)"
.venv/bin/python -m pip --disable-pip-version-check --no-input install --progress-bar off \
    --use-pep517 --constraint requirements.lock --editable '.[dev]' >.venv/install.log 2>&1 &
pip=$!
seconds=0
while kill -0 "$pip" 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    if [ $((seconds % 15)) -eq 0 ]; then
        step=$(grep -E "^ *(Collect|Download|Build|Install|Running)" .venv/install.log | tail -n 1)
        echo "setup: $seconds s: $(echo "$step" | sed 's/^ *//' | cut -c 1-70)"
    fi
done
wait "$pip" || {
    echo "setup: the installation failed:" >&2
    tail -n 15 .venv/install.log >&2
    exit 1
}
.venv/bin/python scripts/install_dbt_packages.py
echo "$wanted" >.venv/installed
echo "setup: done in $(($(date +%s) - start)) s"
