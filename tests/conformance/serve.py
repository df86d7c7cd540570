"""Start ``gaemi sim`` on free ports, run one driver against it with another Python, stop it again.

Usage: serve.py EPOCH SPEED PYTHON DRIVER [ARGUMENT ...]; the driver gets SIM_REST and SIM_WS in its environment.
"""

from __future__ import annotations

import asyncio
import os
import sys

from engine.simulator.app import Addresses, Simulator
from engine.simulator.settings import WIRE_EPOCHS
from engine.simulator.standalone import StandaloneOptions, run_standalone

TIME_LIMIT_SECONDS = 240


async def main(epoch: str, speed: float, command: list[str]) -> int:
    wire_epoch = next(known for known in WIRE_EPOCHS if known == epoch)
    opened: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()

    def announce(addresses: Addresses, simulator: Simulator) -> None:
        opened.set_result(addresses)

    serving = asyncio.create_task(
        run_standalone(StandaloneOptions(port=0, speed=speed, wire_epoch=wire_epoch), announce)
    )
    await asyncio.wait({serving, opened}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
    addresses = opened.result()
    environment = os.environ | {"SIM_REST": addresses.rest_url, "SIM_WS": addresses.ws_url}
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    try:
        async with asyncio.timeout(TIME_LIMIT_SECONDS):
            return await process.wait()
    except TimeoutError:
        process.kill()
        print(f"{command[1]}: 제한 시간 {TIME_LIMIT_SECONDS}초를 넘었습니다", file=sys.stderr)
        return 1
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])))
