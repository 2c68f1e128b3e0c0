# Orkesta: one image for web servers, workers, the scheduler and commands. See docs/production.md.

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
ENV PATH="/venv/bin:$PATH"
WORKDIR /app
# Before the code, so that a change of it does not install everything anew.
COPY requirements.txt ./
RUN pip install --requirement requirements.txt
COPY . .
# A key for this step alone: nothing is signed or sealed with it.
RUN ORCHESTRATOR_SECRET_KEY=only-for-collecting-static-files-while-building \
    python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q orkesta tenants prompts routing conversations

FROM python:3.13-slim-bookworm
# LLM endpoints are checked against the system's certificates.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin orkesta
ENV PATH="/venv/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    ORCHESTRATOR_LOG_FORMAT=json
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
USER orkesta
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
STOPSIGNAL SIGTERM
# Whom to believe about the client's address is ORCHESTRATOR_TRUSTED_PROXIES' business, not uvicorn's.
CMD ["uvicorn", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--no-proxy-headers", "--ws-max-size", "65536", "--ws-per-message-deflate", "false", "--timeout-graceful-shutdown", "20", "orkesta.asgi:application"]
