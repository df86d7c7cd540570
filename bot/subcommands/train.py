"""``gaemi train``: train the forecasting model on a folder of daily bars, or report what it can do there."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from bot.settings import load_settings
from bot.subcommands import UserError, add_home, add_json

NAME = "train"
HELP = "예측 모델을 일봉 자료로 학습하거나, 표본 외 실력을 재어 보고합니다"
EPILOG = """예:
  gaemi train --report --data 자료폴더           시기를 나누어 학습·시험하고 실력 보고서를 냄 (몇 분)
  gaemi train --report --data 자료폴더 --json    마지막 줄에 JSON
  gaemi train --data 자료폴더                    새 모델을 만들고, 지금 모델만큼 나으면 바꿈

자료 폴더: krx_daily.parquet (code, date, open, high, low, close, volume 열), 있으면 krx_daily_tickers.csv
종료 코드: 0 끝남, 2 자료·입력 오류, 1 그 밖의 오류, 130 사용자 중단"""


def parse_date(text: str) -> str:
    from datetime import date

    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"날짜는 2022-01-03 처럼 적습니다: {text!r}") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, metavar="폴더", help="일봉 자료가 든 폴더")
    parser.add_argument("--report", action="store_true", help="학습 결과를 쓰지 않고 실력 보고서만")
    parser.add_argument("--test-from", type=parse_date, metavar="날짜", help="시험 시작일 (기본: 끝에서 4년)")
    parser.add_argument("--seed", type=int, default=7, metavar="수", help="시드 (기본 7)")
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    # Before torch is loaded: one thread gives the same bytes everywhere and leaves cores to a running service.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.nice(10)
    from engine.predictor.panel import NoTrainingData

    try:
        return _report(arguments) if arguments.report else _train(arguments)
    except NoTrainingData as error:
        raise UserError(str(error)) from error


def _tell(share: float, word: str) -> None:
    print(f"  {100 * share:3.0f}%  {word}", file=sys.stderr, flush=True)


def _report(arguments: argparse.Namespace) -> int:
    import numpy as np

    from engine.clock import monotonic
    from engine.predictor.panel import build_panel, read_folder
    from engine.predictor.report import report_json, report_lines
    from engine.predictor.retraining import train_and_measure

    started = monotonic()
    histories, markets = read_folder(arguments.data)
    _tell(0.0, f"{len(histories)}종목의 일봉에서 특징 계산")
    made = train_and_measure(
        build_panel(histories, markets),
        market="KRX",
        source=str(arguments.data.name),
        seed=arguments.seed,
        test_from=np.datetime64(arguments.test_from) if arguments.test_from else None,
        progress=_tell,
    )
    seconds = monotonic() - started
    for line in report_lines(made.skill, made.checkpoint, seconds):
        print(line)
    if arguments.json:
        print(json.dumps(report_json(made.skill, made.checkpoint, seconds), ensure_ascii=False))
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from engine.predictor.panel import read_folder
    from engine.predictor.retraining import retrain

    home = load_settings(gaemi_home=arguments.home).gaemi_home
    histories, markets = read_folder(arguments.data)
    try:
        answer = retrain(
            histories,
            markets,
            folder=home / "models",
            market="KRX",
            source=f"{arguments.data.name} 폴더의 일봉",
            seed=arguments.seed,
            progress=_tell,
        )
    except OSError as error:
        raise UserError(f"모델을 저장할 수 없습니다: {home / 'models'} ({error.strerror})") from error
    print(answer["message"])
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
    return 0
