/* Kafka's error codes as of 4.4, one row each; see error.h for the columns.  Numbers and names are Kafka's, so that
 * they can be searched for; the texts are ours, and are written to follow a colon: "orders-3: the broker does not lead
 * the partition". */
#ifndef KCI_PROTOCOL_ERROR_LIST_H
#define KCI_PROTOCOL_ERROR_LIST_H

/* clang-format off */
#define KCI_ERROR_LIST(X) \
    X(-1, UNKNOWN_SERVER_ERROR, 0, "the broker failed in a way that it has no code for") \
    X(0, NONE, 0, "no error") \
    X(1, OFFSET_OUT_OF_RANGE, 0, "the offset is before the start or after the end of the log") \
    X(2, CORRUPT_MESSAGE, R, "the records do not match their checksum, or break a rule of their format") \
    X(3, UNKNOWN_TOPIC_OR_PARTITION, M, "the broker knows no such topic or partition") \
    X(4, INVALID_FETCH_SIZE, 0, "the number of bytes to fetch makes no sense") \
    X(5, LEADER_NOT_AVAILABLE, M, "the partition has no leader at the moment") \
    X(6, NOT_LEADER_OR_FOLLOWER, M, "the broker does not lead the partition, or holds no replica of it") \
    X(7, REQUEST_TIMED_OUT, R, "the broker could not finish within the time that the request allowed") \
    X(8, BROKER_NOT_AVAILABLE, 0, "no broker is available for this") \
    X(9, REPLICA_NOT_AVAILABLE, M, "the broker holds no usable replica of the partition") \
    X(10, MESSAGE_TOO_LARGE, 0, "a record batch is larger than the topic accepts (max.message.bytes)") \
    X(11, STALE_CONTROLLER_EPOCH, 0, "the request comes from a controller that has been replaced") \
    X(12, OFFSET_METADATA_TOO_LARGE, 0, "the text kept with a committed offset is too long") \
    X(13, NETWORK_EXCEPTION, M, "the connection was lost before the answer came") \
    X(14, COORDINATOR_LOAD_IN_PROGRESS, R, "the coordinator is still reading its state") \
    X(15, COORDINATOR_NOT_AVAILABLE, R, "there is no coordinator for this group or transaction at the moment") \
    X(16, NOT_COORDINATOR, R, "another broker coordinates this group or transaction") \
    X(17, INVALID_TOPIC_EXCEPTION, 0, "the topic name is not allowed, or the topic may not be written to") \
    X(18, RECORD_LIST_TOO_LARGE, 0, "the batch does not fit into one log segment of the topic") \
    X(19, NOT_ENOUGH_REPLICAS, R, "fewer replicas are in sync than min.insync.replicas asks for; nothing was written") \
    X(20, NOT_ENOUGH_REPLICAS_AFTER_APPEND, R, "the records were written, but to fewer replicas than min.insync.replicas asks for") \
    X(21, INVALID_REQUIRED_ACKS, 0, "acks must be 0, 1 or -1") \
    X(22, ILLEGAL_GENERATION, 0, "the group has moved on to another generation") \
    X(23, INCONSISTENT_GROUP_PROTOCOL, 0, "the member shares no protocol with the members of the group, or named none") \
    X(24, INVALID_GROUP_ID, 0, "the group id is not allowed") \
    X(25, UNKNOWN_MEMBER_ID, 0, "the group does not know this member") \
    X(26, INVALID_SESSION_TIMEOUT, 0, "the session timeout is outside of what the broker allows") \
    X(27, REBALANCE_IN_PROGRESS, 0, "the group is rebalancing: join again") \
    X(28, INVALID_COMMIT_OFFSET_SIZE, 0, "the offsets to commit take more room than the broker allows") \
    X(29, TOPIC_AUTHORIZATION_FAILED, 0, "not authorized for the topic") \
    X(30, GROUP_AUTHORIZATION_FAILED, 0, "not authorized for the group") \
    X(31, CLUSTER_AUTHORIZATION_FAILED, 0, "not authorized for this operation on the cluster") \
    X(32, INVALID_TIMESTAMP, 0, "a record's timestamp is outside of what the topic accepts") \
    X(33, UNSUPPORTED_SASL_MECHANISM, 0, "the broker does not offer this SASL mechanism") \
    X(34, ILLEGAL_SASL_STATE, 0, "the request does not belong at this point of the authentication") \
    X(35, UNSUPPORTED_VERSION, 0, "the broker does not speak this version of the request") \
    X(36, TOPIC_ALREADY_EXISTS, 0, "a topic of this name exists") \
    X(37, INVALID_PARTITIONS, 0, "the number of partitions is not possible") \
    X(38, INVALID_REPLICATION_FACTOR, 0, "the replication factor is below 1 or above the number of brokers") \
    X(39, INVALID_REPLICA_ASSIGNMENT, 0, "the assignment of replicas to brokers is not possible") \
    X(40, INVALID_CONFIG, 0, "a configuration key or value is not accepted") \
    X(41, NOT_CONTROLLER, R, "the broker is not the controller") \
    X(42, INVALID_REQUEST, 0, "the broker found the request malformed or contradictory") \
    X(43, UNSUPPORTED_FOR_MESSAGE_FORMAT, 0, "the topic's record format is too old for this request") \
    X(44, POLICY_VIOLATION, 0, "a policy of the cluster forbids the request") \
    X(45, OUT_OF_ORDER_SEQUENCE_NUMBER, 0, "a batch is missing between the last one that the broker has and this one") \
    X(46, DUPLICATE_SEQUENCE_NUMBER, 0, "the broker has these records already") \
    X(47, INVALID_PRODUCER_EPOCH, 0, "a newer instance of this producer has taken over") \
    X(48, INVALID_TXN_STATE, 0, "the transaction is in a state in which this cannot be done") \
    X(49, INVALID_PRODUCER_ID_MAPPING, 0, "the transactional id now belongs to another producer id") \
    X(50, INVALID_TRANSACTION_TIMEOUT, 0, "the transaction timeout is above the broker's transaction.max.timeout.ms") \
    X(51, CONCURRENT_TRANSACTIONS, R, "the previous step of this transaction is still being carried out") \
    X(52, TRANSACTION_COORDINATOR_FENCED, 0, "the transaction coordinator that asks has been replaced") \
    X(53, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 0, "not authorized for the transactional id") \
    X(54, SECURITY_DISABLED, 0, "the cluster has no authorizer") \
    X(55, OPERATION_NOT_ATTEMPTED, 0, "skipped, because another part of the same request failed") \
    X(56, KAFKA_STORAGE_ERROR, M, "the broker's disk failed") \
    X(57, LOG_DIR_NOT_FOUND, 0, "the broker has no such log directory") \
    X(58, SASL_AUTHENTICATION_FAILED, 0, "the credentials were refused") \
    X(59, UNKNOWN_PRODUCER_ID, 0, "the broker remembers nothing of this producer, perhaps because its records were deleted") \
    X(60, REASSIGNMENT_IN_PROGRESS, 0, "the partition is being reassigned") \
    X(61, DELEGATION_TOKEN_AUTH_DISABLED, 0, "delegation tokens are switched off") \
    X(62, DELEGATION_TOKEN_NOT_FOUND, 0, "the broker knows no such delegation token") \
    X(63, DELEGATION_TOKEN_OWNER_MISMATCH, 0, "the user neither owns the delegation token nor may renew it") \
    X(64, DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, 0, "delegation tokens cannot be managed on this kind of connection") \
    X(65, DELEGATION_TOKEN_AUTHORIZATION_FAILED, 0, "not authorized for the delegation token") \
    X(66, DELEGATION_TOKEN_EXPIRED, 0, "the delegation token has expired") \
    X(67, INVALID_PRINCIPAL_TYPE, 0, "the type of the principal is not supported") \
    X(68, NON_EMPTY_GROUP, 0, "the group still has members") \
    X(69, GROUP_ID_NOT_FOUND, 0, "there is no such group") \
    X(70, FETCH_SESSION_ID_NOT_FOUND, R, "the broker has dropped this fetch session") \
    X(71, INVALID_FETCH_SESSION_EPOCH, R, "client and broker disagree about the state of the fetch session") \
    X(72, LISTENER_NOT_FOUND, M, "the leader has no listener of the name that the request came in on") \
    X(73, TOPIC_DELETION_DISABLED, 0, "the cluster does not allow topics to be deleted") \
    X(74, FENCED_LEADER_EPOCH, M, "the client knows an older leader of the partition than the broker does") \
    X(75, UNKNOWN_LEADER_EPOCH, R, "the client knows a newer leader of the partition than the broker does") \
    X(76, UNSUPPORTED_COMPRESSION_TYPE, 0, "the request's version does not allow this compression codec") \
    X(77, STALE_BROKER_EPOCH, 0, "the broker that asks has been registered again since") \
    X(78, OFFSET_NOT_AVAILABLE, R, "the new leader does not know the high watermark yet") \
    X(79, MEMBER_ID_REQUIRED, 0, "join again with the member id that came with this error") \
    X(80, PREFERRED_LEADER_NOT_AVAILABLE, M, "the preferred leader of the partition is not available") \
    X(81, GROUP_MAX_SIZE_REACHED, 0, "the group has as many members as the broker allows") \
    X(82, FENCED_INSTANCE_ID, 0, "another member with the same group.instance.id has taken over") \
    X(83, ELIGIBLE_LEADERS_NOT_AVAILABLE, M, "no replica that may become leader is available") \
    X(84, ELECTION_NOT_NEEDED, M, "the partition already has the leader that was wanted") \
    X(85, NO_REASSIGNMENT_IN_PROGRESS, 0, "the partition is not being reassigned") \
    X(86, GROUP_SUBSCRIBED_TO_TOPIC, 0, "the group is subscribed to the topic, so its offsets stay") \
    X(87, INVALID_RECORD, 0, "the broker refused a record of the batch") \
    X(88, UNSTABLE_OFFSET_COMMIT, R, "an open transaction may still change the committed offset") \
    X(89, THROTTLING_QUOTA_EXCEEDED, R, "the quota for this kind of request is used up") \
    X(90, PRODUCER_FENCED, 0, "another producer with the same transactional.id has taken over") \
    X(91, RESOURCE_NOT_FOUND, 0, "the request names something that does not exist") \
    X(92, DUPLICATE_RESOURCE, 0, "the request names the same thing twice") \
    X(93, UNACCEPTABLE_CREDENTIAL, 0, "the credential does not meet the cluster's rules") \
    X(94, INCONSISTENT_VOTER_SET, 0, "sender or receiver is not among the expected voters") \
    X(95, INVALID_UPDATE_VERSION, 0, "the version given for the update is not valid") \
    X(96, FEATURE_UPDATE_FAILED, 0, "the broker could not update the features") \
    X(97, PRINCIPAL_DESERIALIZATION_FAILURE, 0, "a forwarded request carried a principal that cannot be read") \
    X(98, SNAPSHOT_NOT_FOUND, 0, "there is no such snapshot") \
    X(99, POSITION_OUT_OF_RANGE, 0, "the position lies outside of the snapshot") \
    X(100, UNKNOWN_TOPIC_ID, M, "the broker knows no topic with this id") \
    X(101, DUPLICATE_BROKER_REGISTRATION, 0, "the broker id is in use") \
    X(102, BROKER_ID_NOT_REGISTERED, 0, "no broker is registered with this id") \
    X(103, INCONSISTENT_TOPIC_ID, M, "the topic was deleted and made again: its id has changed") \
    X(104, INCONSISTENT_CLUSTER_ID, 0, "the broker belongs to another cluster") \
    X(105, TRANSACTIONAL_ID_NOT_FOUND, 0, "the coordinator knows no such transactional id") \
    X(106, FETCH_SESSION_TOPIC_ID_ERROR, R, "the fetch session mixes topic ids and topic names") \
    X(107, INELIGIBLE_REPLICA, 0, "a replica that was to join the in-sync replicas may not") \
    X(108, NEW_LEADER_ELECTED, 0, "the partition was changed, and has a new leader") \
    X(109, OFFSET_MOVED_TO_TIERED_STORAGE, 0, "the offset has been moved to tiered storage") \
    X(110, FENCED_MEMBER_EPOCH, 0, "the group has removed this member: give up all partitions and join again") \
    X(111, UNRELEASED_INSTANCE_ID, 0, "another member still holds this group.instance.id") \
    X(112, UNSUPPORTED_ASSIGNOR, 0, "the group coordinator has no such assignor") \
    X(113, STALE_MEMBER_EPOCH, 0, "the member's epoch is old: repeat with the one of the next heartbeat") \
    X(114, MISMATCHED_ENDPOINT_TYPE, 0, "the request belongs to the other kind of endpoint (broker or controller)") \
    X(115, UNSUPPORTED_ENDPOINT_TYPE, 0, "this kind of endpoint is not supported") \
    X(116, UNKNOWN_CONTROLLER_ID, 0, "there is no controller with this id") \
    X(117, UNKNOWN_SUBSCRIPTION_ID, 0, "the telemetry subscription has changed: ask for it again") \
    X(118, TELEMETRY_TOO_LARGE, 0, "the telemetry is larger than the broker accepts") \
    X(119, INVALID_REGISTRATION, 0, "the controller refused the registration of the broker") \
    X(120, TRANSACTION_ABORTABLE, 0, "the transaction failed; after an abort the producer can go on") \
    X(121, INVALID_RECORD_STATE, 0, "the record is no longer this member's to acknowledge") \
    X(122, SHARE_SESSION_NOT_FOUND, R, "the broker has dropped this share session") \
    X(123, INVALID_SHARE_SESSION_EPOCH, R, "client and broker disagree about the state of the share session") \
    X(124, FENCED_STATE_EPOCH, 0, "the state has been written by a newer coordinator") \
    X(125, INVALID_VOTER_KEY, 0, "the voter's key is not that of the replica that was asked") \
    X(126, DUPLICATE_VOTER, 0, "the voter is a member already") \
    X(127, VOTER_NOT_FOUND, 0, "the voter is no member") \
    X(128, INVALID_REGULAR_EXPRESSION, 0, "the pattern of topic names is not a valid expression") \
    X(129, REBOOTSTRAP_REQUIRED, 0, "what the client knows of the cluster is out of date: begin again at the bootstrap servers") \
    X(130, STREAMS_INVALID_TOPOLOGY, 0, "the topology is not valid") \
    X(131, STREAMS_INVALID_TOPOLOGY_EPOCH, 0, "the epoch of the topology is not valid") \
    X(132, STREAMS_TOPOLOGY_FENCED, 0, "the group has moved on to a newer topology") \
    X(133, SHARE_SESSION_LIMIT_REACHED, R, "the broker has as many share sessions as it allows") \
    X(134, GROUP_DELETION_FAILED, 0, "the group could not be deleted; its own message says why") \
    X(135, STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED, 0, "the description of the topology was not stored; the message says why") \
    X(136, CONTROLLER_ID_NOT_REGISTERED, 0, "no controller is registered with this id")
/* clang-format on */

#endif
