# Needs only Python 3.11 and make. Each target sets up what it needs.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
GAEMI := $(BIN)/gaemi
ARGS ?=

.PHONY: setup run test lint bench campaign mutate conformance lock clean help

help: ## 이 목록
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /  —  /'

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 이 필요합니다 (PYTHON=경로 로 지정할 수 있습니다)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	@echo "패키지를 설치합니다 (약 1.8GB, 몇 분 걸립니다)…"
	$(BIN)/python -m pip install --disable-pip-version-check --prefer-binary -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --quiet -e .
	@echo "계산 커널을 미리 컴파일합니다…"
	$(BIN)/python -c "from engine.scorer import warm; warm()"
	@du -sh $(VENV) | awk '{print "설치가 끝났습니다: " $$1}'
	@touch $@

$(VENV)/.test: requirements-test.lock $(VENV)/.run
	@echo "시험 도구를 설치합니다…"
	$(BIN)/python -m pip install --disable-pip-version-check --prefer-binary -r requirements-test.lock
	@touch $@

setup: $(VENV)/.run ## 실행에 필요한 것을 .venv 에 설치

run: $(VENV)/.run ## 개미 시작 (키가 없으면 내장 시뮬레이터). 예: make run ARGS="--speed 600"
	@$(GAEMI) run $(ARGS)

lint: $(VENV)/.test ## ruff, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## 모든 검사와 시험
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

bench: $(VENV)/.test ## 이름 있는 비교 대상과 같은 실행에서 잰 속도
	$(BIN)/python -m tests.benchmarks $(ARGS)

campaign: $(VENV)/.test ## 주문의 긴 고장 시험. 예: make campaign ARGS="--days 300 --kills 40 --seed 1 --json"
	$(BIN)/python -m tests.simulation.campaign $(ARGS)

mutate: $(VENV)/.test ## 위험 관문, 상태 기계, 대사의 변이 시험
	$(BIN)/python -m tests.mutation $(ARGS)

conformance: $(VENV)/.test ## 남의 KIS 클라이언트를 우리 시뮬레이터에 그대로 물려 보기
	bash tests/conformance/run.sh

lock: $(VENV)/.test ## 잠금 파일 다시 만들기
	$(BIN)/python -m tests.tools.lock

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
