"""The render process: never in the way of the loop, never the end of the service."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from charts import RenderRequest
from charts import samples as one
from charts import samples_reports as many
from charts.gallery import EXHIBITS
from charts.registry import build
from charts.worker import Renderer, RenderFailed, content_digest
from engine.clock import monotonic

FAKE = (sys.executable, "-m", "tests.charts.fake_child")


def asked(name: str) -> RenderRequest:
    return RenderRequest(replace(one.order_book(), stock=replace(one.SAMSUNG, name=name)))


@pytest.fixture
async def fake() -> AsyncIterator[Renderer]:
    renderer = Renderer(command=FAKE, queue_limit=2, cache_size=2)
    await renderer.start()
    yield renderer
    await renderer.close()


async def test_the_real_child_draws_what_the_process_itself_would() -> None:
    renderer = Renderer()
    await renderer.start()
    try:
        assert renderer.process_id is not None
        child = psutil.Process(renderer.process_id)
        assert child.nice() >= 10
        for view, theme in ((one.daily_candles(), "dark"), (many.heatmap(), "light")):
            from charts.theme import theme_named

            picture = await renderer.render(RenderRequest(view, theme), timeout=30)
            assert picture == build(view, theme_named(theme)).picture()
        assert child.memory_info().rss < 300e6
    finally:
        await renderer.close()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


async def test_equal_requests_share_one_drawing_and_later_ones_the_cache(fake: Renderer) -> None:
    pictures = await asyncio.gather(*(fake.render(asked("잠깐"), timeout=10) for _ in range(8)))
    assert len({picture.png for picture in pictures}) == 1
    assert (fake.statistics.drawn, fake.statistics.shared) == (1, 7)
    await fake.render(asked("잠깐"))
    assert (fake.statistics.drawn, fake.statistics.cached) == (1, 1)


async def test_the_cache_keeps_the_last_ones(fake: Renderer) -> None:
    for name in ("가", "나", "다", "가"):
        await fake.render(asked(name))
    assert fake.statistics.drawn == 4
    await fake.render(asked("다"))
    assert fake.statistics.cached == 1


async def test_a_slow_drawing_gives_a_text_and_the_next_ones_go_on() -> None:
    renderer = Renderer(command=FAKE, draw_limit=0.5)
    await renderer.start()
    try:
        first = renderer.process_id
        with pytest.raises(RenderFailed, match="시간이 너무 걸려 글로 대신합니다"):
            await renderer.render(asked("멈춤"), timeout=0.1)
        picture = await renderer.render(asked("가"), timeout=20)
        assert picture.alt == "가"
        assert renderer.process_id != first
        assert renderer.statistics.restarts == 1
    finally:
        await renderer.close()


async def test_a_crash_costs_one_request(fake: Renderer) -> None:
    with pytest.raises(RenderFailed, match="그리지 못해 글로 대신합니다"):
        await fake.render(asked("죽음"), timeout=20)
    assert (await fake.render(asked("가"), timeout=20)).alt == "가"
    assert fake.statistics.restarts == 1


async def test_a_child_killed_while_idle_is_replaced(fake: Renderer) -> None:
    assert fake.process_id is not None
    os.kill(fake.process_id, signal.SIGKILL)
    outcomes = [await _attempt(fake, name) for name in ("가", "나")]
    assert outcomes[-1] == "나"


async def _attempt(renderer: Renderer, name: str) -> str:
    try:
        return (await renderer.render(asked(name), timeout=20)).alt
    except RenderFailed as error:
        return str(error)


async def test_an_error_in_the_drawing_is_logged_and_the_child_lives(
    fake: Renderer, caplog: pytest.LogCaptureFixture
) -> None:
    before = fake.process_id
    with caplog.at_level(logging.ERROR), pytest.raises(RenderFailed):
        await fake.render(asked("오류"))
    assert "이런 그림은 없습니다" in caplog.text
    assert (await fake.render(asked("가"))).alt == "가"
    assert fake.process_id == before


async def test_a_full_queue_refuses_at_once(fake: Renderer) -> None:
    waiting = [asyncio.create_task(fake.render(asked("잠깐"), timeout=20))]
    while fake._queue or not fake._jobs:
        await asyncio.sleep(0.01)
    waiting += [asyncio.create_task(fake.render(asked(name), timeout=20)) for name in ("나", "다")]
    while len(fake._queue) < 2:
        await asyncio.sleep(0.01)
    with pytest.raises(RenderFailed, match="밀려 있어"):
        await fake.render(asked("라"), timeout=20)
    assert [picture.alt for picture in await asyncio.gather(*waiting)] == ["잠깐", "나", "다"]
    assert fake.statistics.refused == 1


async def test_a_request_nobody_waits_for_is_not_drawn(fake: Renderer) -> None:
    busy = asyncio.create_task(fake.render(asked("잠깐"), timeout=20))
    while fake._queue or not fake._jobs:
        await asyncio.sleep(0.01)
    with pytest.raises(RenderFailed):
        await fake.render(asked("나"), timeout=0.05)
    await busy
    await fake.render(asked("다"))
    assert fake.statistics.drawn == 2


async def test_closing_tells_those_who_wait() -> None:
    renderer = Renderer(command=FAKE)
    await renderer.start()
    waiting = asyncio.create_task(renderer.render(asked("멈춤"), timeout=30))
    while not renderer._jobs:
        await asyncio.sleep(0.01)
    await renderer.close()
    with pytest.raises(RenderFailed, match="꺼져 있어"):
        await waiting
    with pytest.raises(RenderFailed, match="꺼져 있어"):
        await renderer.render(asked("가"))


@pytest.mark.parametrize("fault", ["broken", "silent"])
async def test_a_child_that_does_not_come_up_is_an_error(fault: str) -> None:
    renderer = Renderer(command=(*FAKE, fault), start_limit=1.5)
    with pytest.raises(RenderFailed):
        await renderer.start()
    assert renderer.process_id is None


async def test_the_loop_does_not_stall() -> None:
    """Longest gap between two turns of the loop while pictures with the largest inputs are drawn."""
    renderer = Renderer()
    await renderer.start()
    gaps: list[float] = []

    async def watch() -> None:
        last = monotonic()
        while True:
            await asyncio.sleep(0.001)
            now = monotonic()
            gaps.append(now - last)
            last = now

    watcher = asyncio.create_task(watch())
    try:
        for view in (many.backtest(), many.heatmap(200), one.daily_candles()):
            await renderer.render(RenderRequest(view), timeout=30)
    finally:
        watcher.cancel()
        await renderer.close()
    # Drawing in the loop would leave it a turn or two a picture; how long a turn waits is the benchmark's to say.
    assert len(gaps) > 20


def test_digests_follow_content() -> None:
    assert content_digest(one.daily_candles()) == content_digest(one.daily_candles())
    digests = {content_digest(RenderRequest(exhibit.view(), exhibit.theme)) for exhibit in EXHIBITS}
    assert len(digests) == len(EXHIBITS)
    chart = one.order_book()
    for changed in (
        replace(chart, stamp=replace(chart.stamp, at=chart.stamp.at + timedelta(seconds=1))),
        replace(chart, quote=replace(chart.quote, price=chart.quote.price + 100)),
        replace(chart, own_orders=()),
    ):
        assert content_digest(changed) != content_digest(chart)
    assert content_digest((1,)) != content_digest((1.0,))
    assert content_digest(("ab", "c")) != content_digest(("a", "bc"))
    assert content_digest({"a": 1, "b": 2}) == content_digest({"b": 2, "a": 1})
    with pytest.raises(TypeError, match="그림 입력이 될 수 없는"):
        content_digest(object())


def test_the_trading_process_loads_no_drawing_library() -> None:
    code = (
        "import sys, charts, charts.worker; "
        "sys.exit(any(name.split('.')[0] in ('matplotlib', 'squarify', 'PIL') for name in sys.modules))"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False, timeout=60).returncode == 0
