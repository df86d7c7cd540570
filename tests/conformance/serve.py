"""Start ``gaemi sim`` on a free port, run one driver against it with another Python, stop it again.

Usage: serve.py EPOCH SPEED PYTHON DRIVER [ARGUMENT ...]; the driver gets SIM_REST and SIM_WS in its environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

TIME_LIMIT_SECONDS = 240


def main(epoch: str, speed: str, command: list[str]) -> int:
    service = subprocess.Popen(
        [sys.executable, "-m", "bot", "sim", "--port", "0", "--speed", speed, "--wire-epoch", epoch, "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.stdout is not None
    try:
        line = service.stdout.readline()
        if not line:
            return service.wait() or 1  # it has said why
        opened = json.loads(line)
        environment = os.environ | {"SIM_REST": opened["rest"], "SIM_WS": opened["websocket"]}
        return subprocess.run(command, env=environment, timeout=TIME_LIMIT_SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"{command[1]}: 제한 시간 {TIME_LIMIT_SECONDS}초를 넘었습니다", file=sys.stderr)
        return 1
    finally:
        service.terminate()
        try:
            service.wait(timeout=20)
        except subprocess.TimeoutExpired:
            service.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
