"""The predictor as the service sees it: asks a worker process, keeps answers for an hour, never imports torch."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from engine.cache import PREDICTION_SECONDS, TimedCache
from engine.clock import MarketClock
from engine.market import Bars, Code
from engine.ports import DailyHistory, HistoryUnavailable
from engine.predictor import checkpoint as checkpoints
from engine.predictor.channel import Kind, packed, packed_histories
from engine.predictor.checkpoint import BadCheckpoint, Checkpoint
from engine.predictor.features import HORIZON, READ_BARS
from engine.predictor.inputs import why_absent, window_of
from engine.predictor.process import COMMAND, WorkerFailed, WorkerProcess
from engine.results import Band, PastForecast, Prediction, SkillSummary

logger = logging.getLogger(__name__)

Progress = Callable[[float, str], Awaitable[None]]

PAST_SHOWN: Final = 12
"""Past forecasts, five days apart: outcomes that do not overlap."""
HISTORY_BARS: Final = READ_BARS + PAST_SHOWN * HORIZON + 15
TRAINING_BARS: Final = 1_000
TRAINING_NAMES: Final = 300
RETRAIN_AFTER_DAYS: Final = 7
LEAST_NAMES: Final = 100
LEAST_BARS: Final = 500
_STRONG, _WEAK = 0.7, 0.3
_FETCHES: Final = 5


class RetrainRefused(Exception):
    """No training took place; the message says why, in Korean. The present model goes on serving."""


@dataclass(frozen=True, slots=True)
class Retrained:
    published: bool
    """False: the old model was better on the same hold-out and stays."""
    model_id: str
    message: str


class Predictor:
    """Implements ports.Forecasts, and what ``bot.services.ModelInfo`` asks.

    ``market`` names the market whose prices are traded: a model's skill counts only where it was measured. ``codes``
    are the stocks a retraining may use. ``home`` holds the models trained here, under ``models``.
    """

    def __init__(
        self,
        *,
        history: DailyHistory,
        codes: Callable[[], Sequence[Code]],
        clock: MarketClock,
        home: Path,
        market: Literal["KRX", "SYNTHETIC"] = "KRX",
        command: Sequence[str] = COMMAND,
        answer_limit: float = 20.0,
        training_limit: float = 900.0,
    ) -> None:
        self._history = history
        self._codes = codes
        self._clock = clock
        self._folder = home / "models"
        self._market = market
        self._command = command
        self._answer_limit = answer_limit
        self._training_limit = training_limit
        self._cache: TimedCache[Code, Prediction] = TimedCache(clock, PREDICTION_SECONDS)
        self._past: dict[Code, tuple[PastForecast, ...]] = {}
        self._training = False
        self._waiting: list[tuple[Code, Bars, asyncio.Future[Prediction]]] = []
        self._asking = False
        self._checkpoint: Checkpoint | None = None
        self._worker: WorkerProcess | None = None
        self._unusable = ""
        self._open()

    # -- ports.Forecasts

    async def predict(self, code: Code) -> Prediction:
        """The forecast after the last completed day; ``absent`` says in Korean why there is none."""
        self._forget_older_days([code])
        try:
            return (await self._cache.get(code, lambda: self._predict_one(code))).value
        except WorkerFailed as error:  # not kept: the next question tries again
            return self._absent(code, str(error))

    async def predict_many(self, codes: Sequence[Code]) -> dict[Code, Prediction]:
        """As ``predict``, with one question to the worker for all that are not known yet."""
        self._forget_older_days(codes)
        found = {code: kept.value for code in codes if (kept := self._cache.peek(code)) is not None}
        missing = [code for code in dict.fromkeys(codes) if code not in found]
        gate = asyncio.Semaphore(_FETCHES)

        async def read(code: Code) -> Bars | str:
            async with gate:
                return await self._bars(code)

        answers = await asyncio.gather(*(read(code) for code in missing))
        async with self._clock.hold("forecast inputs"):
            reasons = await asyncio.to_thread(_reasons, answers, self._clock.today())
        asked: list[tuple[Code, Bars]] = []
        for code, answer, reason in zip(missing, answers, reasons, strict=True):
            if reason or isinstance(answer, str):
                found[code] = self._absent(code, reason)
                self._cache.put(code, found[code])
            else:
                asked.append((code, answer))
        if asked:
            try:
                made = await self._ask(asked, with_past=False)
            except WorkerFailed as error:
                made = None
                found |= {code: self._absent(code, str(error)) for code, _ in asked}
            for code, prediction in made or ():
                found[code] = prediction
                self._cache.put(code, prediction)
        return {code: found[code] for code in codes}

    # -- what is known of the model

    def skill(self) -> SkillSummary | None:
        """What the model in service has shown; its gate is 0 on a market where nothing was shown."""
        return self._skill(None)

    def past(self, code: Code) -> tuple[PastForecast, ...]:
        """Forecasts of the past 60 days, oldest first, five days apart, made by this model from the bars of their day.

        Only days after everything the model was trained and calibrated on; known once ``predict`` was asked.
        """
        return self._past.get(code, ())

    def describe(self) -> Mapping[str, str]:
        """Label → value in Korean, for people."""
        from engine.predictor.card import card_lines

        if self._checkpoint is None:
            return {"상태": self._unusable}
        lines = dict(card_lines(self._checkpoint.card, self._checkpoint.model_id))
        if (skill := self.skill()) is not None:
            lines["판정"] = skill.verdict  # which on another market is not the card's own
        if self._unusable:
            lines["상태"] = self._unusable
        return lines

    @property
    def model_id(self) -> str:
        return self._checkpoint.model_id if self._checkpoint is not None else ""

    @property
    def worker_process_id(self) -> int | None:
        return self._worker.process_id if self._worker is not None else None

    async def start(self) -> None:
        """Start the worker ahead of the first question. A failure is logged; questions then try again."""
        if self._worker is None:
            return
        try:
            await self._worker.start()
        except WorkerFailed as error:
            logger.warning("%s", error)

    async def close(self) -> None:
        if self._worker is not None:
            await self._worker.close()

    # -- training

    @property
    def retraining_due(self) -> bool:
        """Whether the model in service knows nothing of the last week. Retraining is asked for, never done unasked."""
        until = self._data_until()
        return until is None or (self._clock.today() - until).days >= RETRAIN_AFTER_DAYS

    async def retrain(self, progress: Progress) -> Retrained:
        """Train on the local universe in a process of its own; the old model serves until the new one has proven at
        least as good on the same hold-out. Raises RetrainRefused.
        """
        if self._training:
            raise RetrainRefused("이미 학습 중입니다")
        self._training = True
        try:
            histories = await self._training_histories(progress)
            return await self._train(histories, progress)
        finally:
            self._training = False

    async def _training_histories(self, progress: Progress) -> dict[Code, Bars]:
        codes = list(self._codes())[:TRAINING_NAMES]
        histories: dict[Code, Bars] = {}
        for i, code in enumerate(codes):
            if i % 10 == 0:
                await progress(0.3 * i / max(1, len(codes)), "일봉 모으기")
            try:
                answer = await self._history.daily(code, TRAINING_BARS)
            except HistoryUnavailable as error:
                logger.info("학습에서 제외: %s (%s)", code, error)
                continue
            if len(answer.bars) >= LEAST_BARS:
                histories[code] = answer.bars
        if len(histories) < LEAST_NAMES:
            raise RetrainRefused(
                f"일봉이 {LEAST_BARS}개 이상인 종목이 {len(histories)}개뿐이라 다시 학습하지 않습니다 "
                f"({LEAST_NAMES}개 필요). 지금 모델을 계속 씁니다"
            )
        return histories

    async def _train(self, histories: Mapping[Code, Bars], progress: Progress) -> Retrained:
        listed, raw = await asyncio.to_thread(packed_histories, histories)
        request = {
            "codes": listed,
            "markets": {},
            "folder": str(self._folder),
            "market": self._market,
            "source": f"{len(histories)}종목의 일봉 ({'합성 시장' if self._market == 'SYNTHETIC' else '국내 주식'})",
            "seed": 7,
        }
        process = WorkerProcess(("--train",), command=self._command)

        async def forward(share: float, word: str) -> None:
            await progress(0.3 + 0.7 * share, word)

        try:
            answer = await process.call(packed(Kind.TRAIN, request, raw), self._training_limit, forward)
        except WorkerFailed as error:
            raise RetrainRefused(f"학습이 끝나지 않아 지금 모델을 계속 씁니다 ({error})") from error
        finally:
            await process.close()
        if answer["published"]:
            old = self._worker
            self._open()
            self._cache = TimedCache(self._clock, PREDICTION_SECONDS)
            self._past.clear()
            if old is not None:
                await old.close()
        return Retrained(bool(answer["published"]), str(answer["model_id"]), str(answer["message"]))

    # -- parts

    def _open(self) -> None:
        try:
            self._checkpoint, path, self._unusable = checkpoints.current(self._folder)
        except BadCheckpoint as error:
            self._checkpoint, self._worker, self._unusable = None, None, f"쓸 수 있는 예측 모델이 없습니다: {error}"
        else:
            self._worker = WorkerProcess((str(path),), command=self._command)
        if self._unusable:
            logger.warning("%s", self._unusable)

    def _forget_older_days(self, codes: Sequence[Code]) -> None:
        today = self._clock.today()
        for code in codes:
            kept = self._cache.peek(code)
            if kept is not None and kept.at.date() != today:
                self._cache.forget(code)

    async def _bars(self, code: Code) -> Bars | str:
        """Usable bars, or the reason why there is no forecast."""
        if self._checkpoint is None:
            return self._unusable
        try:
            answer = await self._history.daily(code, HISTORY_BARS)
        except HistoryUnavailable as error:
            return f"일봉을 구하지 못해 예측할 수 없습니다: {error}"
        return answer.bars.before(self._clock.today())

    async def _predict_one(self, code: Code) -> Prediction:
        """Raises WorkerFailed. Whoever comes while the worker is busy goes with the next question, all together."""
        bars = await self._bars(code)
        reason = bars if isinstance(bars, str) else why_absent(bars, self._clock.today())
        if reason or isinstance(bars, str):
            return self._absent(code, reason)
        answer: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        self._waiting.append((code, bars, answer))
        async with self._clock.hold("forecast"):
            if not self._asking:
                await self._ask_for_waiting()
            return await answer

    async def _ask_for_waiting(self) -> None:
        self._asking = True
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    made = await self._ask([(code, bars) for code, bars, _ in batch], with_past=True)
                except WorkerFailed as error:
                    for _, _, answer in batch:
                        if not answer.done():
                            answer.set_exception(error)
                            answer.exception()  # seen, even where its caller has left
                else:
                    for (_, _, answer), (_, prediction) in zip(batch, made, strict=True):
                        if not answer.done():
                            answer.set_result(prediction)
                finally:
                    for _, _, answer in batch:  # the service is closing
                        answer.cancel()
        finally:
            self._asking = False

    async def _ask(self, asked: Sequence[tuple[Code, Bars]], *, with_past: bool) -> list[tuple[Code, Prediction]]:
        """Raises WorkerFailed."""
        worker = self._worker
        if worker is None:
            raise WorkerFailed(self._unusable)
        async with self._clock.hold("forecast"):
            # Packing is for a thread where it is long: 2,700 stocks are 26 MB.
            work = (asked, self._data_until(), with_past)
            frame, ends = await asyncio.to_thread(_frame, *work) if len(asked) > 20 else _frame(*work)
            answer = await worker.call(frame, self._answer_limit)
        made: list[tuple[Code, Prediction]] = []
        place = 0
        for (code, bars), mine in zip(asked, ends, strict=True):
            made.append((code, self._prediction(code, bars, answer, place)))
            if with_past:
                past = (_past_forecast(bars, end, answer, place + 1 + i) for i, end in enumerate(mine[1:]))
                self._past[code] = tuple(reversed(list(past)))
            place += len(mine)
        return made

    def _prediction(self, code: Code, bars: Bars, answer: Mapping[str, Any], place: int) -> Prediction:
        last = float(bars.close[-1])
        as_of: date = bars.dates()[-1].item()
        band = _band(last, answer["returns"][place])
        rank = float(answer["rank"][place])
        return Prediction(
            code=code,
            last_close=last,
            horizon=HORIZON,
            band=band,
            path=tuple(last + (band.p50 - last) * day / HORIZON for day in range(1, HORIZON + 1)),
            rank=rank,
            direction="stronger" if rank >= _STRONG else "weaker" if rank <= _WEAK else "neutral",
            probability=float(answer["probability"][place]),
            skill=self._skill(as_of),
            trained_until=self._trained_until(),
            model_id=self.model_id,
            as_of=as_of,
        )

    def _absent(self, code: Code, reason: str) -> Prediction:
        return Prediction(
            code, skill=self._skill(None), trained_until=self._trained_until(), model_id=self.model_id, absent=reason
        )

    def _skill(self, as_of: date | None) -> SkillSummary | None:
        from engine.predictor.card import skill_of

        if self._checkpoint is None:
            return None
        skill = skill_of(self._checkpoint.card)
        if skill is None or self._checkpoint.card.get("market") == self._market:
            until = self._data_until()
            if skill is not None and as_of is not None and until is not None and as_of <= until:
                verdict = f"{until}까지의 자료로 만든 모델이 이미 본 기간이라 방향 팩터 0점"
                return dataclasses.replace(skill, gate=0.0, verdict=verdict)
            return skill
        where = "시뮬레이터 시장" if self._market == "SYNTHETIC" else "실제 시장"
        return dataclasses.replace(skill, gate=0.0, verdict=f"{where}에서는 검증되지 않아 0점")

    def _trained_until(self) -> date | None:
        return self._card_date("trained_until")

    def _data_until(self) -> date | None:
        """The last day that the model, its calibration or its measured skill has seen."""
        return self._card_date("data_until")

    def _card_date(self, name: str) -> date | None:
        text = self._checkpoint.card.get(name) if self._checkpoint is not None else None
        return date.fromisoformat(str(text)) if text else None


def _reasons(answers: Sequence[Bars | str], today: date) -> list[str]:
    return [answer if isinstance(answer, str) else why_absent(answer, today) for answer in answers]


def _frame(
    asked: Sequence[tuple[Code, Bars]], data_until: date | None, with_past: bool
) -> tuple[bytes, list[list[int]]]:
    """The request, and for every stock the ends (exclusive rows) of the windows in it, the present one first."""
    ends = [[len(bars), *(_past_ends(bars, data_until) if with_past else ())] for _, bars in asked]
    windows = [window_of(bars, end) for (_, bars), mine in zip(asked, ends, strict=True) for end in mine]
    return packed(Kind.PREDICT, {"count": len(windows)}, np.stack(windows, axis=1).tobytes()), ends


def _past_ends(bars: Bars, data_until: date | None) -> list[int]:
    dates = bars.dates()
    ends: list[int] = []
    for i in range(1, PAST_SHOWN + 1):
        end = len(bars) - i * HORIZON
        if end < 1 or (data_until is not None and dates[end - 1] <= np.datetime64(data_until, "D")):
            break
        if not why_absent(bars[:end], dates[end - 1].item()):
            ends.append(end)
    return ends


def _band(last: float, returns: Sequence[float]) -> Band:
    return Band(*(last * (1.0 + max(value, -0.999)) for value in returns))


def _past_forecast(bars: Bars, end: int, answer: Mapping[str, Any], place: int) -> PastForecast:
    realised = float(bars.close[end - 1 + HORIZON]) if end - 1 + HORIZON < len(bars) else None
    band = _band(float(bars.close[end - 1]), answer["returns"][place])
    return PastForecast(bars.dates()[end - 1].item(), band, float(answer["rank"][place]), realised)
