#!/bin/sh
# Tests WebSocket conformance: runs the Autobahn suite 0.8.2 against both ends of our transports, 301 cases each
# (without compression, which is not offered). Fails if a case fails.
#
# The suite needs Python 2.7 and is installed from PyPI into target/autobahn. Without Python 2.7 the script
# says so, counts the cases as skipped, and succeeds.
#
#   tests/autobahn/run.sh            both ends
#   PYTHON27=/path/to/python2.7 tests/autobahn/run.sh
set -eu
cd "$(dirname "$0")/../.."
work=$PWD/target/autobahn
mkdir -p "$work"

# Python 2.7: the one in PYTHON27, on the PATH, or of pyenv.
python=
for candidate in "${PYTHON27:-python2.7}" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python; do
    # pyenv puts shims on the PATH that only report a missing version.
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "autobahn: there is no Python 2.7 here"
    echo "0 passed, 0 failed, 602 skipped"
    exit 0
fi

site=$work/site
if [ ! -d "$site/autobahntestsuite" ]; then
    echo "autobahn: installing the suite into $site"
    if ! "$python" -m pip install --quiet --disable-pip-version-check --no-warn-conflicts \
        --target "$site" autobahntestsuite==0.8.2 >"$work/pip.log" 2>&1; then
        tail -n 5 "$work/pip.log" >&2
        rm -rf "$site"
        echo "autobahn: the suite cannot be installed"
        echo "0 passed, 0 failed, 602 skipped"
        exit 0
    fi
fi

# The suite's program, which treats its directory as a site directory (it has .pth files). It is a file, so that
# the script can end its process directly.
cat >"$work/wstest.py" <<'PY'
import site, sys
site.addsitedir(sys.argv.pop(1))
from autobahntestsuite.wstest import run
run()
PY

# Prints how many cases passed and the names of those that failed; the reports stay in target/autobahn.
judge() {
    "$python" - "$work/$1/index.json" "$1" <<'PY'
import json, sys
cases = [case for agent in json.load(open(sys.argv[1])).values() for case in agent.items()]
fine = ('OK', 'NON-STRICT', 'INFORMATIONAL', 'UNIMPLEMENTED')
failed = sorted(name for name, case in cases
                if case['behavior'] not in fine or case['behaviorClose'] not in fine)
strict = sum(case['behavior'] == 'OK' for _, case in cases)
print('%d passed, %d failed: autobahn against the %s, %d strictly as wanted %s'
      % (len(cases) - len(failed), len(failed), sys.argv[2], strict, ' '.join(failed)))
sys.exit(bool(failed) or len(cases) != 301)
PY
}

cargo build --quiet --examples
examples=${CARGO_TARGET_DIR:-target}/debug/examples
status=0

# Our server with the suite as client.
"$examples/autobahn_server" >"$work/port" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
while [ ! -s "$work/port" ]; do sleep 0.1; done
cat >"$work/client.json" <<JSON
{"outdir": "$work/daemon", "cases": ["*"], "exclude-cases": ["12.*", "13.*"],
 "servers": [{"agent": "jet", "url": "ws://127.0.0.1:$(cat "$work/port")"}]}
JSON
"$python" -W ignore "$work/wstest.py" "$site" -m fuzzingclient -s "$work/client.json" >"$work/daemon.log" 2>&1 ||
    { tail "$work/daemon.log" >&2; status=1; }
kill "$server"
judge daemon || status=1

# Our client with the suite as server.
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/server.json" <<JSON
{"outdir": "$work/peer", "cases": ["*"], "exclude-cases": ["12.*", "13.*"],
 "url": "ws://127.0.0.1:$port"}
JSON
"$python" -W ignore "$work/wstest.py" "$site" -m fuzzingserver -w 0 -s "$work/server.json" >"$work/peer.log" 2>&1 &
server=$!
tries=0
until "$python" -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ]; then tail "$work/peer.log" >&2; exit 1; fi
    sleep 0.2
done
"$examples/autobahn_client" "ws://127.0.0.1:$port" || status=1
kill "$server"
judge peer || status=1
exit "$status"
