"""The real SDK against a local Gemini: the right answer, or the rules' one saying so; never an error, never a secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.analysis.gemini import GeminiModel, GeminiSettings, ModelUnavailable
from engine.analysis.model_writer import ModelWriter
from engine.analysis.quota import PROVIDER_TIME, Quota, QuotaSpent
from engine.analysis.schemas import DayWords
from engine.analysis.sentiment import RULES
from engine.results import Sentiment, Verdict
from tests.analysis.world import DAY, EVENING, Listing, World, headline, summary_of
from tests.servers.gemini_server import GeminiServer, prompt_data

MODEL = "gemini-3.5-flash-lite"


def answer_well(request: dict[str, Any]) -> Any:
    data = prompt_data(request)
    shape = request["generationConfig"]["responseSchema"]["properties"]
    if "labels" in shape:
        rows = [{"id": row["id"], "sentiment": "negative", "reason": "급락 소식"} for row in data["headlines"]]
        return {"labels": rows}
    if "verdict" in shape:
        return {
            "verdict": "buy",
            "confidence": 0.97,
            "reasons": ["점수는 21.0점입니다.", "RSI 값이 31입니다.", "목표가는 99,000원입니다."],
            "risks": ["MACD가 반대쪽입니다."],
        }
    return {"mood": "코스피는 0.50% 올랐습니다. 코스피는 9.99% 올랐습니다.", "plan": "삼성전자의 점수는 21.0점입니다."}


@pytest.fixture
async def server() -> AsyncIterator[GeminiServer]:
    async with GeminiServer(answer_well) as running:
        yield running


def model_for(server: GeminiServer, folder: Path, **changes: Any) -> GeminiModel:
    values: dict[str, Any] = {"requests_per_day": 100, "requests_per_minute": 100, "first_wait_seconds": 0.01}
    settings = GeminiSettings("test-key-1234", MODEL, server.url, **(values | {"wall_seconds": 20.0} | changes))
    return GeminiModel(settings, folder / "gemini-quota.json")


@pytest.fixture
async def world(server: GeminiServer, tmp_path: Path) -> AsyncIterator[World]:
    model = model_for(server, tmp_path)
    made = World(tmp_path / "reports", now=EVENING, writer=ModelWriter(model, Listing()))
    made.items = [headline("삼성전자 급락", now=EVENING), headline("삼성전자 급등 <b>", 20, now=EVENING)]
    yield made
    await model.close()


async def test_headlines_are_labelled_in_one_batch_and_remembered(world: World, server: GeminiServer) -> None:
    found = await world.pipeline.news("005930")
    assert [(row.sentiment, row.by) for row in found] == [(Sentiment.NEGATIVE, MODEL)] * 2
    assert found[0].reason == "급락 소식"
    await world.pipeline.news("005930")
    assert len(server.requests) == 1
    assert server.paths[0].endswith(f"/models/{MODEL}:generateContent")


async def test_an_opinion_is_checked_bounded_and_marked(world: World) -> None:
    signal = await world.pipeline.signal("005930")
    assert signal.by == MODEL
    assert signal.verdict is Verdict.BUY, "one step from the rules' 관망"
    assert signal.confidence == 0.9
    assert signal.reasons[:2] == ("점수는 21.0점입니다.", "RSI 값이 31입니다.")
    assert signal.reasons[2].endswith("(규칙)")
    assert "99,000" not in "".join(signal.reasons)
    assert signal.dropped_sentences == 1


async def test_an_opinion_is_not_turned_round(world: World) -> None:
    world.scale = -1.0
    signal = await world.pipeline.signal("005930")
    assert signal.verdict is Verdict.HOLD, "the rules say 매도, the model 매수"


async def test_the_report_keeps_the_record_and_marks_the_model(world: World) -> None:
    rules = await World(Path("unused"), now=EVENING).pipeline._make(summary_of(DAY - timedelta(days=1)))
    report = await world.pipeline.report(DAY)
    assert report.by == MODEL
    assert f"[AI 생성 · {MODEL}] 코스피는 0.50% 올랐습니다." in report.market_text
    assert "9.99" not in report.market_text
    assert report.dropped_sentences == 1
    assert report.account_text == rules.account_text


async def test_nothing_of_the_account_leaves_the_machine(world: World, server: GeminiServer) -> None:
    await world.pipeline.report(DAY)
    await world.pipeline.signal("005930")
    await world.pipeline.news("005930")
    sent = json.dumps(server.requests, ensure_ascii=False)
    assert len(server.requests) >= 3
    assert "코스피" in sent, "market facts do leave"
    summary = summary_of()
    held, trade = summary.open_positions[0], summary.trades[0]
    for secret in (
        f"{summary.equity_end:,}", str(summary.equity_end), f"{summary.equity_start:,}", str(summary.equity_start),
        f"{summary.realised:,}", str(summary.realised), f"{trade.entry_price:,.0f}", f"{trade.exit_price:,.0f}",
        f"{held.quantity}주", f"{held.average_price:,.0f}", held.stock.name, summary.journal_hash,
        "보유", "실현손익", "평가금액", "계좌", "예수금", "test-key-1234",
    ):  # fmt: skip
        assert secret not in sent, secret
    assert all(headers.get("x-goog-api-key") == "test-key-1234" for headers in server.headers)
    assert not any("test-key" in path for path in server.paths)


BAD = (
    "schema violation", "wrong json", "no json at all", "other shape", "empty", "cut", "safety block", "safety stop",
    "429 long", "429 day", "500", "403", "cut stream",
)  # fmt: skip


@pytest.mark.parametrize("behaviour", BAD)
async def test_every_failure_gives_the_answer_of_the_rules_and_says_so(
    behaviour: str, world: World, server: GeminiServer, tmp_path: Path
) -> None:
    server.play(behaviour)
    plain = World(tmp_path / "plain", now=EVENING)
    plain.items = world.items
    expected = await plain.pipeline.news("005930")
    found = await world.pipeline.news("005930")
    assert [(row.sentiment, row.by) for row in found] == [(row.sentiment, RULES) for row in expected]
    assert all(row.reason.startswith("AI 없이: ") for row in found)
    signal, own = await world.pipeline.signal("005930"), await plain.pipeline.signal("005930")
    assert (signal.verdict, signal.reasons, signal.by) == (own.verdict, own.reasons, RULES)
    assert signal.risks[0].startswith("AI 없이")
    report, own_report = await world.pipeline.report(DAY), await plain.pipeline.report(DAY)
    assert report.by == RULES
    assert report.account_text == own_report.account_text
    assert "AI 없이" in report.market_text
    assert "test-key" not in repr((found, signal, report))


async def test_a_slow_service_is_given_up_in_time(server: GeminiServer, tmp_path: Path) -> None:
    server.play("slow")
    model = model_for(server, tmp_path, wall_seconds=2.0)
    server.slow_seconds = 4.0
    with pytest.raises(ModelUnavailable, match="2초 안에"):
        await model.ask("지시", "<data>\n{}\n</data>", DayWords)
    await model.close()


@pytest.mark.parametrize("trouble", ["429", "500", "cut stream"])
async def test_a_passing_trouble_is_retried(trouble: str, server: GeminiServer, tmp_path: Path) -> None:
    server.play(trouble, trouble, "success")
    model = model_for(server, tmp_path)
    answer = await model.ask("지시", "<data>\n{}\n</data>", DayWords)
    assert "코스피" in answer.mood
    assert len(server.requests) == 3
    assert model.requests_left == 97, "every try counts"
    await model.close()


async def test_the_days_quota_is_kept_over_a_restart(server: GeminiServer, tmp_path: Path) -> None:
    first = model_for(server, tmp_path, requests_per_day=1)
    await first.ask("지시", "<data>\n{}\n</data>", DayWords)
    await first.ask("지시", "<data>\n{}\n</data>", DayWords)  # from memory
    second = model_for(server, tmp_path, requests_per_day=1)
    with pytest.raises(ModelUnavailable, match="1회를 다 썼습니다"):
        await second.ask("다른 지시", "<data>\n{}\n</data>", DayWords)
    assert len(server.requests) == 1
    await first.close()
    await second.close()


def test_a_quota_has_a_pace_a_day_and_no_free_requests(tmp_path: Path) -> None:
    now = [datetime(2026, 3, 3, 23, 0, tzinfo=PROVIDER_TIME)]
    elapsed = [0.0]
    quota = Quota(tmp_path / "q.json", 3, 2, now=lambda: now[0], elapsed=lambda: elapsed[0])
    quota.spend()
    quota.spend()
    with pytest.raises(QuotaSpent, match="1분"):
        quota.spend()
    elapsed[0] = 61.0
    quota.spend()
    elapsed[0] = 200.0
    with pytest.raises(QuotaSpent, match="다 썼습니다"):
        quota.spend()
    now[0] += timedelta(hours=2)
    quota.spend()
    (tmp_path / "q.json").write_text("{")
    assert Quota(tmp_path / "q.json", 3, 2, now=lambda: now[0]).left_today == 0, "unknown counts as spent"


def test_the_key_is_not_in_the_settings_text() -> None:
    assert "secret" not in repr(GeminiSettings("secret", MODEL))
