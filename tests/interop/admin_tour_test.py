"""Kafka's Admin goes on a tour (java/AdminTour.java): each answer of mockbroker is the one that Apache Kafka 4.3.1 gave (admin_tour.txt).

To write the file anew: a broker with StandardAuthorizer, super.users=User:ANONYMOUS and allow.everyone.if.no.acl.found=true, and
    java -cp 'build/kafka/4.3.1/libs/*' tests/interop/java/AdminTour.java BOOTSTRAP acls scram features cluster configs
"""
import os
import unittest

from common import Mockbroker, Settings, run
from kafka_cluster import java

HERE = os.path.dirname(os.path.abspath(__file__))
CHAPTERS = ["acls", "scram", "features", "cluster", "configs"]
AUTHORIZER = ["--config", "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "--config", "super.users=User:ANONYMOUS",
              "--config", "allow.everyone.if.no.acl.found=true"]


class AdminTourTest(unittest.TestCase):
    maxDiff = None

    def test_every_answer_is_that_of_kafka(self):
        with open(os.path.join(HERE, "admin_tour.txt"), encoding="utf-8") as f:
            expected = f.read().splitlines()
        with Mockbroker("--as-version", "4.3", *AUTHORIZER) as cluster:
            got = run(java(os.path.join(Settings.kafka, "libs"), os.path.join(HERE, "java", "AdminTour.java"), cluster.bootstrap, *CHAPTERS)).stdout
        self.assertEqual(got.splitlines(), expected)
