"""Word rules: reversals and negations decide, not the first word; hostile text is read quickly and neutrally."""

from __future__ import annotations

import csv
import time

import pytest

from engine.analysis.rules import read
from engine.analysis.sentiment import RULES, classify, label_news
from engine.results import Sentiment
from tests.analysis.world import headline
from tests.shared_data import SHARED, needs_shared_data

GOOD, FLAT, BAD = Sentiment.POSITIVE, Sentiment.NEUTRAL, Sentiment.NEGATIVE


@pytest.mark.parametrize(
    ("title", "wanted"),
    [
        ("가나전자, 2분기 적자 축소", GOOD),
        ("가나전자, 2분기 적자 확대", BAD),
        ("가나전자 3분기 흑자 전환 성공", GOOD),
        ("가나전자 3분기 적자 전환", BAD),
        ("공급 우려 완화에 반도체주 안도", GOOD),
        ("수요 우려 커지는 반도체주", BAD),
        ("코스닥, 사흘 만에 하락 멈춰", GOOD),
        ("코스닥, 나흘 만에 상승 멈춰", BAD),
        ("다라바이오, 임상 3상 실패", BAD),
        ("다라바이오, 임상 3상 성공", GOOD),
        ("마바건설, 대형 공급계약 해지", BAD),
        ("마바건설, 대형 공급계약 체결", GOOD),
        ("마바건설 거래정지 해제", GOOD),
        ("사아제약, 특허 소송 승소", GOOD),
        ("사아제약, 특허 소송 제기당해", BAD),
        ("자차화학, 목표주가 10만원으로 하향", BAD),
        ("자차화학, 목표주가 10만원으로 상향", GOOD),
        ("자차화학, 자사주 300억원 소각", GOOD),
        ("카타통신, 배당 중단", BAD),
        ("외국인, 카타통신 닷새째 순매도", BAD),
        ("영업이익 40% 감소", BAD),
        ("영업이익 40% 증가", GOOD),
        ("원/달러 환율 3.1원 오른 1,310.2원 마감", FLAT),
        ("파하에너지, 정기 주주총회 소집", FLAT),
        ("", FLAT),
    ],
)
def test_a_reversal_or_negation_turns_the_label(title: str, wanted: Sentiment) -> None:
    assert classify(title).sentiment is wanted


def test_the_reason_names_the_words() -> None:
    assert "적자 축소" in classify("가나전자, 적자 축소").reason


def test_long_and_hostile_text_is_read_quickly() -> None:
    started = time.perf_counter()
    for text in (
        "매출" * 50_000,
        "적자" + "가" * 100_000 + "축소",
        "<" * 100_000,
        "(" * 1000,
        "🚀" * 10_000,
        "\x00\u202e",
    ):
        read(text)
        classify(text)
    assert time.perf_counter() - started < 2.0


def test_labels_say_that_they_come_from_rules_and_why() -> None:
    [labelled] = label_news([headline("가나전자 급등")], "AI 응답 없음")
    assert labelled.by == RULES
    assert labelled.reason.startswith("AI 응답 없음 · ")


@needs_shared_data
@pytest.mark.shared_data
def test_the_quality_on_native_headlines_is_what_the_page_says() -> None:
    with (SHARED / "news_sentiment.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "native_ko"]
    pairs = [(row["label"], classify(row["headline"]).sentiment.value) for row in rows]
    accuracy = sum(a == b for a, b in pairs) / len(pairs)
    polar = [(a, b) for a, b in pairs if a != "neutral" and b != "neutral"]
    assert accuracy >= 0.75
    assert sum(a == b for a, b in polar) / len(polar) >= 0.92
