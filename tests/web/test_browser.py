"""The console in a real browser: live prices, a ticket buy, portfolio, heat map with hover, bot stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.events import BotStarted
from tests.bot.fakes import NOW, FakeOrders, FakeTrader
from tests.web.conftest import Opener, Site

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, DESKTOP = {"width": 375, "height": 812}, {"width": 1280, "height": 800}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium here"),
]


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    playwright = pytest.importorskip("playwright.async_api")
    async with playwright.async_playwright() as tool:
        found = await tool.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield found
        await found.close()


@pytest.fixture
async def site(open_site: Opener, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr("bot.web.prices.BROADCAST_SECONDS", 0.3)
    monkeypatch.setattr("bot.web.prices.WATCH_SECONDS", 0.3)
    return await open_site()


async def open_page(browser: Any, site: Site, size: dict[str, int]) -> tuple[Any, list[str]]:
    page = await browser.new_page(viewport=size)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: troubles.append(request.url) if site.host not in request.url else None)
    await page.goto(site.front.login_link())
    await page.wait_for_selector("#cards li .text")
    assert "#" not in page.url, "the code stays neither in the address nor in the history"
    return page, troubles


async def say(page: Any, line: str, expected: str) -> None:
    await page.fill("#line", line)
    await page.press("#line", "Enter")
    await page.locator("#cards li", has_text=expected).last.wait_for()


async def test_a_phone_user_trades_from_the_console(browser: Any, site: Site) -> None:
    page, troubles = await open_page(browser, site, PHONE)
    orders, trader = site.services.orders, site.services.trader
    assert isinstance(orders, FakeOrders)
    assert isinstance(trader, FakeTrader)

    # Live prices.
    await page.click("[data-to=market]")
    await page.locator("#stocks tr", has_text="삼성전자").first.wait_for()
    await page.locator("#stocks td", has_text="71,900").first.wait_for()
    await page.fill("#search", "ㅇㅋㅍㄹ")
    await page.locator("#stocks th", has_text="247540").wait_for()

    # A ticket, previewed and confirmed.
    await page.click("[data-to=talk]")
    await say(page, "매수 삼성전자 10 71900", "60초 안에 확인하세요")
    await page.locator("#cards button", has_text="매수 확정").click()
    await page.locator("#cards li", has_text="접수").wait_for()
    assert [(o.code, o.quantity, o.price) for o in orders.sent] == [("005930", 10, 71_900)]
    assert await page.locator("#cards button", has_text="매수 확정").count() == 0

    # A form: quantity by hand.
    await say(page, "주문 삼성전자", "주문표")
    await page.locator("#cards button", has_text="수량 입력").first.click()
    await page.locator("#form-dialog input").fill("7")
    await page.locator("#form-dialog button[value=ok]").click()
    await page.locator("#cards li", has_text="7주").wait_for()

    # The account, with its heat map.
    await page.click("[data-to=account]")
    await page.locator("#totals", has_text="15,700,000원").wait_for()
    await page.locator("#holdings", has_text="에코프로비엠").wait_for()
    await page.locator("#heatmap .cell").first.wait_for()

    # Bot start and stop.
    await page.locator("#account button", has_text="봇시작").click()
    await page.locator("#cards li", has_text="시작했습니다").wait_for()
    await page.click("[data-to=account]")
    await page.locator("#account button", has_text="봇중지").click()
    await page.locator("#cards li", has_text="자동매매를 멈췄습니다").wait_for()
    assert [call.split()[0] for call in trader.calls] == ["start", "stop"]

    # Alerts.
    site.services.events.publish(BotStarted(at=NOW, by="다른 사람"))
    await page.click("[data-to=feed]")
    await page.locator("#events li", has_text="다른 사람").wait_for()

    for name in ("talk", "market", "account", "backtest", "feed"):
        await page.click(f"[data-to={name}]")
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
    assert troubles == []


async def test_a_desktop_user_sees_everything_at_once(browser: Any, site: Site) -> None:
    page, troubles = await open_page(browser, site, DESKTOP)
    await page.locator("#indices li", has_text="코스피200").wait_for()
    await page.locator("#stocks td", has_text="71,900").first.wait_for()

    # The heat map tells more on hover and on focus.
    await page.locator("[data-scope=market]").click()
    cell = page.locator("#heatmap .cell[aria-label*='에코프로비엠']")
    await cell.hover()
    await page.locator("#tip", has_text="이차전지 · 에코프로비엠").wait_for()
    await page.mouse.move(5, 5)
    await cell.focus()
    await page.locator("#tip", has_text="섹터 2종목").wait_for()

    # Backtest.
    await page.locator("#backtest-form button[type=submit]").click()
    await page.locator("#backtest-result", has_text="+12.00%").wait_for()

    # Suggestions by keyboard alone.
    await page.fill("#line", "")
    await page.locator("#line").press_sequentially("차트 ㅅㅅㅈㅈ")
    await page.locator("#suggestions li", has_text="삼성전자 (005930)").wait_for()
    await page.press("#line", "ArrowDown")
    await page.press("#line", "Enter")
    assert (await page.input_value("#line")).startswith("차트 005930")
    await page.press("#line", "Escape")
    await page.press("#line", "Enter")
    await page.locator("#cards img").wait_for()
    assert await page.locator("#cards img").first.get_attribute("alt")

    # A day report, and a reload that stays logged in.
    await page.locator("#quick button", has_text="리포트").click()
    await page.locator("#cards li", has_text="시장은 올랐습니다").wait_for()
    await page.reload()
    await page.locator("#totals", has_text="15,700,000원").wait_for()
    assert troubles == []


async def test_without_a_link_the_page_says_what_to_do(browser: Any, site: Site) -> None:
    page = await browser.new_page(viewport=PHONE)
    await page.goto(site.address)
    await page.locator("#login", has_text="로그인 링크가 필요합니다").wait_for()
    assert await page.locator("#ask").is_hidden()
    used = site.front.login_link()
    first = await browser.new_page()
    await first.goto(used)
    await first.wait_for_selector("#cards li .text")
    fresh = await (await browser.new_context()).new_page()
    await fresh.goto(used)
    await fresh.locator("#login-why", has_text="이미 쓰였거나").wait_for()
