#!/bin/sh
# Prepares .venv: a supported Python, the pinned packages, the dbt packages.
# Usage: scripts/setup.sh [dev] [docs] [databricks] [export] [learn] [spark]
# What a build on the embedded engine needs is always installed; dev adds the tools of make test and
# make lint, docs what reads the lineage of columns, databricks its dbt adapter, export what writes
# other formats, learn the tree model, and spark, where there is Java, Apache Spark.
# Does nothing when that has been done for the present pyproject.toml and requirements.lock.
# PYTHON=<command or path> chooses the interpreter.
set -eu
# The real folder: a symbolic link to it must not look like another one.
cd -P "$(dirname "$0")/.."

versions="3.10, 3.11, 3.12 or 3.13"
is_supported='import ensurepip, sys, venv
sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'
version='import sys; print("%d.%d.%d" % sys.version_info[:3])'

usable() {
    "$1" -c "$is_supported" >/dev/null 2>&1
}

# An environment copied from another folder still points there; one with this file has another
# layout, in which Apache Spark lies among the packages.
is_ours() {
    grep -qsF "$PWD/.venv" .venv/bin/activate && [ ! -e .venv/installed ]
}

find_python() {
    for candidate in python3.13 python3.12 python3.11 python3.10 python3 python \
        "$HOME"/.pyenv/versions/3.1[0123].*/bin/python; do
        if usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

has_java() {
    command -v java || [ -x "${JAVA_HOME:+$JAVA_HOME/bin/java}" ]
}

if [ -n "${PYTHON:-}" ]; then
    usable "$PYTHON" || {
        echo "setup: PYTHON=$PYTHON cannot be used: it must be Python $versions, with venv" \
            "(3.14 needs dbt-core 1.12, which fetches its parser from the web)" >&2
        exit 1
    }
    python=$PYTHON
elif is_ours && usable .venv/bin/python; then
    python=.venv/bin/python
else
    python=$(find_python)
    [ -n "$python" ] || {
        echo "setup: no supported Python found: install $versions (with venv)" \
            "or name it, as in: make build PYTHON=/path/to/python3.12" \
            "(3.14 needs dbt-core 1.12, which fetches its parser from the web)" >&2
        exit 1
    }
fi

wanted="$("$python" -c "$version") $(cat pyproject.toml requirements.lock | cksum)"

is_installed() {
    [ "$(cat ".venv/installed-$1" 2>/dev/null)" = "$wanted" ]
}

missing=
for part in base "$@"; do
    case $part in
    base | dev | docs | databricks | export | learn) ;;
    spark) has_java >/dev/null || continue ;;
    *)
        echo "setup: got $part, allowed: dev, docs, databricks, export, learn, spark" >&2
        exit 1
        ;;
    esac
    is_ours && is_installed "$part" || missing="$missing $part"
done
if [ -z "$missing" ]; then
    exec .venv/bin/python scripts/install_dbt_packages.py --if-missing
fi

start=$(date +%s)
if ! is_ours || [ "$("$python" -c "$version")" != "$(.venv/bin/python -c "$version" 2>&1)" ]; then
    echo "setup: creating .venv with Python $("$python" -c "$version")"
    "$python" -m venv --clear .venv
fi

# Nothing is compiled ahead: Python compiles what it imports, a fraction of what is installed.
# requirements.lock has no hashes: with any, pip refuses the project itself, which is a folder.
install() {
    .venv/bin/python -m pip --disable-pip-version-check --no-input install --progress-bar off \
        --no-compile --use-pep517 --constraint requirements.lock "$@" >.venv/install.log 2>&1 &
    pip=$!
    trap 'kill "$pip"; exit 130' INT
    trap 'kill "$pip"; exit 143' TERM
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
    trap - INT TERM
}

extras=
for part in $missing; do
    rm -f ".venv/installed-$part"
    [ "$part" = spark ] || extras="$extras,$part"
done
if [ -n "$extras" ]; then
    echo "setup: installing pinned packages:$missing (a minute or two, once; log in .venv/install.log)"
    extras=$(echo "$extras" | sed 's/,base//; s/^,//')
    install --editable ".${extras:+[$extras]}"
fi
case $missing in
*spark*)
    # Beside the packages, not among them: it brings another pyspark than that of its client.
    echo "setup: installing Apache Spark into .venv/spark (450 MB, a minute or two, once)"
    rm -rf .venv/spark
    install --no-deps --target .venv/spark pyspark py4j
    ;;
esac
case $missing in
*base*) .venv/bin/python scripts/install_dbt_packages.py ;;
*) .venv/bin/python scripts/install_dbt_packages.py --if-missing ;;
esac
for part in $missing; do
    echo "$wanted" >".venv/installed-$part"
done
echo "setup: done in $(($(date +%s) - start)) s"
