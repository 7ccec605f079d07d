"""OpenTelemetry: a span for every request. Needs the extra `telemetry`, so it is imported only where that is on.

Spans carry the route and never what a stranger chose: no path, no query.
"""

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from app import __version__

CHOSEN_BY_STRANGERS = frozenset({"url.path", "url.query", "http.request.method_original"})


class Redact(SpanProcessor):
    """Blots out of a starting span what a stranger chose."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Overwrite the attributes."""
        del parent_context
        for name in CHOSEN_BY_STRANGERS & set(span.attributes or ()):
            span.set_attribute(name, "")


def tracer_provider(exporter: SpanExporter | None = None) -> TracerProvider:
    """Spans of this server, handed to an exporter in batches: by default over OTLP to where OTEL_* variables say."""
    provider = TracerProvider(resource=Resource.create({"service.name": "skelmap", "service.version": __version__}))
    provider.add_span_processor(Redact())
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    return provider
