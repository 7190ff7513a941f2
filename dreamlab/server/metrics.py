"""Figures for Prometheus: of the queue as the store has it, and of the requests of this process."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamlab.server.store import Store
from dreamlab.server.workers import Workers

router = APIRouter()


class Metrics:
    """What /metrics shows. Restarts lose nothing of the queue's figures: they are read from the store."""

    def __init__(self, store: Store, workers: Workers) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Queue(store, workers))
        self.requests = Counter(
            "dreamlab_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "dreamlab_http_request_seconds",
            "Until an answer began.",
            ["route"],
            buckets=(0.005, 0.02, 0.1, 0.5, 2, 10),
            registry=self.registry,
        )


class _Queue(Collector):
    def __init__(self, store: Store, workers: Workers) -> None:
        self.store, self.workers = store, workers

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("dreamlab_jobs", "Jobs in a state.", labels=["state"])
        for state, count in self.store.counts().items():
            jobs.add_metric([state], count)
        yield jobs
        yield GaugeMetricFamily("dreamlab_workers", "Workers alive.", self.workers.alive)
        yield CounterMetricFamily(
            "dreamlab_worker_restarts", "Workers started in the place of dead ones.", self.workers.restarts
        )
        took = SummaryMetricFamily("dreamlab_job_seconds", "From begun to done.", labels=["preset"])
        waited = SummaryMetricFamily("dreamlab_job_waiting_seconds", "From submitted to begun.")
        for row in self.store.durations():
            took.add_metric([row["preset"]], row["jobs"], row["took"])
        waiting = self.store.waits()
        waited.add_metric([], waiting["jobs"], waiting["waited"])
        yield took
        yield waited


@router.get("/metrics", response_class=Response, tags=["about"])
def metrics(request: Request) -> Response:
    """Figures in the text format of Prometheus."""
    found = generate_latest(request.app.state.metrics.registry)
    return Response(found, media_type=CONTENT_TYPE_LATEST)


class Measured:
    """ASGI middleware that counts requests by the route that answered them, never by what they asked for."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), "500"

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                self.metrics.seconds.labels(_route(scope)).observe(time.perf_counter() - began)
            await send(message)

        try:
            await self.app(scope, receive, told)
        finally:
            self.metrics.requests.labels(_method(scope), _route(scope), status).inc()


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "other")


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "DELETE", "OPTIONS") else "other"
