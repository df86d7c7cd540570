"""The fact check: what is not in the facts does not stay, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.analysis.factcheck import FactChecker, Names, figures

NAMES = Names(["삼성전자", "SK하이닉스", "에코프로", "에코프로비엠", "SKC", "대상", "NAVER"])
FACTS = [
    "코스피 2,512.50 (+0.50%)",
    "코스닥 845.25 (-0.56%)",
    "업종 반도체 +1.40%",
    "추천 삼성전자 (005930) 점수 +62.3점",
    "추천 에코프로비엠 (247540) 점수 +58.0점",
    "삼성전자 현재가 70,000원 (+2.13%)",
    "RSI가 31로 눌려 있습니다",
    "삼성전자, 1200억원 공급계약",
]
CHECKER = FactChecker(FACTS, NAMES, ["코스피", "코스닥", "반도체"])


@pytest.mark.parametrize(
    "sentence",
    [
        "코스피는 0.50% 올랐습니다.",
        "코스피가 0.5% 상승해 2,512.5로 마쳤습니다.",
        "코스닥은 0.56% 내렸습니다.",
        "삼성전자의 점수는 62.3점입니다.",
        "삼성전자(005930)는 2.1% 올라 70,000원입니다.",
        "RSI가 31로 낮아 반등 여지가 있습니다.",
        "투자심리가 개선되었습니다.",
        "삼성전자는 1,200억원 공급계약 소식이 있었습니다.",
    ],
)
def test_what_the_facts_say_stays(sentence: str) -> None:
    assert CHECKER.check(sentence).sentences == (sentence,)


@pytest.mark.parametrize(
    "sentence",
    [
        "코스피는 0.56% 올랐습니다.",  # the other index's figure
        "코스피는 0.50% 하락했습니다.",  # turned round
        "코스피는 -0.50%였습니다.",
        "코스피는 0.50원 올랐습니다.",  # another unit
        "코스피는 1% 올랐습니다.",  # rounded away
        "코스피는 ０．７０％ 올랐습니다.",  # full-width digits
        "코스피는 ½% 올랐습니다.",
        "코스피가 ③포인트 올랐습니다.",
        "코스피가 三% 올랐습니다.",
        "코스피가 삼십 퍼센트 올랐습니다.",
        "코스피가 두 배 올랐습니다.",
        "거래대금이 절반으로 줄었습니다.",
        "에코프로비엠의 점수는 62.3점입니다.",  # another stock's score
        "에코프로의 점수는 58.0점입니다.",  # a name inside a longer one
        "SK하이닉스도 좋습니다.",
        "NAVER 강세가 눈에 띕니다.",
        "대상은 좋습니다.",
        "Tesla shares lead.",
        "엔비디아 효과입니다.",
        "종목 000660이 유망합니다.",
        "삼성전자는 12조원 공급계약을 맺었습니다.",
        "https://example.org 를 보세요.",
        "<b>삼성전자</b>가 좋습니다.",
        "지금 매수하세요.",
        "주문을 넣었습니다.",
        "삼성전자 " + "가" * 400,
    ],
)
def test_what_they_do_not_say_is_dropped_and_counted(sentence: str) -> None:
    checked = CHECKER.check(f"투자심리가 개선되었습니다. {sentence}")
    assert checked.sentences == ("투자심리가 개선되었습니다.",)
    assert checked.dropped >= 1


@settings(max_examples=200, deadline=None)
@given(st.decimals(min_value=0, max_value=99_999, places=2), st.sampled_from(["%", "원", "점", "", "억원", "배"]))
def test_no_invented_figure_passes(value: object, unit: str) -> None:
    sentence = f"코스피는 {value}{unit} 수준입니다."
    allowed = {(figure.value, figure.unit) for line in FACTS for figure in figures(line)}
    claims = {(figure.value, figure.unit) for figure in figures(sentence)}
    if not any((abs(v), u) in {(abs(a), b) for a, b in allowed} for v, u in claims):
        assert not CHECKER.check(sentence).sentences


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_survived_and_no_kept_sentence_has_a_foreign_figure(text: str) -> None:
    for sentence in CHECKER.check(text).sentences:
        assert CHECKER.supported(sentence)
        assert "<" not in sentence
