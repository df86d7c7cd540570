# The Makefile's own commands in a slim image, as a non-root user.
FROM python:3.11-slim

RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 10001 gaemi
WORKDIR /home/gaemi/app
RUN chown gaemi:gaemi /home/gaemi/app
USER gaemi

# For the CPU build of torch (several GB smaller) pass the address of its wheel index, see README:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=… .
ARG PIP_EXTRA_INDEX_URL
COPY --chown=gaemi:gaemi Makefile pyproject.toml requirements.lock README.md LICENSE ./
COPY --chown=gaemi:gaemi bot bot
COPY --chown=gaemi:gaemi engine engine
COPY --chown=gaemi:gaemi charts charts
COPY --chown=gaemi:gaemi data data
RUN PIP_EXTRA_INDEX_URL="$PIP_EXTRA_INDEX_URL" make setup PYTHON=python3.11

RUN mkdir -p /home/gaemi/data
ENV GAEMI_HOME=/home/gaemi/data TZ=Asia/Seoul PYTHONUNBUFFERED=1
EXPOSE 8000
VOLUME /home/gaemi/data
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD [".venv/bin/gaemi", "health"]
CMD [".venv/bin/gaemi", "run"]
