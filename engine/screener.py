"""Which stocks to look at now: the whole market by its daily bars, the best of it by its fifteen-minute bars.

Stage 1a scores the daily factors of every stock and sweeps prices; 1b adds fifteen-minute bars for held and watched
stocks and the best of 1a; stage 2 asks the forecast for the best of those. Stocks that nobody should buy, and bad data,
are left out before scoring, each with its reason. The same state of the market gives the same report.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import numpy as np

from engine.broker import BrokerError, MarketData, NotOffered
from engine.cache import PREDICTION_SECONDS, PRICE_SECONDS, RECOMMENDATION_SECONDS, Cached, TimedCache
from engine.clock import MarketClock, monotonic
from engine.daily_store import DailyStore
from engine.market import BarOrigin, Bars, Code, Quote, SecurityKind, Stock, StockFlag
from engine.ports import Forecasts, HistoryUnavailable, Listing
from engine.results import Prediction, Recommendation, Score, ScreeningReport
from engine.scorer import DAILY_BARS, DirectionInput, ScoreInput, Scorer, warm
from engine.scoring import compiled_cache

logger = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with (stage in Korean, done, of how many)."""

EXCLUDED_FLAGS: Final = frozenset(StockFlag)
FIRST_STAGE_CALLS, SECOND_STAGE_CALLS = 5, 2


@dataclass(frozen=True, slots=True)
class ScreenerSettings:
    entry_score: float = 55.0
    live_candidates: int = 80
    """How many of stage 1a get fifteen-minute bars."""
    slow_candidates: int = 30
    """The same where the broker has no many-quote call (모의, one call a second)."""
    forecast_candidates: int = 20
    shown: int = 10
    sparkline: int = 60


class CandleSource(Protocol):
    """Completed fifteen-minute bars of the last five sessions."""

    def fifteen(self, code: Code) -> tuple[Bars, BarOrigin]: ...
    async def backfill(self, code: Code) -> None:
        """Fetch what is missing, from minute pages."""


@dataclass(slots=True)
class _Round:
    """One screening under way."""

    at: datetime
    stocks: list[Stock]
    excluded: dict[Code, str]
    failed: dict[Code, str]
    quotes: dict[Code, Quote]
    price_source: str
    progress: Progress
    slow: bool = False
    """Whether prices come one stock a call."""


class Screener:
    """Scores the market and single stocks; the only builder of ScoreInput in live trading."""

    def __init__(
        self,
        *,
        market_data: MarketData,
        listing: Listing,
        history: DailyStore,
        candles: CandleSource,
        forecasts: Forecasts | None,
        clock: MarketClock,
        scorer: Scorer,
        settings: ScreenerSettings | None = None,
    ) -> None:
        self._market_data = market_data
        self._listing = listing
        self._history = history
        self._candles = candles
        self._forecasts = forecasts
        self._clock = clock
        self._scorer = scorer
        self.settings = settings or ScreenerSettings()
        self._first = asyncio.Semaphore(FIRST_STAGE_CALLS)
        self._second = asyncio.Semaphore(SECOND_STAGE_CALLS)
        self._prices: TimedCache[Code, Quote] = TimedCache(clock, PRICE_SECONDS)
        self._predictions: TimedCache[Code, Prediction] = TimedCache(clock, PREDICTION_SECONDS)
        self._reports: TimedCache[str, ScreeningReport] = TimedCache(clock, RECOMMENDATION_SECONDS)
        self._inputs: dict[Code, ScoreInput] = {}
        self._warm = False

    # -- what others ask

    async def screen(
        self,
        held: Sequence[Code] = (),
        watched: Sequence[Code] = (),
        progress: Progress | None = None,
        *,
        fetch_minutes: bool = True,
    ) -> ScreeningReport:
        """Score the market now. A stock that could not be read is named in ``failed`` and does not stop the rest.

        Without ``fetch_minutes`` the fifteen-minute bars at hand have to do, and no forecast is asked: before the open
        nothing is bought anyway.
        """
        began, started = self._clock.now(), monotonic()
        await self._ready()
        round_ = _Round(began, [], {}, {}, {}, "", progress or _silent)
        self._choose(round_)
        await self._read_daily(round_)
        await self._sweep(round_, held, watched)
        ranked = await self._first_ranking(round_)
        live = await self._read_fifteen(round_, ranked, held, watched, fetch_minutes)
        scores = await self._score(round_, live)
        best = await self._second_stage(round_, scores) if fetch_minutes else scores
        now = self._clock.now()
        report = ScreeningReport(
            at=now,
            recommendations=tuple(self._recommendation(round_, score) for score in best[: self.settings.shown]),
            evaluated=len(ranked),
            reached_entry=sum(score.total >= self.settings.entry_score for score in best),
            excluded=dict(sorted(round_.excluded.items())),
            failed=dict(sorted(round_.failed.items())),
            price_source=round_.price_source,
            seconds=monotonic() - started,
            market_seconds=(now - began).total_seconds(),
            totals={score.code: score.total for score in best},
        )
        self._reports.put("market", report)
        return report

    async def recommended(
        self, held: Sequence[Code] = (), watched: Sequence[Code] = (), progress: Progress | None = None
    ) -> Cached[ScreeningReport]:
        """The newest report if it is younger than ten minutes, else a new one; its age is in ``at``."""
        return await self._reports.get("market", lambda: self.screen(held, watched, progress))

    async def score_one(self, code: Code) -> Score:
        """The full score of one stock now. Raises HistoryUnavailable, BrokerError."""
        await self._ready()
        await self._history.daily(code, DAILY_BARS)
        await self._candles.backfill(code)
        quote = await self.quote(code)
        prediction = await self._predict(code)
        given = self._input(code, quote, prediction, self._clock.now())
        self._inputs[code] = given
        return self._scorer.score(given)

    def inputs(self, code: Code) -> ScoreInput:
        """What the newest score of ``code`` was made from. Raises KeyError."""
        return self._inputs[code]

    async def quote(self, code: Code) -> Quote:
        """The price, at most five seconds old."""
        return (await self._prices.get(code, lambda: self._market_data.quote(code))).value

    async def finish_day(self) -> int:
        """After the close: extend every stored history by today's bar from one sweep. Returns how many."""
        codes = [stock.code for stock in self._listing.stocks()]
        try:
            quotes = await self._market_data.quotes(sorted(codes))
        except NotOffered:
            return 0  # tomorrow's first reading fetches the bars one by one
        return await self._history.absorb_day(self._clock.today(), quotes)

    # -- stages

    async def _ready(self) -> None:
        if not self._warm:
            async with self._clock.hold("score kernels"):
                await warm_off_the_loop()
            self._warm = True

    def _choose(self, round_: _Round) -> None:
        for stock in sorted(self._listing.stocks(), key=lambda stock: stock.code):
            if stock.kind is not SecurityKind.STOCK:
                continue
            if flags := stock.flags & EXCLUDED_FLAGS:
                round_.excluded[stock.code] = _flag_words(flags)
            else:
                round_.stocks.append(stock)

    async def _read_daily(self, round_: _Round) -> None:
        missing = [stock.code for stock in round_.stocks if not self._history.current(stock.code)]

        async def read(code: Code) -> None:
            await self._history.daily(code, DAILY_BARS)

        await self._each(round_, "일봉", missing, read)

    async def _sweep(self, round_: _Round, held: Sequence[Code], watched: Sequence[Code]) -> None:
        codes = [stock.code for stock in round_.stocks]
        round_.progress("현재가", 0, len(codes))
        try:
            round_.quotes = dict(await self._market_data.quotes(codes))
            round_.price_source = f"멀티 시세 {len(round_.quotes):,}종목 {self._clock.now():%H:%M:%S}"
        except NotOffered:
            await self._single_quotes(round_, held, watched)
        except BrokerError as error:
            round_.price_source = f"현재가를 받지 못해 일봉 종가를 씀 ({error})"
            logger.warning("멀티 시세 실패: %s", error)
        for code, quote in round_.quotes.items():
            self._prices.put(code, quote)
            flags = quote.flags & EXCLUDED_FLAGS | ({StockFlag.HALTED} if quote.halted else frozenset())
            if flags:
                round_.excluded[code] = _flag_words(flags)
        await self._adjusted_again(round_)
        round_.stocks = [stock for stock in round_.stocks if stock.code not in round_.excluded]
        round_.progress("현재가", len(codes), len(codes))

    async def _single_quotes(self, round_: _Round, held: Sequence[Code], watched: Sequence[Code]) -> None:
        """No many-quote call: single quotes for the leaders of yesterday's bars, daily closes for the others."""
        round_.slow = True
        ranked = await self._first_ranking(round_)
        leaders = list(dict.fromkeys([*sorted(held), *sorted(watched), *ranked[: self.settings.slow_candidates]]))

        async def read(code: Code) -> None:
            round_.quotes[code] = await self.quote(code)

        await self._each(round_, "개별 시세", leaders, read)
        closes = [bars.start[-1] for bars in map(self._history.known, ranked) if bars is not None and len(bars)]
        snapshot = f"일봉 종가 {max(closes).astype('datetime64[D]')}" if closes else "일봉 없음"
        round_.price_source = f"개별 시세 {len(round_.quotes)}종목 {self._clock.now():%H:%M:%S}, 나머지 {snapshot}"

    async def _adjusted_again(self, round_: _Round) -> None:
        """The exchange's base price disagrees with our last close: prices were adjusted, so fetch the history anew."""
        torn = [code for code, quote in round_.quotes.items() if not self._fits(code, quote, 0.005)]

        async def refetch(code: Code) -> None:
            await self._history.refetch(code)
            if not self._fits(code, round_.quotes[code], 0.03):
                round_.excluded[code] = "자료 이상: 일봉이 거래소 기준가와 맞지 않습니다"

        await self._each(round_, "수정주가 확인", [code for code in torn if code not in round_.excluded], refetch)

    def _fits(self, code: Code, quote: Quote, tolerance: float) -> bool:
        bars, base = self._history.known(code), quote.base_price or quote.previous_close
        if bars is None or not len(bars) or base <= 0:
            return True
        return bool(abs(base / bars.close[-1] - 1.0) <= tolerance)

    async def _first_ranking(self, round_: _Round) -> list[Code]:
        """Codes with usable daily bars, by daily points plus what the sweep says of the breakout. Names bad data."""
        known = [(stock.code, bars) for stock in round_.stocks if (bars := self._history.known(stock.code)) is not None]
        known = [(code, bars) for code, bars in known if len(bars)]
        from engine.scoring.points import breakout_points

        def work() -> list[tuple[float, float, Code]]:
            states = self._scorer.learn_daily([bars for _, bars in known])
            rows = []
            for (code, _), state in zip(known, states, strict=True):
                if state.defect:
                    round_.excluded[code] = f"자료 이상: {state.defect}"
                    continue
                total, traded_value = float(np.nansum(state.points)), 0.0
                if (quote := round_.quotes.get(code)) is not None:
                    traded_value = float(quote.value)
                    if quote.open and quote.price:
                        total += float(np.nan_to_num(breakout_points(state, float(quote.price), float(quote.open))))
                rows.append((-total, -traded_value, code))
            return sorted(rows)

        async with self._clock.hold("daily factors"):
            return [code for _, _, code in await asyncio.to_thread(work)]

    async def _read_fifteen(
        self,
        round_: _Round,
        ranked: Sequence[Code],
        held: Sequence[Code],
        watched: Sequence[Code],
        fetch_minutes: bool,
    ) -> list[Code]:
        limit, leaders = self.settings.live_candidates, ranked
        if round_.slow:
            limit, leaders = self.settings.slow_candidates, [code for code in ranked if code in round_.quotes]
        usable = set(ranked)
        first = [code for code in (*sorted(held), *sorted(watched)) if code in usable]
        live = list(dict.fromkeys([*first, *leaders[:limit]]))
        if fetch_minutes:
            await self._each(round_, "15분봉", live, self._candles.backfill)
        return live

    async def _score(self, round_: _Round, live: Sequence[Code]) -> list[Score]:
        now = self._clock.now()
        inputs = [self._input(code, round_.quotes.get(code), self._known_prediction(code), now) for code in live]
        self._inputs |= {given.code: given for given in inputs}
        async with self._clock.hold("scores"):
            scores = await asyncio.to_thread(lambda: [self._scorer.score(given) for given in inputs])
        return self._ordered(round_, scores)

    async def _second_stage(self, round_: _Round, scores: list[Score]) -> list[Score]:
        """Add the forecast to the best; the order may change."""
        head = scores[: self.settings.forecast_candidates]
        if self._forecasts is None:
            return scores
        done = 0

        async def predict(score: Score) -> Score:
            nonlocal done
            async with self._second:
                prediction = await self._predict(score.code)
            given = replace(self._inputs[score.code], direction=direction_input(prediction))
            self._inputs[score.code] = given
            done += 1
            round_.progress("예측", done, len(head))
            return self._scorer.score(given)

        renewed = await asyncio.gather(*(predict(score) for score in head))
        return self._ordered(round_, [*renewed, *scores[len(head) :]])

    # -- parts

    def _input(self, code: Code, quote: Quote | None, prediction: Prediction | None, at: datetime) -> ScoreInput:
        fifteen, origin = self._candles.fifteen(code)
        return ScoreInput(
            code=code,
            at=at,
            daily=self._history.known(code) or Bars.empty(),
            today_open=quote.open if quote is not None and quote.open else None,
            fifteen=fifteen,
            fifteen_origin=origin,
            direction=direction_input(prediction),
        )

    def _known_prediction(self, code: Code) -> Prediction | None:
        kept = self._predictions.peek(code)
        return kept.value if kept else None

    async def _predict(self, code: Code) -> Prediction | None:
        if self._forecasts is None:
            return None
        forecasts = self._forecasts
        return (await self._predictions.get(code, lambda: forecasts.predict(code))).value

    def _ordered(self, round_: _Round, scores: Sequence[Score]) -> list[Score]:
        def key(score: Score) -> tuple[float, int, Code]:
            quote = round_.quotes.get(score.code)
            return (-round(score.total, 9), -(quote.value if quote else 0), score.code)

        return sorted(scores, key=key)

    def _recommendation(self, round_: _Round, score: Score) -> Recommendation:
        stock = self._listing.get(score.code)
        assert stock is not None
        daily = self._inputs[score.code].daily
        closes = tuple(float(close) for close in daily.close[-self.settings.sparkline :])
        prediction = self._known_prediction(score.code)
        return Recommendation(stock, score, round_.quotes.get(score.code), prediction, closes)

    async def _each(
        self, round_: _Round, stage: str, codes: Sequence[Code], work: Callable[[Code], Awaitable[None]]
    ) -> None:
        """Do ``work`` for every code, five at a time; what fails is named and the rest goes on."""
        if not codes:
            return
        done = 0

        async def one(code: Code) -> None:
            nonlocal done
            async with self._first:
                try:
                    await work(code)
                except (BrokerError, HistoryUnavailable) as error:
                    round_.failed[code] = f"{stage}: {error}"
            done += 1
            if done % 25 == 0 or done == len(codes):
                round_.progress(stage, done, len(codes))

        await asyncio.gather(*(one(code) for code in codes))


def direction_input(prediction: Prediction | None) -> DirectionInput | None:
    """What the score reads of a forecast."""
    if prediction is None:
        return None
    if not prediction.available:
        return DirectionInput(0.5, 0.0, prediction.model_id, prediction.absent or "예측 없음")
    gate = prediction.skill.gate if prediction.skill is not None else 0.0
    return DirectionInput(prediction.rank, gate, prediction.model_id)


async def warm_off_the_loop() -> None:
    """Have the score kernels ready: compiled by a child process the first time on a machine, loaded in a thread."""
    if not compiled_cache.ready():
        await _compile_in_child()
    await asyncio.to_thread(warm)


async def _compile_in_child() -> None:
    import sys

    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from engine.scorer import warm; warm()",
        cwd=Path(__file__).parents[1],
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await child.communicate()
    if child.returncode:
        logger.warning("점수 계산기 준비 실패(이 프로세스에서 다시 합니다): %s", errors.decode()[-300:])


def _flag_words(flags: frozenset[StockFlag] | set[StockFlag]) -> str:
    return "·".join(sorted(flag.value for flag in flags))


def _silent(stage: str, done: int, total: int) -> None:
    return None


def excluded_counts(report: ScreeningReport) -> Mapping[str, int]:
    """How many stocks were left out for which reason, most frequent first."""
    counts: dict[str, int] = {}
    for reason in report.excluded.values():
        kind = "자료 이상" if reason.startswith("자료 이상") else reason
        counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
