# Two stages: nothing that compiles or installs is needed in the second one.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /venv
COPY requirements/ requirements/
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY monitor/ monitor/
RUN /venv/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
# A fixed uid, so that the owner of mounted secrets can be set on the host.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin stakewarden
COPY --from=build /venv /venv
WORKDIR /app
COPY rules/ rules/
COPY docs/runbooks/ docs/runbooks/
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8787
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8787/healthz', timeout=4)"]
ENTRYPOINT ["stakewarden"]
CMD ["run", "--settings", "/app/settings.yaml"]
