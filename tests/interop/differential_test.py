"""The same requests, good and bad, to Apache Kafka and to mockbroker: every answer is the same, field by field.

The stories are in differential/; both sides are read with Kafka's own message definitions.  What may differ is in differential/exceptions.py, with why.
"""
from differential.compare import Comparison, told_by
from differential.frames import APIS


@told_by("topics", "logs", "groups", "transactions", "frames", "settings", "systematic")
class DifferentialTest(Comparison):
    every = [api for api in APIS if "Telemetry" not in api]  # those have a test of their own, with a plugin
