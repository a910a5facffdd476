/* InitProducerId (PROTOCOL 4.8).  Without a transactional id: always a new producer id with epoch 0.  With one, the
 * epoch rises, so that whoever had it before is fenced, and what that one left open is aborted first: the client hears
 * CONCURRENT_TRANSACTIONS until it is.
 *
 *      asked with       state is            answer
 *      anything         pending, Prepare*   CONCURRENT_TRANSACTIONS
 *      no producer id   Empty, Complete*    epoch + 1, or a new producer id when the epochs are used up
 *      its own          Empty, Complete*    the same (KIP-360); what the last answer said, if that was lost
 *      another          any                 PRODUCER_FENCED
 *      either           Ongoing             CONCURRENT_TRANSACTIONS, and the transaction is aborted */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/txn_registry.h"

#define FENCED_SINCE 4 /* the version that knows PRODUCER_FENCED */
#define NONE         (-1)

static void answer(struct mb_request *request, int16_t error, const struct mb_txn_meta *meta, int64_t now)
{
    struct kci_init_producer_id_response response;
    kci_codec_init(&kci_init_producer_id_response_schema, &response);
    if (error == KCI_PRODUCER_FENCED && request->header.version < FENCED_SINCE)
        error = KCI_INVALID_PRODUCER_EPOCH;
    response.error_code = error;
    response.producer_id = error ? -1 : meta->producer_id;
    response.producer_epoch = error ? -1 : meta->epoch;
    mb_request_answer(request, &response, now);
}

static void written(void *owner, int16_t error, int64_t now)
{
    struct mb_request *request = owner;
    const struct kci_init_producer_id_request *body = request->body;
    const struct mb_txn *txn =
        error ? NULL : mb_txns_find(mb_cluster_transactions(request->cluster), body->transactional_id);
    answer(request, error, txn ? &txn->meta : NULL, now);
}

static void aborting(void *owner, int16_t error, int64_t now)
{
    answer(owner, error ? error : KCI_CONCURRENT_TRANSACTIONS, NULL, now);
}

/* Does the client speak for the producer id that the transactional id has, or had when its epochs ran out? */
static bool is_own(const struct mb_txn_meta *meta, const struct kci_init_producer_id_request *body)
{
    return body->producer_id == NONE || meta->epoch < 0 || body->producer_id == meta->producer_id ||
           (body->producer_id == meta->previous_id && body->producer_epoch >= MB_TXN_EPOCH_MAX);
}

/* The epoch after this one. 0 or PRODUCER_FENCED. */
static int16_t raise_epoch(struct mb_txns *txns, const struct kci_init_producer_id_request *body,
                           struct mb_txn_meta *meta)
{
    bool expects = body->producer_id != NONE && meta->epoch >= 0;
    if (meta->epoch >= MB_TXN_EPOCH_MAX && (!expects || body->producer_epoch == meta->epoch)) {
        meta->previous_id = meta->producer_id;
        meta->producer_id = mb_txns_new_producer_id(txns);
        meta->last_epoch = expects ? meta->epoch : (int16_t)-1;
        meta->epoch = 0;
    } else if (!expects || body->producer_epoch == meta->epoch) {
        meta->last_epoch = expects ? meta->epoch : (int16_t)-1;
        meta->epoch++;
    } else if (body->producer_epoch != meta->last_epoch && body->producer_id != meta->previous_id) {
        return KCI_PRODUCER_FENCED;
    }
    return KCI_NONE;
}

static void init(struct mb_request *request, struct mb_txn *txn, int64_t now)
{
    const struct kci_init_producer_id_request *body = request->body;
    struct mb_txn_change change = mb_txn_change_of(txn, MB_TXN_EMPTY, now);
    if (txn->meta.producer_id < 0)
        change.meta.producer_id = mb_txns_new_producer_id(txn->owner);
    int16_t error = mb_txn_is_busy(txn)         ? KCI_CONCURRENT_TRANSACTIONS
                    : !is_own(&txn->meta, body) ? KCI_PRODUCER_FENCED
                                                : KCI_NONE;
    if (!error && txn->state == MB_TXN_ONGOING) {
        mb_txn_fence(txn, aborting, request, now);
        return;
    }
    if (!error)
        error = raise_epoch(txn->owner, body, &change.meta);
    if (error) {
        answer(request, error, NULL, now);
        return;
    }
    change.meta.timeout_ms = body->transaction_timeout_ms;
    change.meta.started_ms = -1;
    change.clear = true;
    mb_txn_write(txn, &change, written, request, now);
}

/* In Kafka's order. */
static int16_t check(const struct mb_request *request, int64_t now)
{
    const struct kci_init_producer_id_request *body = request->body;
    struct kci_str id = body->transactional_id;
    if (id.data && !mb_authorize(request, MB_ACL_WRITE, MB_ACL_TRANSACTIONAL_ID, id))
        return KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if ((body->producer_id == NONE) != (body->producer_epoch == NONE))
        return KCI_INVALID_REQUEST;
    if (!id.data)
        return KCI_NONE;
    if (id.size == 0)
        return KCI_INVALID_REQUEST;
    if (body->transaction_timeout_ms <= 0 ||
        body->transaction_timeout_ms > mb_cluster_property(request->cluster, "transaction.max.timeout.ms"))
        return KCI_INVALID_TRANSACTION_TIMEOUT;
    return mb_txns_route(request, id, now);
}

void mb_handle_init_producer_id(struct mb_request *request, int64_t now)
{
    const struct kci_init_producer_id_request *body = request->body;
    struct mb_txns *txns = mb_cluster_transactions(request->cluster);
    int16_t error = check(request, now);
    if (!error && !body->transactional_id.data) {
        answer(request, KCI_NONE, &(struct mb_txn_meta){ .producer_id = mb_txns_new_producer_id(txns) }, now);
        return;
    }
    struct mb_txn *txn = error ? NULL : mb_txns_obtain(txns, body->transactional_id);
    if (!error && !txn)
        error = KCI_COORDINATOR_NOT_AVAILABLE;
    if (error) {
        answer(request, error, NULL, now);
        return;
    }
    mb_txn_timeout_arm(txns, now);
    init(request, txn, now);
}
