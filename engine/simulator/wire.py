"""The WebSocket wire of the simulated broker: record layouts per epoch, frames, the cipher of execution notices.

Written from the protocol description alone, independently of the client's tables.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from engine.simulator.formats import names
from engine.simulator.settings import WireEpoch

TRADE = "H0STCNT0"
BOOK = "H0STASP0"
EXPECTED = "H0STANC0"
MARKET_STATE = "H0STMKO0"
INDEX = "H0UPCNT0"
NOTICE_REAL = "H0STCNI0"
NOTICE_MOCK = "H0STCNI9"

STOCK_STREAMS = frozenset({TRADE, BOOK, EXPECTED, MARKET_STATE})
NOTICES = frozenset({NOTICE_REAL, NOTICE_MOCK})
FOREIGN_NOTICES = frozenset({"H0GSCNI0", "H0GSCNI9"})
ENCRYPTED = NOTICES | FOREIGN_NOTICES
MOCK_STREAMS = frozenset({TRADE, BOOK, NOTICE_MOCK, "H0GSCNI9"})
SILENT_STREAMS = FOREIGN_NOTICES | frozenset(
    names(
        "H0NXCNT0 H0NXASP0 H0NXANC0 H0NXMKO0 H0NXPGM0 H0NXMBC0 H0UNCNT0 H0UNASP0 H0UNANC0 H0UNMKO0 H0UNPGM0 H0UNMBC0 "
        "H0UPANC0 H0UPPGM0 H0STPGM0 H0STMBC0 H0STOUP0 H0STOAA0 H0STOAC0"
    )
)
"""Registered with success on a real key; nothing is ever sent (no stock of the tape trades there)."""

TRADE_FIELDS: tuple[str, ...] = names(
    "MKSC_SHRN_ISCD STCK_CNTG_HOUR STCK_PRPR PRDY_VRSS_SIGN PRDY_VRSS PRDY_CTRT WGHN_AVRG_STCK_PRC STCK_OPRC STCK_HGPR "
    "STCK_LWPR ASKP1 BIDP1 CNTG_VOL ACML_VOL ACML_TR_PBMN SELN_CNTG_CSNU SHNU_CNTG_CSNU NTBY_CNTG_CSNU CTTR "
    "SELN_CNTG_SMTN SHNU_CNTG_SMTN CCLD_DVSN SHNU_RATE PRDY_VOL_VRSS_ACML_VOL_RATE OPRC_HOUR OPRC_VRSS_PRPR_SIGN "
    "OPRC_VRSS_PRPR HGPR_HOUR HGPR_VRSS_PRPR_SIGN HGPR_VRSS_PRPR LWPR_HOUR LWPR_VRSS_PRPR_SIGN LWPR_VRSS_PRPR "
    "BSOP_DATE NEW_MKOP_CLS_CODE TRHT_YN ASKP_RSQN1 BIDP_RSQN1 TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN VOL_TNRT "
    "PRDY_SMNS_HOUR_ACML_VOL PRDY_SMNS_HOUR_ACML_VOL_RATE HOUR_CLS_CODE MRKT_TRTM_CLS_CODE VI_STND_PRC "
    "MARKET_CLS_CODE"
)
BOOK_FIELDS: tuple[str, ...] = (
    "MKSC_SHRN_ISCD",
    "BSOP_HOUR",
    "HOUR_CLS_CODE",
    *(f"ASKP{level}" for level in range(1, 11)),
    *(f"BIDP{level}" for level in range(1, 11)),
    *(f"ASKP_RSQN{level}" for level in range(1, 11)),
    *(f"BIDP_RSQN{level}" for level in range(1, 11)),
    *names(
        "TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN OVTM_TOTAL_ASKP_RSQN OVTM_TOTAL_BIDP_RSQN ANTC_CNPR ANTC_CNQN ANTC_VOL "
        "ANTC_CNTG_VRSS ANTC_CNTG_VRSS_SIGN ANTC_CNTG_PRDY_CTRT ACML_VOL TOTAL_ASKP_RSQN_ICDC TOTAL_BIDP_RSQN_ICDC "
        "OVTM_TOTAL_ASKP_ICDC OVTM_TOTAL_BIDP_ICDC STCK_DEAL_CLS_CODE MID_PRC MIDP_TOTAL_RSQN MIDP_CLS_CODE "
        "MARKET_CLS_CODE"
    ),
)
NOTICE_FIELDS: tuple[str, ...] = names(
    "CUST_ID ACNT_NO ODER_NO OODER_NO SELN_BYOV_CLS RCTF_CLS ODER_KIND ODER_COND STCK_SHRN_ISCD CNTG_QTY CNTG_UNPR "
    "STCK_CNTG_HOUR RFUS_YN CNTG_YN ACPT_YN BRNC_NO ODER_QTY ACNT_NAME ORD_COND_PRC ORD_EXG_GB POPUP_YN FILLER "
    "CRDT_CLS CRDT_LOAN_DATE CNTG_ISNM40 ODER_PRC"
)
NOTICE_FIELDS_2024: tuple[str, ...] = (
    *NOTICE_FIELDS[:18],
    "CNTG_ISNM",
    "CRDT_CLS",
    "CRDT_LOAN_DATE",
    "CNTG_ISNM40",
    "ODER_PRC",
)
INDEX_FIELDS: tuple[str, ...] = names(
    "bstp_cls_code bsop_hour prpr_nmix prdy_vrss_sign bstp_nmix_prdy_vrss acml_vol acml_tr_pbmn pcas_vol pcas_tr_pbmn "
    "prdy_ctrt oprc_nmix nmix_hgpr nmix_lwpr oprc_vrss_nmix_prpr oprc_vrss_nmix_sign hgpr_vrss_nmix_prpr "
    "hgpr_vrss_nmix_sign lwpr_vrss_nmix_prpr lwpr_vrss_nmix_sign prdy_clpr_vrss_oprc_rate prdy_clpr_vrss_hgpr_rate "
    "prdy_clpr_vrss_lwpr_rate uplm_issu_cnt ascn_issu_cnt stnr_issu_cnt down_issu_cnt lslm_issu_cnt "
    "qtqt_ascn_issu_cnt qtqt_down_issu_cnt tick_vrss"
)
EXPECTED_FIELDS: tuple[str, ...] = TRADE_FIELDS[:45]
MARKET_STATE_FIELDS: tuple[str, ...] = names(
    "MKSC_SHRN_ISCD TRHT_YN TR_SUSP_REAS_CNTT MKOP_CLS_CODE ANTC_MKOP_CLS_CODE MRKT_TRTM_CLS_CODE DIVI_APP_CLS_CODE "
    "ISCD_STAT_CLS_CODE VI_CLS_CODE OVTM_VI_CLS_CODE EXCH_CLS_CODE"
)

_LENGTHS: Mapping[WireEpoch, Mapping[str, int]] = {
    "2024": {TRADE: 46, BOOK: 59},
    "2025": {TRADE: 46, BOOK: 59},
    "2026-09": {TRADE: 47, BOOK: 63},
}


def layout(tr_id: str, epoch: WireEpoch) -> tuple[str, ...]:
    """The ordered field names of one record of ``tr_id``."""
    if tr_id in NOTICES:
        return NOTICE_FIELDS_2024 if epoch == "2024" else NOTICE_FIELDS
    fields = {
        TRADE: TRADE_FIELDS,
        BOOK: BOOK_FIELDS,
        INDEX: INDEX_FIELDS,
        EXPECTED: EXPECTED_FIELDS,
        MARKET_STATE: MARKET_STATE_FIELDS,
    }[tr_id]
    return fields[: _LENGTHS[epoch].get(tr_id, len(fields))]


def notice_of(mock: bool) -> str:
    return NOTICE_MOCK if mock else NOTICE_REAL


def frame(tr_id: str, records: Sequence[str]) -> str:
    """One data frame; each record is already joined by ``^``."""
    return f"0|{tr_id}|{len(records):03d}|{'^'.join(records)}"


def encrypt(plain: str, key: str, iv: str) -> str:
    """AES-256-CBC, PKCS#7, base64: the key's 32 characters and the iv's 16 are the bytes."""
    padder = PKCS7(128).padder()
    padded = padder.update(plain.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode())).encryptor()
    return b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def encrypted_frame(tr_id: str, records: Sequence[str], key: str, iv: str) -> str:
    return f"1|{tr_id}|{len(records):03d}|{encrypt('^'.join(records), key, iv)}"
