"""Korean market headlines by word: finance stems, negations and reversals. Pure.

Phrases are tried first and use up their text, so that "적자 축소" is not read as 적자 and "우려 완화" not as 우려. What is
left is read stem by stem. The lists were written for this service from how Korean market headlines are worded; no
labelled corpus went into them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from engine.results import Sentiment

SPEAKS: Final = 0.75
"""A sum at or beyond this is a polarity; below it the rules are silent."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rules read. ``score`` > 0 is good news; ``words`` are the matched texts, strongest first."""

    score: float
    words: tuple[str, ...]
    mixed: bool
    """Both good and bad words were found."""
    settled: bool = False
    """A phrase says that the headline is neither (an exchange rate, a list of filings)."""

    @property
    def sentiment(self) -> Sentiment:
        if self.settled or abs(self.score) < SPEAKS:
            return Sentiment.NEUTRAL
        return Sentiment.POSITIVE if self.score > 0 else Sentiment.NEGATIVE

    @property
    def speaks(self) -> bool:
        return self.settled or abs(self.score) >= SPEAKS


_RESULTS = r"(?:흑자|이익|영업익|순익|매출|실적|수출|판매|수주|점유율|가동률|거래액|예약|수요|출하|생산|배당금|마진|수익성|주문)"
_UPWARD = (
    r"(?:증가|급증|늘어|늘었|늘고|늘린|개선|↑|껑충|최대|급등|호조|상회|웃돌|뛰어|뛰었|급성장|두 ?배|배로|신기록|성장|돌파|회복|"
    r"반등|확대|상승|턴어라운드|서프라이즈|최고|고공|견조|탄탄|순항|올라|폭증|호전|선방)"
)
_DOWNWARD = (
    r"(?:감소|급감|줄어|줄었|줄고|반토막|뚝|하락|부진|악화|쇼크|↓|급락|축소|둔화|후퇴|곤두박질|역성장|못 ?미|미치지|밑돌|하회|"
    r"내리막|절벽|쪼그라|추락|위축|적자|주춤|제자리|내려|최저|정체|빨간불|먹구름)"
)
_WORRY = r"(?:우려|불안|부담|리스크|불확실성|악재|긴장|경계감|경계|공포|걱정|갈등|위험|논란|의혹)"
_FALLING = r"(?:급락|하락세|하락|약세|감소세|감소|부진|조정|내림세|내리막|폭락|침체|추락|둔화)"
_RISING = r"(?:급등|상승세|상승|강세|증가세|반등|오름세|랠리|회복세|성장세|성장|호조)"

_Phrase = tuple[str, float]

PHRASES: Final[tuple[_Phrase, ...]] = (
    # Neither: said by the form of the headline.
    (r"(?:원|엔|위안)[·/]?(?:달러)?\s?환율[^…]*", 0.0),
    (r"영향(?:은|이)? ?(?:제한적|미미|없|크지 않)", 0.0),
    (r"(?:강|약)?보합|혼조|눈치 ?보기|관망세?|제자리걸음|숨 ?고르기|엇갈", 0.0),
    # A setback that is over, or smaller than before.
    (r"적자[^…,]{0,8}(?:축소|줄|감소|탈출|벗어|개선|끝|마침표|고리 끊)", 1.2),
    (r"적자(?:에서|→|서)? ?흑자", 1.4),
    (r"(?:영업손실|순손실|손실|적자폭)[^…,]{0,14}(?:축소|줄|감소|개선|↓)", 1.2),
    (r"흑자 ?(?:전환|달성|기조|유지|확대|행진|지속|증가|냈|낸|로 돌아)|흑전", 1.4),
    (
        _WORRY
        + r"[은는이가도를을]? ?.{0,6}(?:완화|해소|진정|줄|덜|걷|벗|딛|털|제거|소멸|감소|일단락|극복|낮아|과도|기우|잠재|해결)",
        1.1,
    ),
    (_WORRY + r"[은는이가도]? ?(?:없|않|크지)", 0.6),
    (
        _FALLING
        + r"[은는이가을를]? ?(?:.{0,4})(?:멈추|멈춰|멈췄|멈춘|그치|그쳐|진정|마무리|끝|벗어|탈출|마침표|일단락|제동)",
        1.1,
    ),
    (
        r"(?:규제|제재|거래정지|거래 정지|상폐|상장폐지|관리종목|관세|봉쇄|방역|금수)[^…,]{0,8}(?:완화|해제|해소|풀|면제|유예|제외|철회|모면|탈피|벗어|폐지)",
        1.1,
    ),
    (r"거래 ?재개", 0.9),
    (r"승소|무혐의|무죄|소송[^…,]{0,6}(?:취하|이겨|종결|합의)|불기소", 1.1),
    (r"(?:낙폭|하락폭|손실폭)[^…,]{0,5}(?:축소|만회|회복|줄|좁)", 0.9),
    (r"(?:바닥|저점)[^…,]{0,5}(?:통과|찍|확인|탈출|지났|지나|벗어|다졌|다지|매수)", 1.0),
    (r"(?:물가|인플레이션|인플레|유가|원자재|원가|금리)[^…,]{0,8}(?:인하|둔화|진정|피크아웃|꺾|안정|정점)", 0.9),
    (r"(?:긴축|금리 ?인상)[^…,]{0,8}(?:종료|중단|속도 ?조절|완화|막바지|마무리|끝|멈)", 1.1),
    (r"(?:재고|미분양|부채비율|부채|차입금|연체율|이자 ?부담|비용)[^…,]{0,6}(?:감소|줄|축소|소진|상환|절감|개선)", 0.9),
    (r"공매도[^…,]{0,6}(?:금지|감소|상환|줄)", 0.9),
    (r"(?:유상증자|감자|매각|분할|블록딜)[^…,]{0,5}(?:철회|취소)", 0.9),
    (r"(?:파업|총파업)[^…,]{0,6}(?:철회|종료|끝|유보|피했|타결)|임단협[^…,]{0,6}타결", 1.0),
    (
        r"(?:(?:특허|상표|손해배상|영업비밀) ?)*(?:소송|침해|분쟁)[^…,]{0,8}(?:제기|피소|당해|당했|휘말|패소|번져|돌입)|패소",
        -1.3,
    ),
    # A success that failed, or fades.
    (_RISING + r"[은는이가을를]? ?(?:제동|멈춰|멈추|멈췄|꺾|끝|마침표|주춤|실패|어려|못)", -1.1),
    (r"(?:상승폭|상승분|오름폭)[^…,]{0,6}(?:축소|반납|줄|좁)", -0.9),
    (
        r"(?:기대감|기대|모멘텀|매수세|투자심리|투심|심리|성장세|눈높이)[^…,]{0,6}(?:약화|꺾|위축|둔화|후퇴|찬물|무산|실망|식|사라|빗나|못 ?미|미치지|밑돌|하회|이하|급랭|어려)",
        -1.2,
    ),
    (r"적자[^…,]{0,8}(?:전환|확대|지속|늪|수렁|누적|심화|늘|↑|행진|커져|불어|전망|기록|계속)|적전", -1.4),
    (r"(?:영업손실|순손실|손실)[^…,]{0,14}(?:확대|늘|증가|↑|눈덩이|기록|전환)", -1.3),
    (r"임상[^…,]{0,12}(?:실패|중단|보류|좌절|미달|불발|지연|철회|부작용|충족 못)", -1.5),
    (r"임상[^…,]{0,14}(?:성공|승인|진입|통과|유효성|개시|신청|완료|긍정|효과|입증)", 1.1),
    (r"(?:(?:공급|수주|납품|장기|위탁|판매) ?)*계약[^…,]{0,6}(?:해지|취소|파기|해제|철회|무산|종료|축소|불발)", -1.5),
    (
        r"(?:인수|합병|매각|협상|수주|상장|승인|허가|증설|투자|계획|개발|출시|유치|IPO|심사)[^…,]{0,6}(?:무산|불발|철회|결렬|실패|취소|중단|난항|보류|반려|연기|좌초|탈락|미승인|지연|차질|백지화)",
        -1.2,
    ),
    (r"(?:감사의견|의견) ?(?:거절|한정|부적정)|의견거절", -1.6),
    (r"불성실 ?공시|투자주의 ?환기|횡령|배임|분식|주가 ?조작|시세 ?조종", -1.5),
    (r"상장 ?(?:폐지|적격성)|상폐|거래 ?정지|관리 ?종목", -1.4),
    (
        r"(?:전망|눈높이|의견|등급|추정치|가이던스|목표|예상치|컨센서스)[^…,]{0,10}(?:하향|낮춰|낮추|내려|내렸|강등|하회|밑돌|못 ?미)",
        -1.3,
    ),
    (
        r"(?:전망|눈높이|의견|등급|추정치|가이던스|목표|예상치|컨센서스|기대치|기대|예상)[^…,]{0,10}(?:상향|높여|높였|올려|올렸|승격|상회|웃돌|웃도는|넘어|뛰어넘|이상)",
        1.3,
    ),
    (r"목표 ?(?:주가|가)[^…]{0,12}(?:상향|↑|올려|높여|올린|상승|[0-9]% ?UP)", 1.4),
    (r"목표 ?(?:주가|가)[^…]{0,12}(?:하향|↓|내려|낮춰|낮춘|하락|축소)", -1.4),
    (r"배당[^…,]{0,8}(?:확대|증가|상향|늘|결정|실시|매력|↑|기대|쏜다|쏘)|주주 ?환원|주주 ?친화", 1.1),
    (r"배당[^…,]{0,8}(?:축소|중단|삭감|줄|취소|↓|못)", -1.2),
    (r"(?:자사주|자기주식)[^…,]{0,14}(?:매입|소각|취득|사들)", 1.2),
    (r"(?:자사주|자기주식)[^…,]{0,14}(?:처분|매각|팔)", -0.9),
    (r"무상 ?증자", 1.0),
    (r"유상 ?증자|전환사채|신주인수권|블록딜|오버행|보호예수[^…,]{0,4}해제|무상 ?감자|감자 ?결정", -1.0),
    (
        r"순매수|매수 ?우위|['‘’]?사자['‘’]|사들여|사들였|사들인|쓸어 ?담|집중 ?매수|러브콜|매수세 ?유입|러시|저가 ?매수",
        1.1,
    ),
    (
        r"순매도|매도 ?우위|['‘’]?팔자['‘’]|팔아 ?치|매도 ?폭탄|투매|차익 ?실현|차익 ?매물|매물 ?(?:폭탄|출회|소화)|자금 ?(?:이탈|유출)|엑소더스|매도세|매도 ?공세|내던",
        -1.1,
    ),
    (r"(?:어닝|깜짝) ?(?:서프라이즈|실적)|호실적|실적 ?(?:잔치|축포|신기록)", 1.4),
    (r"어닝 ?쇼크|실적 ?(?:쇼크|충격)", -1.4),
    (r"(?:신고가|최고가|신기록|사상 ?최대|역대 ?최대|사상 ?최고|역대 ?최고|최대 ?실적|최고치)", 1.2),
    (r"(?:신저가|최저가|사상 ?최저|역대 ?최저|최저치|연저점|연중 ?최저)", -1.2),
    (_RESULTS + r"[^…]{0,34}?" + _UPWARD, 1.2),
    (_RESULTS + r"[^…]{0,34}?" + _DOWNWARD, -1.2),
    (
        r"(?:약세장|하락장|불황|침체|악재|위기|악화|우려|급락|하락|약세|부진|둔화|리스크|난|한파|비수기|인상|논란)[은는]? ?(?:속에서도|속|에도|불구|뚫고|이기고|넘어|무색|딛고)",
        0.3,
    ),
    (
        r"(?:상승장|강세장|호황|호재|개선|강세|상승|반등|성장|증가|급등|호조|기대|성공|호평)[은는]? ?(?:속에서도|속|에도|불구|무색)",
        -0.3,
    ),
)

_GOOD: Final[dict[float, str]] = {
    1.2: "상한가 급등 강세 폭등 급반등 따상 대박 호재 수혜 흑자 上 불기둥 날았 초강세",
    1.0: "상승 오름 올라 올랐 오른 반등 호조 훈풍 순항 수주 공급계약 계약 낙찰 호평 개선 회복 돌파 흥행 완판 질주 껑충 급증 "
    "턴어라운드 재평가 저평가 상회 웃돌 낭보 들썩 활짝 고공행진 탄력 활황 호황 잭팟 랠리 기지개 안도 ↑ 상향 매력 쾌거 청신호 기염",
    0.8: "기대 성장 최대 최고 승인 허가 특허 유치 선정 수상 인증 획득 성공 협약 MOU 맞손 손잡 진출 확대 증가 늘어 날개 박차 가속 "
    "견조 탄탄 긍정 유망 주목 탑픽 최선호 매수 체결 선도 1위 도약 강화 공급 납품 부양 추천 입증 본격화 재개 훨훨",
}
_BAD: Final[dict[float, str]] = {
    1.2: "하한가 급락 폭락 약세 악재 파산 부도 회생절차 압수수색 구속 기소 고발 추락 곤두박질 패닉 쇼크 와르르 직격탄 "
    "충격 검은 피소 적자 손실 초비상 날벼락",
    1.0: "하락 내림 내린 내렸 내려 부진 악화 둔화 위축 침체 우려 불안 과징금 벌금 제재 리콜 화재 폭발 사고 파업 해킹 유출 하향 급감 "
    "하회 밑돌 실패 무산 불발 철회 먹구름 비상 발목 휘청 출렁 털썩 빨간불 찬바람 한파 타격 공포 쓴맛 눈물 울상 비명 암울 "
    "미끄러 ↓ 뚝 위기 적신호 경고 소송 벼랑 흔들 고전 갈등 급제동 추징 담합 손상차손 자본잠식 연체 부실 하차 실망 된서리",
    0.8: "감소 줄어 줄었 지연 중단 연기 취소 부담 리스크 논란 의혹 압박 약화 이탈 매도 결함 반토막 공매도 하방 주춤 뒷걸음 저조 축소 "
    "난항 차질 조사 철수 감원 구조조정 고평가 거품 긴축 반납 물량 의무보유",
}


def _stems(table: dict[float, str], sign: float) -> dict[str, float]:
    return {word: sign * weight for weight, words in table.items() for word in words.split()}


STEMS: Final = _stems(_GOOD, 1.0) | _stems(_BAD, -1.0)
_STEM = re.compile("|".join(re.escape(word) for word in sorted(STEMS, key=len, reverse=True)))
_COMPILED = tuple((re.compile(pattern), weight) for pattern, weight in PHRASES)
_SETTLED = re.compile(
    r"^\(\d{1,2}일\)|주요 ?공시|오늘의 ?(?:증시|일정|공시|주요)|증시 ?(?:일정|캘린더)|\[(?:인사|부고|동정|표|그래픽|포토|인포)[^\]]*\]|"
    r"(?:원|엔|위안)[·/](?:달러|엔) ?환율"
)
_TAGS = re.compile(
    r"\[[^\]]{0,20}\]|\((?:종합|상보|속보|마감|장마감|개장|\d보)[^)]{0,6}\)|【[^】]{0,20}】|<[^>]{0,20}>"
)
_NEGATION = re.compile(
    r"^(?:[은는이가도을를]|하지|되지|하기|할 수|에는|까지)? ?(?:어려|않|아니|없|못|안 돼|글쎄|미지수|의문|불투명|멀었)"
)
_DOUBT = re.compile(r"(?:까|나|나요|을까|일까|하나)?\?|될까|할까|글쎄|미지수|엇갈")
LONGEST: Final = 300
"""Characters read; a headline is never longer, and the patterns stay quick."""


def read(headline: str) -> Reading:
    """Read one headline; markup, tags and everything beyond ``LONGEST`` characters are ignored."""
    if _SETTLED.search(headline[:LONGEST]):
        return Reading(0.0, (), mixed=False, settled=True)
    text = _TAGS.sub(" ", headline[:LONGEST])
    found: list[tuple[float, str]] = []
    for pattern, weight in _COMPILED:
        while (match := pattern.search(text)) is not None:
            found.append((weight, match.group().strip()))
            text = text[: match.start()] + " … " + text[match.end() :]
    for match in _STEM.finditer(text):
        weight = STEMS[match.group()]
        if _NEGATION.match(text[match.end() : match.end() + 8]):
            weight *= -0.8 if weight > 0 else -0.5
        found.append((weight, match.group()))
    good = sum(weight for weight, _ in found if weight > 0)
    bad = sum(weight for weight, _ in found if weight < 0)
    score = good + bad
    if _DOUBT.search(text):
        score *= 0.6
    words = tuple(word for weight, word in sorted(found, key=lambda item: -abs(item[0])) if weight)
    return Reading(score, tuple(dict.fromkeys(words)), mixed=good > 0.5 and bad < -0.5)
