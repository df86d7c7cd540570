#!/bin/sh
# Two third-party KIS clients, unmodified, each in an environment of its own, against the stand-alone simulator.
# Usage: tests/conformance/run.sh [PYTHON]; PYTHON is the project's (default .venv/bin/python).
set -eu
cd "$(dirname "$0")/../.."
python="${1:-.venv/bin/python}"
home="${CONFORMANCE_HOME:-build/conformance}"

environment() { # NAME REQUIREMENT...
    name="$1"
    shift
    if [ ! -f "$home/$name/ready" ]; then
        "$python" -m venv "$home/$name"
        "$home/$name/bin/pip" install --quiet --disable-pip-version-check "$@"
        : > "$home/$name/ready"
    fi
}

# python-kis imports typing_extensions without naming it as a dependency.
environment python-kis "python-kis==2.1.6" typing_extensions
environment kis-trader "kis-trader==0.12.2"

drive() { # EPOCH ENVIRONMENT DRIVER KIND
    echo "== $2 $4 (wire epoch $1)"
    PYTHONPATH=. "$python" tests/conformance/serve.py "$1" 10 "$home/$2/bin/python" "tests/conformance/$3" "$4"
}

drive 2024 python-kis drive_python_kis.py real
drive 2024 python-kis drive_python_kis.py virtual
drive 2026-09 kis-trader drive_kis_trader.py real
drive 2026-09 kis-trader drive_kis_trader.py paper
echo "conformance: ok"
