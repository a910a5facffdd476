/* Names, texts and traits of errors: ours from the table here, Kafka's from protocol/error.h.  Public functions that
 * live this low because every layer from here up fills a kc_error with them. */
#include "protocol/error.h"
#include <kclient/kclient.h>

struct own_error {
    kc_err code;
    uint32_t traits;
    const char *name, *text;
};

static const struct own_error own_errors[] = {
    { KC_ERR_ARGUMENT, 0, "ARGUMENT", "An argument is NULL, out of range or inconsistent; correct the call." },
    { KC_ERR_CONFIG, 0, "CONFIG",
      "A configuration key is unknown, has a bad value, or excludes another; correct the configuration." },
    { KC_ERR_STATE, 0, "STATE", "The call is not possible in the present state of the handle." },
    { KC_ERR_IN_CALLBACK, 0, "IN_CALLBACK",
      "The call would wait and was made from a callback; make it from another thread or later." },
    { KC_ERR_UNSUPPORTED, 0, "UNSUPPORTED", "This build or the broker does not have it." },
    { KC_ERR_RECORD_TOO_LARGE, 0, "RECORD_TOO_LARGE",
      "The record is beyond max.request.size or buffer.memory; raise them (and the topic's max.message.bytes) or send "
      "less. Of a consumer: a batch is beyond what fetch.memory.max has room for." },
    { KC_ERR_SERIALIZATION, 0, "SERIALIZATION", "A serializer refused the data." },
    { KC_ERR_NO_OFFSET, 0, "NO_OFFSET", "The partition has no offset and auto.offset.reset is none; seek." },
    { KC_ERR_QUEUE_FULL, KC_RETRIABLE, "QUEUE_FULL", "buffer.memory is full; send again later, or raise it." },
    { KC_ERR_NO_MEMORY, KC_RETRIABLE, "NO_MEMORY", "The system is out of memory." },
    { KC_ERR_TIMED_OUT, KC_RETRIABLE, "TIMED_OUT", "The time given is over; the text says what was tried." },
    { KC_ERR_TRANSPORT, KC_RETRIABLE, "TRANSPORT", "The connection could not be made or broke." },
    { KC_ERR_RESOLVE, KC_RETRIABLE, "RESOLVE",
      "A host name has no address; check bootstrap.servers and the brokers' advertised names." },
    { KC_ERR_WOKEN, KC_RETRIABLE, "WOKEN", "kc_consumer_wakeup() ended the wait." },
    { KC_ERR_PURGED, 0, "PURGED", "kc_producer_purge() gave the record up; send it again if it is still wanted." },
    { KC_ERR_MALFORMED, 0, "MALFORMED",
      "The peer sent bytes that are not what the protocol says; the connection was closed." },
    { KC_ERR_NOT_KAFKA, 0, "NOT_KAFKA",
      "The peer is not a Kafka broker on a plaintext listener; check host and port." },
    { KC_ERR_NO_VERSION, 0, "NO_VERSION", "The broker and this client have no version of the request in common." },
    { KC_ERR_CORRUPT, 0, "CORRUPT", "A record batch is damaged; seek past it, and look at the broker's disk." },
    { KC_ERR_FENCED, KC_FATAL, "FENCED", "Another producer or member took over; close this handle." },
    { KC_ERR_CLOSED, KC_FATAL, "CLOSED", "The handle was closed." },
    { KC_ERR_FATAL, KC_FATAL, "FATAL", "An earlier fatal error; close this handle." },
    { KC_ERR_FORKED, KC_FATAL, "FORKED", "The handle belongs to the parent process; create one in the child." },
};

static const struct own_error *find_own(kc_err code)
{
    for (size_t i = 0; i < sizeof own_errors / sizeof own_errors[0]; i++)
        if (own_errors[i].code == code)
            return &own_errors[i];
    return NULL;
}

const char *kc_err_name(kc_err code)
{
    const struct own_error *own = find_own(code);
    return own ? own->name : kci_error_name((int16_t)code);
}

const char *kc_err_text(kc_err code)
{
    const struct own_error *own = find_own(code);
    return own ? own->text : kci_error_text((int16_t)code);
}

uint32_t kc_err_traits(kc_err code)
{
    const struct own_error *own = find_own(code);
    if (own)
        return own->traits;
    uint32_t traits = kci_error_flags((int16_t)code) ? KC_RETRIABLE : 0;
    if (code == KC_ERR_REQUEST_TIMED_OUT || code == KC_ERR_NETWORK_EXCEPTION ||
        code == KC_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND || code == KC_ERR_UNKNOWN_SERVER_ERROR)
        traits |= KC_MAYBE_APPLIED;
    if (code == KC_ERR_INVALID_PRODUCER_EPOCH || code == KC_ERR_PRODUCER_FENCED || code == KC_ERR_FENCED_INSTANCE_ID)
        traits |= KC_FATAL;
    if (code == KC_ERR_TRANSACTION_ABORTABLE)
        traits |= KC_ABORT_TXN;
    return traits;
}
