"""As differential_test.py, with three nodes, of which one is stopped."""
from differential.compare import Comparison, told_by


@told_by("nodes")
class DifferentialNodesTest(Comparison):
    nodes = 3
    racks = ("a", "b", "c")
    properties = {"auto.leader.rebalance.enable": "false", "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector"}
