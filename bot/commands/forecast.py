"""예측, 모델: the forecast with its band, and what the model has shown out of sample."""

from __future__ import annotations

from datetime import datetime, time

from bot.access import Permission
from bot.commands.arguments import StockArgument
from bot.commands.registry import Group, command
from bot.context import Context
from bot.format import percent, won
from bot.reply import Reply
from engine.market import KST, Stock
from engine.results import PredictionChart, SkillSummary

SHOWN_BARS = 60


def skill_lines(context: Context, skill: SkillSummary) -> list[str]:
    return [
        skill.verdict,
        context.say(
            "skill_figures",
            rank=f"{skill.rank_ic:+.3f}",
            residual=f"{skill.residual_rank_ic:+.3f}",
            null=f"{skill.null_deviation:.3f}",
            coverage=f"{100 * skill.coverage:.0f}",
            window=skill.window,
            gate=f"{skill.gate:.2f}",
        ),
    ]


@command(
    "예측",
    "predict",
    description_ko="5거래일 뒤 종가 예측 구간과 방향",
    description_en="Forecast band of the close in five trading days",
    permission=Permission.VIEWER,
    group=Group.RESEARCH,
    arguments=(StockArgument(),),
    slow=True,
    examples=("예측 에코프로비엠",),
)
async def predict(context: Context, stock: Stock) -> Reply:
    forecasts = context.required(context.services.forecasts, "forecasts")
    say = context.say
    await context.progress(0.0, say("work_forecasting"))
    prediction = await forecasts.predict(stock.code)
    if not prediction.available or prediction.band is None:
        return await context.answer(
            say("predict_absent", name=stock.name, reason=prediction.absent or "–"),
            stamp=context.stamp(),
            disclaimer=True,
        )
    band = prediction.band
    lines = [
        say(
            "predict_title",
            name=stock.name,
            code=stock.code,
            horizon=prediction.horizon,
            change=percent(prediction.change_percent),
            middle=won(band.p50),
        ),
        say("predict_band", low=won(band.p10), high=won(band.p90), last=won(prediction.last_close)),
        say(
            "predict_rank",
            rank=f"{100 * (1 - prediction.rank):.0f}",
            direction=say(f"direction_{prediction.direction}"),
            probability=f"{100 * prediction.probability:.0f}",
        ),
    ]
    if prediction.skill is not None:
        lines += skill_lines(context, prediction.skill)
    history = await context.services.history.daily(stock.code, SHOWN_BARS)
    made = datetime.combine(prediction.as_of, time(15, 30), KST) if prediction.as_of else history.as_of
    stamp = context.stamp(made, source=prediction.model_id or history.source)
    model = context.services.model
    past = tuple(model.past(stock.code)) if model is not None else ()
    rows = (
        (
            context.again("button_score", "score", stock.code),
            context.again("button_analyze", "analyze", stock.code),
            context.again("button_ticket", "ticket", stock.code),
            context.again("button_model", "model"),
        ),
    )
    view = PredictionChart(stock, history.bars, prediction, past, stamp)
    return await context.answer("\n".join(lines), stamp=stamp, view=view, rows=rows, disclaimer=True)


@command(
    "모델",
    "model",
    description_ko="예측 모델의 표본 외 실력과 학습 시점",
    description_en="What the forecasting model has shown out of sample",
    permission=Permission.VIEWER,
    group=Group.RESEARCH,
)
async def model(context: Context) -> Reply:
    info = context.required(context.services.model, "model")
    skill = info.skill()
    lines = [context.say("model_title")]
    lines += skill_lines(context, skill) if skill is not None else [context.say("model_no_skill")]
    lines += [f"· {label}: {value}" for label, value in info.describe().items()]
    return await context.answer("\n".join(lines), stamp=context.stamp(), disclaimer=True)
