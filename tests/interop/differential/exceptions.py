"""Where mockbroker differs on purpose, or does less: the row of docs/mockbroker.md that tells it, why, which API, which request of the story, which field of the answer (regular
expressions, whole).

A row that meets no difference any more fails the differential test; a row that the page does not tell, or one there that nothing here stands for, fails `tests/e2e/docs_test.py`.
"""
MOST = 31  # rows, all together: whoever needs one more looks for one that need not be

BOTH = [  # met with any number of nodes
    ("a topic that is only validated", "it has no id here", "CreateTopics", ".*", r".*\.TopicId"),
]
DESCRIBED = [
    ("directories", "their capacity is not known here", "DescribeLogDirs", ".*", r".*\.(Total|Usable)Bytes"),
    ("the log of the metadata", "how long it is", "DescribeQuorum", ".*", r".*\.HighWatermark"),
]
LOOKING = DESCRIBED + [
    ("a request that contradicts itself", "what is named twice is answered twice", "DescribeLogDirs|AlterReplicaLogDirs|DeleteRecords|OffsetCommit", r"a partition twice|.*(first row twice|\[0, 0\]).*", r".*\.(Partitions|Topics)"),
]
SINGLE = BOTH + LOOKING + [
    ("the end of the numbers", "Kafka counts on from the last partition there is, and below none", "DescribeTopicPartitions", ".*PartitionIndex=2147483647.*", r"\.NextCursor.*"),
    ("quotas", "names of users who have them and of client ids have at most 249 bytes", "AlterClientQuotas", r".*EntityName=x+\.\.\.300.*", r".*\.Error(Code|Message)"),
    ("what the protocol does not allow", "Kafka lets pass tags that do not ascend, counts and lengths below -1", "ApiVersions|Metadata|DescribeConfigs",
     r"tags.*: (out of order|the same twice)|client id -.*|-\d+ (topics|keys)|2\^32-2 topics", ".*"),
    ("what the protocol does not allow", "a name that is no UTF-8 comes back as it was", "Metadata", "a name of (fffe|c3|eda080)", ".*"),
    ("APIs between brokers and controllers, of share and streams groups, of tiered storage", "not served", "ApiVersions", ".*",
     r"(\.Answers\[0\])?\.ApiKeys\.(27|7[6-9]|8[0-9]|9[0-9])(\..*)?"),
    ("client metrics", "always taken; Kafka needs a plugin that receives them", "ApiVersions", ".*", r"(\.Answers\[0\])?\.ApiKeys\.7[12]"),
    ("APIs between brokers and controllers, of share and streams groups, of tiered storage", "features of what is not served", "ApiVersions", ".*",
     r"(\.Answers\[0\])?\.(FinalizedFeatures|SupportedFeatures)\.(share|streams|kraft)\.version.*"),
    ("blanks in a setting", "values are taken as they are: no blanks around a number", "CreateTopics", "config retention.ms= .*", ".*"),
    ("`segment.bytes`", "may be as small as before Kafka 4.0, so that a test has some segments", "CreateTopics|IncrementalAlterConfigs", "(2 )?segment.bytes=100", ".*"),
    ("a request that contradicts itself", "(an id and a name, or neither) fails whole in Kafka, and topic by topic here", "Metadata", r"(unknown|no) id|(id|unknown) and .*|no id|Topics\.0\.(TopicId=.*|Name=None)", ".*"),
    ("a topic made by asking for it", "is there at once; Kafka says at first that there is none", "Metadata", "with creation", ".*"),
    ("derived settings (`log.retention.ms`)", "shown as they are in force, with synonym", "DescribeConfigs", ".*",
     r".*\.(retention\.ms|segment\.ms|segment\.jitter\.ms|flush\.ms|log\.retention\.ms)(\..*)?"),
    ("APIs between brokers and controllers, of share and streams groups, of tiered storage", "there is no tiered storage: its settings of brokers are not known", "DescribeConfigs", ".*",
     r".*\.local\.retention\.(ms|bytes)\..*"),
    ("descriptions of settings", "none", "DescribeConfigs", "documentation", r".*\.Documentation"),
    ("APIs between brokers and controllers, of share and streams groups, of tiered storage", "not served, nor their settings", "DescribeConfigs", "32 .*", r".*\.(share|streams)\..*"),
    ("unknown broker settings", "those that nothing here would act upon are not known (log.cleaner.threads)", "DescribeConfigs", "broker keys", r".*\.Configs\.log\.cleaner\.threads"),
    ("unknown broker settings", "refused: a typing error that is silently stored makes a test lie", "IncrementalAlterConfigs", "(broker .* (no.such|log.cleaner.threads)=.*|delete unknown.*)", ".*"),
    ("blanks in a setting", "an empty word is no word of a list", "IncrementalAlterConfigs", "append nothing.*", ".*"),
    ("a request that contradicts itself", "a topic without a name", "DescribeTopicPartitions", "no name", ".*"),
    ("a request that contradicts itself", "a topic that is named twice is answered twice", "ListOffsets", "(the same|a partition|.*its first row) twice", ".*"),
    ("a request that contradicts itself", "a level of isolation that does not exist counts as read_uncommitted", "Fetch", "isolation (2|-1)", ".*"),
    ("a request that contradicts itself", "a negative size counts as none", "Fetch", "-1 bytes.*", ".*"),
    ("a request that contradicts itself", "a partition that is named twice is answered once", "Fetch", "a partition twice", ".*"),
    ("a topic of which nothing is asked", "is in the answer", "Produce|AddPartitionsToTxn", "no partitions.*", r".*Responses|.*Topics|.*TopicResults"),
]
ADMIN = LOOKING + [
    ("quotas", "addresses are not looked up: quotas of them are not enforced", "AlterClientQuotas", "bad ip.*", r".*\.Error(Code|Message)"),
]
NODES = BOTH + DESCRIBED + [
    ("brokers' settings", "those behind settings of topics are the same on all brokers, and not altered for one", "IncrementalAlterConfigs",
     "(message.max.bytes|compression.type|log.retention.bytes|unclean.leader.election.enable)=.* of '[123]', asked.*", r".*\.Error(Code|Message)"),
    ("a move that takes a replica away and leaves the leader", "does not raise the leader's epoch", "Metadata|DescribeTopicPartitions", "moved|elected", r".*\.LeaderEpoch"),
]
TELEMETRY = []
ROWS = {"DifferentialTest": SINGLE, "DifferentialTelemetryTest": TELEMETRY, "DifferentialAdminTest": ADMIN, "DifferentialNodesTest": NODES}

# Rows of the page that no row above stands for, and where they are seen.
ELSEWHERE = {
    "texts of errors": "differential/player.py: is_other_wording",
    "the end of a Fetch answer": "differential/player.py: whole_batches",
    "offsets of records that do not ascend by one": "produce_rules_test.py: STRICTER",
    "the file of the last segment, when all that is in it is too old": None,  # not to be seen by a client
}


def rows():
    """Each row of a story, once."""
    return list(dict.fromkeys(row for table in ROWS.values() for row in table))
