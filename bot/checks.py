"""What ``gaemi doctor`` and 점검 look at: each check says what it saw and, when it is not well, what to do."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from bot.services import Check
from bot.settings import Settings
from engine.calendar import LAST_DAY, TradingCalendar
from engine.clock import wall_now
from engine.market import Environment

LEAST_FREE_MEGABYTES = 500


def run_checks(settings: Settings) -> list[Check]:
    """Everything that can be checked without the network and without disturbing a running service."""
    return list(_checks(settings))


def _checks(settings: Settings) -> Iterator[Check]:
    yield Check("파이썬", sys.version_info[:2] >= (3, 11), sys.version.split()[0], "Python 3.11 이 필요합니다")
    yield Check("설정", True, f"{settings.environment.label}, 계좌 끝자리 {settings.account_tail}")
    yield _disk(settings.gaemi_home)
    yield _database(settings.gaemi_home)
    yield _clock()
    yield _calendar()
    yield _font()
    yield _package("예측(torch)", "torch", "make setup 을 다시 실행하세요")
    yield _port(settings.gaemi_host, settings.gaemi_port)
    yield from _keys(settings)


def _disk(home: Path) -> Check:
    existing = home
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free // 1_000_000
    probe = existing / ".gaemi-doctor"
    try:
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return Check("자료 폴더", False, f"{home}: {error.strerror}", "쓸 수 있는 폴더를 GAEMI_HOME 으로 지정하세요")
    advice = f"{LEAST_FREE_MEGABYTES}MB 이상을 비우세요. 디스크가 차면 주문을 내지 않습니다"
    return Check("자료 폴더", free >= LEAST_FREE_MEGABYTES, f"{home} (남은 공간 {free:,}MB)", advice)


def _database(home: Path) -> Check:
    found = sorted(home.glob("**/journal.db"))
    for path in found:
        try:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5) as connection:
                answer = connection.execute("PRAGMA quick_check").fetchone()[0]
        except sqlite3.Error as error:
            answer = str(error)
        if answer != "ok":
            return Check("주문 원장", False, f"{path}: {answer}", "백업에서 되살리거나 파일을 옮긴 뒤 다시 시작하세요")
    return Check("주문 원장", True, f"{len(found)}개 정상" if found else "아직 없음 (첫 실행 때 만듭니다)")


def _clock() -> Check:
    now = wall_now()
    return Check(
        "시계", now.utcoffset() == timedelta(hours=9), f"한국 시각 {now:%Y-%m-%d %H:%M:%S}", "tzdata 를 설치하세요"
    )


def _calendar() -> Check:
    today = wall_now().date()
    calendar = TradingCalendar()
    if today > LAST_DAY:
        return Check("거래일 달력", False, f"{LAST_DAY} 까지만 압니다", "개미를 새 버전으로 올리세요")
    session = calendar.session(today)
    word = (
        f"오늘 {session.open:%H:%M}–{session.close:%H:%M}" if session else f"오늘 휴장, 다음 {calendar.next_day(today)}"
    )
    return Check("거래일 달력", True, word)


def _font() -> Check:
    try:
        from charts.theme import font_path

        path = font_path("regular")
    except (ImportError, OSError, RuntimeError, LookupError) as error:
        return Check("한글 글꼴", False, str(error), "make setup 을 다시 실행하세요")
    return Check("한글 글꼴", path.is_file(), path.stem, "make setup 을 다시 실행하세요")


def _package(label: str, name: str, advice: str) -> Check:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Check(label, True, version(name))
    except PackageNotFoundError:
        return Check(label, False, "설치되지 않음", advice)


def _port(host: str, port: int) -> Check:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            holder = port_holder(port)
            return Check(
                "웹 포트", False, f"{port} 번을 {holder} 이(가) 쓰는 중", "그것을 끄거나 --port 로 다른 번호를 쓰세요"
            )
    return Check("웹 포트", True, f"{host}:{port}")


def port_holder(port: int) -> str:
    """Who listens on a local port, as well as we may know."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is None:
                    break
                process = psutil.Process(connection.pid)
                return f"{process.name()} (프로세스 {connection.pid})"
    except psutil.Error:
        pass  # not allowed to see it: the answer below is still true
    return "다른 프로그램"


def _keys(settings: Settings) -> Iterator[Check]:
    named: list[tuple[str, bool, str]] = [
        ("KIS 키", settings.environment is not Environment.SIMULATOR, "없음: 내장 시뮬레이터로 실행합니다"),
        ("디스코드", settings.discord_token is not None or settings.discord_webhook_url is not None, "없음"),
        ("텔레그램", settings.telegram_token is not None, "없음"),
        ("Gemini", settings.gemini_api_key is not None, "없음: 분석과 리포트는 규칙으로 답합니다"),
        ("네이버 뉴스", settings.naver_client_id is not None, "없음: RSS 와 KIS 뉴스 제목을 씁니다"),
    ]
    for label, given, absent in named:
        yield Check(label, True, "설정됨" if given else absent)
    lonely: list[tuple[str, bool, Callable[[], bool]]] = [
        (
            "디스코드",
            settings.discord_token is not None,
            lambda: bool(settings.discord_admins or settings.discord_traders),
        ),
        (
            "텔레그램",
            settings.telegram_token is not None,
            lambda: bool(settings.telegram_admins or settings.telegram_traders),
        ),
    ]
    for label, given, listed in lonely:
        if given and not listed():
            name = "DISCORD_ADMINS" if label == "디스코드" else "TELEGRAM_ADMINS"
            yield Check(
                f"{label} 사용자",
                False,
                "목록이 비어 있어 아무도 쓸 수 없습니다",
                f"{name} 에 내 숫자 아이디를 적으세요",
            )
    if settings.environment is Environment.REAL and settings.gaemi_totp_secret is None:
        yield Check("실전 시동", False, "일회용 코드 비밀 값이 없습니다", "GAEMI_TOTP_SECRET 을 설정하세요")
