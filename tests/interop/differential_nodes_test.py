"""As differential_test.py, with three nodes, of which one is stopped."""
from differential.compare import Comparison, told_by


@told_by("nodes")
class DifferentialNodesTest(Comparison):
    nodes = 3
    properties = {"auto.leader.rebalance.enable": "false"}
