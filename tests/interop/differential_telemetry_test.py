"""As differential_test.py, for the metrics of clients (KIP-714): Kafka has a plugin that takes them, compiled here."""
from differential.compare import Comparison, told_by


@told_by("telemetry")
class DifferentialTelemetryTest(Comparison):
    every = ["GetTelemetrySubscriptions", "PushTelemetry"]
    plugin = "MetricsReceiver"
    properties = {"telemetry.max.bytes": 1000}
