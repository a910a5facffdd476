"""Where mockbroker differs on purpose, or does less: why, which API, which request of the story, which field of the answer (regular expressions, whole).

docs/mockbroker.md tells the same in a table.  A row that meets no difference any more fails the test.
"""
BOTH = [  # met with any number of nodes
    ("a topic that is only validated has no id here", "CreateTopics", ".*", r".*\.TopicId"),
]
LOOKING = [
    ("the capacity of the directory is not known here", "DescribeLogDirs", ".*", r".*\.(Total|Usable)Bytes"),
    ("what is named twice is answered twice", "DescribeLogDirs|AlterReplicaLogDirs|DeleteRecords|OffsetCommit", r"a partition twice|.*(first row twice|\[0, 0\]).*", r".*\.(Partitions|Topics)"),
    ("how long the log of the metadata is", "DescribeQuorum", ".*", r".*\.HighWatermark"),
]
SINGLE = BOTH + LOOKING + [
    ("the end of the numbers: Kafka counts on from the last partition there is, and below none", "DescribeTopicPartitions", ".*PartitionIndex=2147483647.*", r"\.NextCursor.*"),
    ("names of quotas, of users who have them and of client ids, have at most 249 bytes", "AlterClientQuotas", r".*EntityName=x+\.\.\.300.*", r".*\.Error(Code|Message)"),
    ("what the protocol does not allow, and Kafka lets pass: tags that do not ascend, counts and lengths below -1", "ApiVersions|Metadata|DescribeConfigs",
     r"tags.*: (out of order|the same twice)|client id -.*|-\d+ (topics|keys)|2\^32-2 topics", ".*"),
    ("a name that is no UTF-8 comes back as it was", "Metadata", "a name of (fffe|c3|eda080)", ".*"),
    ("APIs that are not served: between brokers and controllers, share groups, streams groups", "ApiVersions", ".*",
     r"(\.Answers\[0\])?\.ApiKeys\.(27|7[6-9]|8[0-9]|9[0-9])(\..*)?"),
    ("client metrics are always taken; Kafka needs a plugin that receives them", "ApiVersions", ".*", r"(\.Answers\[0\])?\.ApiKeys\.7[12]"),
    ("features of what is not served: share and streams groups", "ApiVersions", ".*",
     r"(\.Answers\[0\])?\.(FinalizedFeatures|SupportedFeatures)\.(share|streams|kraft)\.version.*"),
    ("values are taken as they are: no blanks around a number", "CreateTopics", "config retention.ms= .*", ".*"),
    ("segments may be as small as before Kafka 4.0, so that a test has some", "CreateTopics|IncrementalAlterConfigs", "(2 )?segment.bytes=100", ".*"),
    ("a request that contradicts itself (an id and a name, or neither) fails whole in Kafka, and topic by topic here", "Metadata", r"(unknown|no) id|(id|unknown) and .*|no id|Topics\.0\.(TopicId=.*|Name=None)", ".*"),
    ("a topic that is made by asking for it is there at once; Kafka says at first that there is none", "Metadata", "with creation", ".*"),
    ("a value that Kafka derives (log.retention.ms from hours, and so on) is shown as it is in force, with its synonym", "DescribeConfigs", ".*",
     r".*\.(retention\.ms|segment\.ms|segment\.jitter\.ms|flush\.ms|log\.retention\.ms)(\..*)?"),
    ("there is no tiered storage: its settings of brokers are not known", "DescribeConfigs", ".*", r".*\.local\.retention\.(ms|bytes)\..*"),
    ("no texts about settings", "DescribeConfigs", "documentation", r".*\.Documentation"),
    ("share and streams groups are not served, nor are their settings", "DescribeConfigs", "32 .*", r".*\.(share|streams)\..*"),
    ("settings that nothing here would act upon are not known (log.cleaner.threads)", "DescribeConfigs", "broker keys", r".*\.Configs\.log\.cleaner\.threads"),
    ("the id of a node counts as set at the start", "DescribeConfigs", "broker keys", r".*\.node\.id\..*"),
    ("what is not known is refused: a typing error that is silently stored makes a test lie", "IncrementalAlterConfigs", "(broker .* (no.such|log.cleaner.threads)=.*|delete unknown.*)", ".*"),
    ("brokers share their settings, so any of them alters another's", "(Incremental)?AlterConfigs", "4 '9'", ".*"),
    ("an empty word is no word of a list", "IncrementalAlterConfigs", "append nothing.*", ".*"),
    ("a topic without a name", "DescribeTopicPartitions", "no name", ".*"),
    ("a topic that is named twice is answered twice", "ListOffsets", "(the same|a partition|.*its first row) twice", ".*"),
    ("a level of isolation that does not exist counts as read_uncommitted", "Fetch", "isolation (2|-1)", ".*"),
    ("a negative size counts as none", "Fetch", "-1 bytes.*", ".*"),
    ("where there is none to tell, there is no list of aborted transactions", "Fetch", "(partition|topic) .*", r".*\.AbortedTransactions"),
    ("a partition that is named twice is answered once", "Fetch", "a partition twice", ".*"),
    ("a topic of which nothing was sent is in the answer", "Produce|AddPartitionsToTxn", "no partitions.*", r".*Responses|.*Topics|.*TopicResults"),
]
ADMIN = LOOKING + [
    ("addresses are not looked up: quotas of them are not enforced", "AlterClientQuotas", "bad ip.*", r".*\.Error(Code|Message)"),
]
NODES = BOTH + [
    ("a move that takes a replica away and leaves the leader where it is does not raise the leader's epoch", "Metadata|DescribeTopicPartitions", "moved|elected", r".*\.LeaderEpoch"),
]
ROWS = {"DifferentialTest": SINGLE, "DifferentialAdminTest": ADMIN, "DifferentialNodesTest": NODES}
