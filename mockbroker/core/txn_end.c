/* EndTxn (PROTOCOL 4.8): the decision.  It is made when Prepare* is in the log, which is when the client is answered;
 * the markers follow (txn_markers.c).
 *
 * Up to v4 the epoch stays.  From v5 on (transaction.version 2) each transaction ends with the epoch raised, and a new
 * producer id when the epochs are used up, so that what comes late from an old transaction is fenced; the answer
 * carries both.  A client that did not hear the answer asks again with the epoch before:
 *
 *      state             the current epoch                  the one before (v5)
 *      Ongoing           Prepare*                           fenced
 *      Prepare*          CONCURRENT_TRANSACTIONS: it is on its way to Complete*; v5 says so to every epoch
 *      Complete*         v4: same way 0, else INVALID_TXN_STATE;   same way: 0 with what is current
 *                        v5: abort of nothing, commit INVALID_TXN_STATE        else INVALID_TXN_STATE
 *      Empty             v4: INVALID_TXN_STATE, v5: as Complete*           fenced */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/txn_registry.h"

#define FENCED_SINCE 2 /* versions that know PRODUCER_FENCED */
#define BUMPS_SINCE  5

static void answer(struct mb_request *request, int16_t error, const struct mb_txn_meta *meta, int64_t now)
{
    struct kci_end_txn_response response;
    kci_codec_init(&kci_end_txn_response_schema, &response);
    if (error == KCI_PRODUCER_FENCED && request->header.version < FENCED_SINCE)
        error = KCI_INVALID_PRODUCER_EPOCH;
    response.error_code = error;
    if (!error) {
        response.producer_id = meta->next_id >= 0 ? meta->next_id : meta->producer_id;
        response.producer_epoch = meta->next_id >= 0 ? 0 : meta->epoch;
    }
    mb_request_answer(request, &response, now);
}

static void prepared(void *owner, int16_t error, int64_t now)
{
    struct mb_request *request = owner;
    const struct kci_end_txn_request *body = request->body;
    struct mb_txn *txn = error ? NULL : mb_txns_find(mb_cluster_transactions(request->cluster), body->transactional_id);
    answer(request, error, txn ? &txn->meta : NULL, now);
    if (txn)
        mb_txn_markers_begin(txn, now);
}

/* Planted defect: nobody waits for the decision. */
static void prepared_unheard(void *owner, int16_t error, int64_t now)
{
    (void)error;
    mb_txn_markers_later(owner, now);
}

static void prepare(struct mb_request *request, struct mb_txn *txn, int64_t now)
{
    const struct kci_end_txn_request *body = request->body;
    struct mb_txn_change change =
        mb_txn_change_of(txn, body->committed ? MB_TXN_PREPARE_COMMIT : MB_TXN_PREPARE_ABORT, now);
    change.meta.bumps = request->header.version >= BUMPS_SINCE;
    if (txn->state != MB_TXN_ONGOING) /* an abort of nothing begins when it ends */
        change.meta.started_ms = change.meta.updated_ms;
    if (change.meta.bumps) {
        change.meta.last_epoch = change.meta.epoch;
        if (change.meta.epoch >= MB_TXN_EPOCH_MAX)
            change.meta.next_id = mb_txns_new_producer_id(txn->owner);
        change.meta.epoch++;
    }
    if (request->cluster->options.plant == MB_PLANT_ENDED_EARLY) {
        struct mb_txns *txns = txn->owner;
        struct mb_txn_meta meta = change.meta;
        mb_txn_write(txn, &change, prepared_unheard, txns, now);
        answer(request, KCI_NONE, &meta, now);
        return;
    }
    mb_txn_write(txn, &change, prepared, request, now);
}

/* 1: prepare it; 0 or below: the answer's error, negated. */
enum { GO = 1 };

static int judge_stable(const struct mb_txn *txn, bool commit)
{
    switch (txn->state) {
    case MB_TXN_ONGOING:
        return GO;
    case MB_TXN_COMPLETE_COMMIT:
        return commit ? KCI_NONE : -KCI_INVALID_TXN_STATE;
    case MB_TXN_COMPLETE_ABORT:
        return commit ? -KCI_INVALID_TXN_STATE : KCI_NONE;
    default:
        return -KCI_INVALID_TXN_STATE;
    }
}

static int judge_bumping(const struct mb_txn *txn, bool commit, bool again)
{
    switch (txn->state) {
    case MB_TXN_ONGOING:
        return again ? -KCI_PRODUCER_FENCED : GO;
    case MB_TXN_COMPLETE_COMMIT:
    case MB_TXN_COMPLETE_ABORT:
        if (again)
            return commit == (txn->state == MB_TXN_COMPLETE_COMMIT) ? KCI_NONE : -KCI_INVALID_TXN_STATE;
        return commit ? -KCI_INVALID_TXN_STATE : GO; /* an abort of nothing raises the epoch (KIP-890) */
    default:
        return again ? -KCI_PRODUCER_FENCED : commit ? -KCI_INVALID_TXN_STATE : GO;
    }
}

static int judge(const struct mb_txn *txn, const struct kci_end_txn_request *body, bool bumps)
{
    const struct mb_txn_meta *meta = &txn->meta;
    if (bumps && mb_txn_is_busy(txn))
        return -KCI_CONCURRENT_TRANSACTIONS;
    /* the retry that was answered with a new producer id, or will be */
    bool overflow =
        body->producer_epoch == MB_TXN_EPOCH_MAX && body->producer_id == meta->previous_id && meta->epoch == 0 && bumps;
    if (meta->epoch < 0 || (meta->producer_id != body->producer_id && !overflow))
        return -KCI_INVALID_PRODUCER_ID_MAPPING;
    bool same = meta->producer_id == body->producer_id && meta->epoch == body->producer_epoch;
    bool again =
        overflow || (bumps && meta->producer_id == body->producer_id && body->producer_epoch == meta->epoch - 1);
    if (!same && !again)
        return -KCI_PRODUCER_FENCED;
    if (mb_txn_is_busy(txn))
        return -KCI_CONCURRENT_TRANSACTIONS;
    return bumps ? judge_bumping(txn, body->committed, again) : judge_stable(txn, body->committed);
}

void mb_handle_end_txn(struct mb_request *request, int64_t now)
{
    const struct kci_end_txn_request *body = request->body;
    int16_t error =
        body->transactional_id.size == 0 ? KCI_INVALID_REQUEST : mb_txns_route(request, body->transactional_id, now);
    struct mb_txn *txn = error ? NULL : mb_txns_find(mb_cluster_transactions(request->cluster), body->transactional_id);
    if (!error && !txn)
        error = KCI_INVALID_PRODUCER_ID_MAPPING;
    int verdict = error ? -error : judge(txn, body, request->header.version >= BUMPS_SINCE);
    if (verdict == GO)
        prepare(request, txn, now);
    else
        answer(request, (int16_t)-verdict, txn ? &txn->meta : NULL, now);
}
