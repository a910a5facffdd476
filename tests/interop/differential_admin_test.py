"""As differential_test.py, for what administrators ask, with an authorizer to whom every client is a super user."""
from differential.compare import Comparison, told_by


@told_by("admin")
class DifferentialAdminTest(Comparison):
    properties = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:ANONYMOUS"}
