/* Errors: one number, one meaning.
 *
 * Codes >= -1 are Kafka's own, unchanged: what a packet capture or a broker log shows is what you get here.  Codes <=
 * -1000 are ours; the thousand is the category.  There is no "last error" per thread, on purpose: a goroutine may make
 * two consecutive calls on two threads and would read somebody else's. */
#ifndef KCLIENT_ERROR_H
#define KCLIENT_ERROR_H

#include <kclient/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kc_err {
    KC_OK = 0,

    /* -1xxx  the call is wrong: the same call can never succeed */
    KC_ERR_ARGUMENT = -1001,         /* an argument is NULL, out of range or inconsistent                      */
    KC_ERR_CONFIG = -1002,           /* unknown configuration key, bad value, or keys that exclude each other   */
    KC_ERR_STATE = -1003,            /* not legal now: subscribe after assign, seek on a partition not assigned */
    KC_ERR_IN_CALLBACK = -1004,      /* would wait, and was called from a callback                             */
    KC_ERR_UNSUPPORTED = -1005,      /* this build, or the broker, does not have it                            */
    KC_ERR_RECORD_TOO_LARGE = -1006, /* beyond max.request.size or buffer.memory; a batch: fetch.memory.max */
    KC_ERR_SERIALIZATION = -1007,    /* a serializer or deserializer refused the data                          */
    KC_ERR_NO_OFFSET = -1008,        /* no position and auto.offset.reset=none                                 */

    /* -2xxx  a configured limit is reached: wait or drain, then retry */
    KC_ERR_QUEUE_FULL = -2001, /* buffer.memory stayed full for max.block.ms */
    KC_ERR_NO_MEMORY = -2002,  /* the allocator failed                       */

    /* -3xxx  time or transport: see the traits for what became of the request */
    KC_ERR_TIMED_OUT = -3001, /* the time given for the call or the record is over              */
    KC_ERR_TRANSPORT = -3002, /* the connection could not be made or broke                      */
    KC_ERR_RESOLVE = -3003,   /* a host name has no address                                     */
    KC_ERR_WOKEN = -3004,     /* kc_consumer_wakeup() ended the wait                            */
    KC_ERR_PURGED = -3005,    /* kc_producer_purge() gave the record up                         */

    /* -4xxx  the peer broke the protocol */
    KC_ERR_MALFORMED = -4001,  /* bytes that are not what the protocol says                    */
    KC_ERR_NOT_KAFKA = -4002,  /* the peer speaks something else: HTTP, TLS, ...               */
    KC_ERR_NO_VERSION = -4003, /* no version of a request that both sides speak                */
    KC_ERR_CORRUPT = -4004,    /* a record batch fails its CRC or cannot be decompressed       */

    /* -5xxx  this handle is dead: close it */
    KC_ERR_FENCED = -5001, /* another producer or member took over                              */
    KC_ERR_CLOSED = -5002, /* close() was called                                                */
    KC_ERR_FATAL = -5003,  /* an earlier fatal error; the text repeats its cause                */
    KC_ERR_FORKED = -5004, /* the handle belongs to the parent process                          */

    /* Kafka's own */
    KC_ERR_UNKNOWN_SERVER_ERROR = -1,
    KC_ERR_OFFSET_OUT_OF_RANGE = 1,
    KC_ERR_CORRUPT_MESSAGE = 2,
    KC_ERR_UNKNOWN_TOPIC_OR_PARTITION = 3,
    KC_ERR_INVALID_FETCH_SIZE = 4,
    KC_ERR_LEADER_NOT_AVAILABLE = 5,
    KC_ERR_NOT_LEADER_OR_FOLLOWER = 6,
    KC_ERR_REQUEST_TIMED_OUT = 7,
    KC_ERR_BROKER_NOT_AVAILABLE = 8,
    KC_ERR_REPLICA_NOT_AVAILABLE = 9,
    KC_ERR_MESSAGE_TOO_LARGE = 10,
    KC_ERR_STALE_CONTROLLER_EPOCH = 11,
    KC_ERR_OFFSET_METADATA_TOO_LARGE = 12,
    KC_ERR_NETWORK_EXCEPTION = 13,
    KC_ERR_COORDINATOR_LOAD_IN_PROGRESS = 14,
    KC_ERR_COORDINATOR_NOT_AVAILABLE = 15,
    KC_ERR_NOT_COORDINATOR = 16,
    KC_ERR_INVALID_TOPIC_EXCEPTION = 17,
    KC_ERR_RECORD_LIST_TOO_LARGE = 18,
    KC_ERR_NOT_ENOUGH_REPLICAS = 19,
    KC_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20,
    KC_ERR_INVALID_REQUIRED_ACKS = 21,
    KC_ERR_ILLEGAL_GENERATION = 22,
    KC_ERR_INCONSISTENT_GROUP_PROTOCOL = 23,
    KC_ERR_INVALID_GROUP_ID = 24,
    KC_ERR_UNKNOWN_MEMBER_ID = 25,
    KC_ERR_INVALID_SESSION_TIMEOUT = 26,
    KC_ERR_REBALANCE_IN_PROGRESS = 27,
    KC_ERR_INVALID_COMMIT_OFFSET_SIZE = 28,
    KC_ERR_TOPIC_AUTHORIZATION_FAILED = 29,
    KC_ERR_GROUP_AUTHORIZATION_FAILED = 30,
    KC_ERR_CLUSTER_AUTHORIZATION_FAILED = 31,
    KC_ERR_INVALID_TIMESTAMP = 32,
    KC_ERR_UNSUPPORTED_SASL_MECHANISM = 33,
    KC_ERR_ILLEGAL_SASL_STATE = 34,
    KC_ERR_UNSUPPORTED_VERSION = 35,
    KC_ERR_TOPIC_ALREADY_EXISTS = 36,
    KC_ERR_INVALID_PARTITIONS = 37,
    KC_ERR_INVALID_REPLICATION_FACTOR = 38,
    KC_ERR_INVALID_REPLICA_ASSIGNMENT = 39,
    KC_ERR_INVALID_CONFIG = 40,
    KC_ERR_NOT_CONTROLLER = 41,
    KC_ERR_INVALID_REQUEST = 42,
    KC_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT = 43,
    KC_ERR_POLICY_VIOLATION = 44,
    KC_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER = 45,
    KC_ERR_DUPLICATE_SEQUENCE_NUMBER = 46,
    KC_ERR_INVALID_PRODUCER_EPOCH = 47,
    KC_ERR_INVALID_TXN_STATE = 48,
    KC_ERR_INVALID_PRODUCER_ID_MAPPING = 49,
    KC_ERR_INVALID_TRANSACTION_TIMEOUT = 50,
    KC_ERR_CONCURRENT_TRANSACTIONS = 51,
    KC_ERR_TRANSACTION_COORDINATOR_FENCED = 52,
    KC_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53,
    KC_ERR_SECURITY_DISABLED = 54,
    KC_ERR_OPERATION_NOT_ATTEMPTED = 55,
    KC_ERR_KAFKA_STORAGE_ERROR = 56,
    KC_ERR_LOG_DIR_NOT_FOUND = 57,
    KC_ERR_SASL_AUTHENTICATION_FAILED = 58,
    KC_ERR_UNKNOWN_PRODUCER_ID = 59,
    KC_ERR_REASSIGNMENT_IN_PROGRESS = 60,
    KC_ERR_DELEGATION_TOKEN_AUTH_DISABLED = 61,
    KC_ERR_DELEGATION_TOKEN_NOT_FOUND = 62,
    KC_ERR_DELEGATION_TOKEN_OWNER_MISMATCH = 63,
    KC_ERR_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64,
    KC_ERR_DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65,
    KC_ERR_DELEGATION_TOKEN_EXPIRED = 66,
    KC_ERR_INVALID_PRINCIPAL_TYPE = 67,
    KC_ERR_NON_EMPTY_GROUP = 68,
    KC_ERR_GROUP_ID_NOT_FOUND = 69,
    KC_ERR_FETCH_SESSION_ID_NOT_FOUND = 70,
    KC_ERR_INVALID_FETCH_SESSION_EPOCH = 71,
    KC_ERR_LISTENER_NOT_FOUND = 72,
    KC_ERR_TOPIC_DELETION_DISABLED = 73,
    KC_ERR_FENCED_LEADER_EPOCH = 74,
    KC_ERR_UNKNOWN_LEADER_EPOCH = 75,
    KC_ERR_UNSUPPORTED_COMPRESSION_TYPE = 76,
    KC_ERR_STALE_BROKER_EPOCH = 77,
    KC_ERR_OFFSET_NOT_AVAILABLE = 78,
    KC_ERR_MEMBER_ID_REQUIRED = 79,
    KC_ERR_PREFERRED_LEADER_NOT_AVAILABLE = 80,
    KC_ERR_GROUP_MAX_SIZE_REACHED = 81,
    KC_ERR_FENCED_INSTANCE_ID = 82,
    KC_ERR_ELIGIBLE_LEADERS_NOT_AVAILABLE = 83,
    KC_ERR_ELECTION_NOT_NEEDED = 84,
    KC_ERR_NO_REASSIGNMENT_IN_PROGRESS = 85,
    KC_ERR_GROUP_SUBSCRIBED_TO_TOPIC = 86,
    KC_ERR_INVALID_RECORD = 87,
    KC_ERR_UNSTABLE_OFFSET_COMMIT = 88,
    KC_ERR_THROTTLING_QUOTA_EXCEEDED = 89,
    KC_ERR_PRODUCER_FENCED = 90,
    KC_ERR_RESOURCE_NOT_FOUND = 91,
    KC_ERR_DUPLICATE_RESOURCE = 92,
    KC_ERR_UNACCEPTABLE_CREDENTIAL = 93,
    KC_ERR_INCONSISTENT_VOTER_SET = 94,
    KC_ERR_INVALID_UPDATE_VERSION = 95,
    KC_ERR_FEATURE_UPDATE_FAILED = 96,
    KC_ERR_PRINCIPAL_DESERIALIZATION_FAILURE = 97,
    KC_ERR_SNAPSHOT_NOT_FOUND = 98,
    KC_ERR_POSITION_OUT_OF_RANGE = 99,
    KC_ERR_UNKNOWN_TOPIC_ID = 100,
    KC_ERR_DUPLICATE_BROKER_REGISTRATION = 101,
    KC_ERR_BROKER_ID_NOT_REGISTERED = 102,
    KC_ERR_INCONSISTENT_TOPIC_ID = 103,
    KC_ERR_INCONSISTENT_CLUSTER_ID = 104,
    KC_ERR_TRANSACTIONAL_ID_NOT_FOUND = 105,
    KC_ERR_FETCH_SESSION_TOPIC_ID_ERROR = 106,
    KC_ERR_INELIGIBLE_REPLICA = 107,
    KC_ERR_NEW_LEADER_ELECTED = 108,
    KC_ERR_OFFSET_MOVED_TO_TIERED_STORAGE = 109,
    KC_ERR_FENCED_MEMBER_EPOCH = 110,
    KC_ERR_UNRELEASED_INSTANCE_ID = 111,
    KC_ERR_UNSUPPORTED_ASSIGNOR = 112,
    KC_ERR_STALE_MEMBER_EPOCH = 113,
    KC_ERR_MISMATCHED_ENDPOINT_TYPE = 114,
    KC_ERR_UNSUPPORTED_ENDPOINT_TYPE = 115,
    KC_ERR_UNKNOWN_CONTROLLER_ID = 116,
    KC_ERR_UNKNOWN_SUBSCRIPTION_ID = 117,
    KC_ERR_TELEMETRY_TOO_LARGE = 118,
    KC_ERR_INVALID_REGISTRATION = 119,
    KC_ERR_TRANSACTION_ABORTABLE = 120,
    KC_ERR_INVALID_RECORD_STATE = 121,
    KC_ERR_SHARE_SESSION_NOT_FOUND = 122,
    KC_ERR_INVALID_SHARE_SESSION_EPOCH = 123,
    KC_ERR_FENCED_STATE_EPOCH = 124,
    KC_ERR_INVALID_VOTER_KEY = 125,
    KC_ERR_DUPLICATE_VOTER = 126,
    KC_ERR_VOTER_NOT_FOUND = 127,
    KC_ERR_INVALID_REGULAR_EXPRESSION = 128,
    KC_ERR_REBOOTSTRAP_REQUIRED = 129,
    KC_ERR_STREAMS_INVALID_TOPOLOGY = 130,
    KC_ERR_STREAMS_INVALID_TOPOLOGY_EPOCH = 131,
    KC_ERR_STREAMS_TOPOLOGY_FENCED = 132,
    KC_ERR_SHARE_SESSION_LIMIT_REACHED = 133,
    KC_ERR_GROUP_DELETION_FAILED = 134,
    KC_ERR_STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED = 135,
    KC_ERR_CONTROLLER_ID_NOT_REGISTERED = 136,
} kc_err;

/* What a caller may do about an error.  Decide on these, not on lists of codes. */
enum {
    KC_RETRIABLE = 1 << 0,     /* the same call may succeed later                              */
    KC_MAYBE_APPLIED = 1 << 1, /* no answer came: the broker may have done it already          */
    KC_ABORT_TXN = 1 << 2,     /* the transaction must be aborted; the handle survives         */
    KC_FATAL = 1 << 3,         /* the handle can only be closed                                */
};

/* Detail of one failure, in memory of the caller; pass NULL where the code is enough.  `text` is for people: never
 * parse it. */
typedef struct kc_error {
    kc_err code;
    uint32_t traits; /* KC_RETRIABLE ... bits                                                  */
    char text[500];  /* the chain of causes, always NUL-terminated                             */
} kc_error;

/* The name of a code, "NOT_LEADER_OR_FOLLOWER" or "TIMED_OUT"; static storage, never NULL. Any thread. */
KC_EXPORT const char *kc_err_name(kc_err code);
/* One sentence on what the code means and what to do; static storage, never NULL. Any thread. */
KC_EXPORT const char *kc_err_text(kc_err code);
/* The traits that a code has by itself (a failed call may add KC_MAYBE_APPLIED). Any thread. */
KC_EXPORT uint32_t kc_err_traits(kc_err code);

#ifdef __cplusplus
}
#endif
#endif
