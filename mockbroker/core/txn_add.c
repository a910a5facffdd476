/* Partitions come into a transaction: AddPartitionsToTxn and AddOffsetsToTxn say so beforehand; with
 * transaction.version 2 the leader of a partition says so when the first batch arrives (Produce v12, TxnOffsetCommit
 * v5).  For older clients it asks whether it was said, so that a batch that is late by a transaction hangs in none
 * (KIP-890).
 *
 * An AddPartitionsToTxn with a partition that cannot be added adds none.  From v4 on it is what brokers send each
 * other: several transactions, each for itself, or only a question (verify_only). */
#include "mockbroker/core/txn_add.h"

#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_registry.h"

#define FENCED_SINCE 2 /* versions that know PRODUCER_FENCED, of AddPartitionsToTxn and AddOffsetsToTxn */

/* The transaction, if the claim is good and it may be written to now. 0, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED,
 * CONCURRENT_TRANSACTIONS: before the others for who adds, behind them for who only asks. */
static int16_t check(struct mb_txns *txns, const struct mb_txn_claim *claim, bool adds, struct mb_txn **out)
{
    struct mb_txn *txn = mb_txns_find(txns, claim->id);
    *out = txn;
    if (txn && adds && mb_txn_is_busy(txn))
        return KCI_CONCURRENT_TRANSACTIONS;
    if (!txn || txn->meta.epoch < 0 || txn->meta.producer_id != claim->producer_id)
        return KCI_INVALID_PRODUCER_ID_MAPPING;
    if (txn->meta.epoch != claim->epoch)
        return KCI_PRODUCER_FENCED;
    return mb_txn_is_busy(txn) ? KCI_CONCURRENT_TRANSACTIONS : KCI_NONE;
}

/* Of refs, those that are new. False: no memory, or too many. */
static bool gather(const struct mb_txn *txn, const struct mb_txn_ref *refs, size_t count, struct mb_txn_change *change)
{
    const struct kci_alloc *alloc = txn->owner->alloc;
    size_t new_count = 0;
    for (size_t i = 0; i < count; i++)
        new_count += !mb_txn_part_find(txn, refs[i].topic, refs[i].partition);
    if (!new_count)
        return true;
    change->added = kci_alloc_zero(alloc, new_count, sizeof(struct mb_txn_part *));
    bool ok = change->added && txn->parts.count + new_count <= MB_TXN_PARTS_MAX;
    for (size_t i = 0; ok && i < count; i++) {
        if (mb_txn_part_find(txn, refs[i].topic, refs[i].partition))
            continue;
        change->added[change->added_count] = mb_txn_part_new(alloc, refs[i].topic, refs[i].partition);
        ok = change->added[change->added_count] != NULL;
        change->added_count += ok;
    }
    for (size_t i = 0; !ok && i < change->added_count; i++)
        kci_alloc_free(alloc, change->added[i]);
    if (!ok)
        kci_alloc_free(alloc, change->added);
    return ok;
}

/* Add what is not in it yet; done(owner, 0) once all are. `bumps`: of transaction.version 2. */
static void add_all(struct mb_txn *txn, const struct mb_txn_ref *refs, size_t count, bool bumps,
                    void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now)
{
    struct mb_txn_change change = mb_txn_change_of(txn, MB_TXN_ONGOING, now);
    if (!gather(txn, refs, count, &change)) {
        done(owner, KCI_COORDINATOR_NOT_AVAILABLE, now);
        return;
    }
    if (!change.added_count && txn->state == MB_TXN_ONGOING) {
        done(owner, KCI_NONE, now);
        return;
    }
    if (txn->state != MB_TXN_ONGOING)
        change.meta.started_ms = change.meta.updated_ms;
    change.meta.bumps = bumps;
    mb_txn_write(txn, &change, done, owner, now);
}

/* ---- what leaders of partitions ask
 * ---------------------------------------------------------------------------------- */

/* A producer that writes knows other errors than one that talks to its coordinator. */
static int16_t as_of_leader(int16_t error)
{
    switch (error) {
    case KCI_PRODUCER_FENCED:
        return KCI_INVALID_PRODUCER_EPOCH;
    case KCI_COORDINATOR_NOT_AVAILABLE:
    case KCI_COORDINATOR_LOAD_IN_PROGRESS:
    case KCI_NOT_COORDINATOR:
        return KCI_NOT_ENOUGH_REPLICAS; /* clients try again, and need not look for another leader */
    default:
        return error;
    }
}

int16_t mb_txn_verify(struct mb_cluster *cluster, const struct mb_txn_claim *claim, const struct mb_txn_ref *ref,
                      int16_t missing, int64_t now)
{
    struct mb_txn *txn;
    int16_t error = claim->id.size == 0 ? KCI_INVALID_REQUEST : mb_txns_ready(cluster, claim->id, now);
    if (!error)
        error = check(cluster->transactions, claim, false, &txn);
    if (!error && (txn->state != MB_TXN_ONGOING || !mb_txn_part_find(txn, ref->topic, ref->partition)))
        error = missing;
    if (error == KCI_CONCURRENT_TRANSACTIONS)
        error = KCI_NOT_ENOUGH_REPLICAS; /* such clients do not know it here */
    return as_of_leader(error);
}

struct admission {
    const struct kci_alloc *alloc;
    void (*done)(void *owner, int16_t error, int64_t now);
    void *owner;
};

static void admitted(void *owner, int16_t error, int64_t now)
{
    struct admission admission = *(struct admission *)owner;
    kci_alloc_free(admission.alloc, owner);
    admission.done(admission.owner, as_of_leader(error), now);
}

void mb_txn_admit(struct mb_cluster *cluster, const struct mb_txn_claim *claim, const struct mb_txn_ref *refs,
                  size_t count, void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now)
{
    struct mb_txn *txn;
    int16_t error = claim->id.size == 0 ? KCI_INVALID_REQUEST : mb_txns_ready(cluster, claim->id, now);
    if (!error)
        error = check(cluster->transactions, claim, true, &txn);
    struct admission *admission = error ? NULL : kci_alloc_new(cluster->alloc, sizeof *admission);
    if (!error && !admission)
        error = KCI_COORDINATOR_NOT_AVAILABLE;
    if (error) {
        done(owner, as_of_leader(error), now);
        return;
    }
    *admission = (struct admission){ cluster->alloc, done, owner };
    add_all(txn, refs, count, true, admitted, admission, now);
}

/* ---- AddPartitionsToTxn
 * ---------------------------------------------------------------------------------------------- */

typedef struct kci_add_partitions_to_txn_request__add_partitions_to_txn_topic asked_topic;
typedef struct kci_add_partitions_to_txn_response__add_partitions_to_txn_topic_result topic_answer;

struct add;

struct add_one { /* transaction of the request */
    struct add *add;
    struct mb_txn_claim claim;
    bool verify_only;
    const asked_topic *topics;
    int32_t topic_count;
    topic_answer *results; /* as many as topics */
    struct mb_txn_ref *refs;
    size_t ref_count;
};

struct add { /* in the arena of the request */
    struct mb_request *request;
    struct kci_add_partitions_to_txn_response response;
    struct add_one *ones;
    int32_t one_count, left;
    bool begun; /* all were looked at: the last one may answer */
};

static void answer_add(struct add *add, int64_t now)
{
    mb_request_answer(add->request, &add->response, now);
}

static void set_all(struct add_one *one, int16_t error)
{
    int16_t version = one->add->request->header.version;
    if (error == KCI_PRODUCER_FENCED && version < FENCED_SINCE)
        error = KCI_INVALID_PRODUCER_EPOCH;
    for (int32_t t = 0; t < one->topic_count; t++)
        for (int32_t p = 0; p < one->results[t].results_by_partition_count; p++)
            one->results[t].results_by_partition[p].partition_error_code = error;
}

static void add_done(void *owner, int16_t error, int64_t now)
{
    struct add_one *one = owner;
    struct add *add = one->add;
    set_all(one, error);
    add->left--;
    if (add->begun && add->left == 0)
        answer_add(add, now);
}

/* Places for the results, and the list of partitions. False: no memory. */
static bool prepare_one(struct add_one *one)
{
    struct kci_arena *arena = &one->add->request->arena;
    size_t count = 0;
    one->results = kci_arena_array(arena, (size_t)one->topic_count, sizeof *one->results);
    for (int32_t t = 0; one->results && t < one->topic_count; t++) {
        topic_answer *result = &one->results[t];
        result->name = one->topics[t].name;
        result->results_by_partition =
            kci_arena_array(arena, (size_t)one->topics[t].partitions_count, sizeof *result->results_by_partition);
        if (!result->results_by_partition)
            return false;
        result->results_by_partition_count = one->topics[t].partitions_count;
        count += (size_t)one->topics[t].partitions_count;
        for (int32_t p = 0; p < one->topics[t].partitions_count; p++)
            result->results_by_partition[p].partition_index = one->topics[t].partitions[p];
    }
    one->refs = kci_arena_array(arena, count, sizeof *one->refs);
    for (int32_t t = 0; one->results && one->refs && t < one->topic_count; t++)
        for (int32_t p = 0; p < one->topics[t].partitions_count; p++)
            one->refs[one->ref_count++] = (struct mb_txn_ref){ one->topics[t].name, one->topics[t].partitions[p] };
    return one->results && one->refs;
}

/* Partitions that do not exist, or may not be written to. True: there were some, and the others are not attempted. */
static bool refuse_some(struct add_one *one)
{
    const struct mb_request *request = one->add->request;
    bool any = false;
    for (int32_t t = 0; t < one->topic_count; t++) {
        topic_answer *result = &one->results[t];
        int32_t exist = mb_cluster_topic_partitions(request->cluster, result->name);
        bool may = mb_authorize_topic(request, MB_ACL_WRITE, result->name);
        for (int32_t p = 0; p < result->results_by_partition_count; p++) {
            int32_t index = result->results_by_partition[p].partition_index;
            int16_t error = !may                          ? KCI_TOPIC_AUTHORIZATION_FAILED
                            : index < 0 || index >= exist ? KCI_UNKNOWN_TOPIC_OR_PARTITION
                                                          : KCI_OPERATION_NOT_ATTEMPTED;
            result->results_by_partition[p].partition_error_code = error;
            any |= error != KCI_OPERATION_NOT_ATTEMPTED;
        }
    }
    return any;
}

static void verify_one(struct add_one *one, const struct mb_txn *txn)
{
    for (int32_t t = 0; t < one->topic_count; t++)
        for (int32_t p = 0; p < one->results[t].results_by_partition_count; p++) {
            int32_t index = one->results[t].results_by_partition[p].partition_index;
            bool in = txn->state == MB_TXN_ONGOING && mb_txn_part_find(txn, one->results[t].name, index);
            one->results[t].results_by_partition[p].partition_error_code = in ? KCI_NONE : KCI_TRANSACTION_ABORTABLE;
        }
}

static void run_one(struct add_one *one, int64_t now)
{
    struct mb_request *request = one->add->request;
    struct mb_txns *txns = mb_cluster_transactions(request->cluster);
    struct mb_txn *txn = NULL;
    int16_t error = one->claim.id.size == 0 ? KCI_INVALID_REQUEST : mb_txns_route(request, one->claim.id, now);
    one->add->left++;
    if (error == KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED) { /* before the partitions are looked at, as in Kafka */
        add_done(one, error, now);
        return;
    }
    if (refuse_some(one)) {
        one->add->left--;
        return;
    }
    if (!error)
        error = check(txns, &one->claim, !one->verify_only, &txn);
    if (!error && one->verify_only) {
        verify_one(one, txn);
        one->add->left--;
    } else if (error) {
        add_done(one, error, now);
    } else {
        add_all(txn, one->refs, one->ref_count, false, add_done, one, now);
    }
}

/* False: no memory. */
static bool prepare(struct add *add)
{
    struct mb_request *request = add->request;
    const struct kci_add_partitions_to_txn_request *body = request->body;
    bool single = request->header.version < 4;
    add->one_count = single ? 1 : body->transactions_count;
    add->ones = kci_arena_array(&request->arena, (size_t)add->one_count, sizeof *add->ones);
    if (!single)
        add->response.results_by_transaction =
            kci_arena_array(&request->arena, (size_t)add->one_count, sizeof *add->response.results_by_transaction);
    if (!add->ones || (!single && !add->response.results_by_transaction))
        return false;
    for (int32_t i = 0; i < add->one_count; i++) {
        struct add_one *one = &add->ones[i];
        one->add = add;
        if (single) {
            one->claim = (struct mb_txn_claim){ body->v3_and_below_transactional_id, body->v3_and_below_producer_id,
                                                body->v3_and_below_producer_epoch };
            one->topics = body->v3_and_below_topics;
            one->topic_count = body->v3_and_below_topics_count;
        } else {
            one->claim =
                (struct mb_txn_claim){ body->transactions[i].transactional_id, body->transactions[i].producer_id,
                                       body->transactions[i].producer_epoch };
            one->verify_only = body->transactions[i].verify_only;
            one->topics = body->transactions[i].topics;
            one->topic_count = body->transactions[i].topics_count;
        }
        if (!prepare_one(one))
            return false;
        if (single) {
            add->response.results_by_topic_v3_and_below = one->results;
            add->response.results_by_topic_v3_and_below_count = one->topic_count;
        } else {
            add->response.results_by_transaction[i].transactional_id = one->claim.id;
            add->response.results_by_transaction[i].topic_results = one->results;
            add->response.results_by_transaction[i].topic_results_count = one->topic_count;
            add->response.results_by_transaction_count = i + 1;
        }
    }
    return true;
}

void mb_handle_add_partitions_to_txn(struct mb_request *request, int64_t now)
{
    struct add *add = kci_arena_take(&request->arena, sizeof *add);
    if (add)
        add->request = request;
    if (!add || !prepare(add)) {
        mb_request_hang_up(request, "no memory for the partitions of a transaction", now);
        return;
    }
    if (request->header.version >= 4 && !mb_authorize_cluster(request, MB_ACL_CLUSTER_ACTION)) {
        add->response = (struct kci_add_partitions_to_txn_response){ .error_code = KCI_CLUSTER_AUTHORIZATION_FAILED };
        answer_add(add, now);
        return;
    }
    for (int32_t i = 0; i < add->one_count; i++)
        run_one(&add->ones[i], now);
    add->begun = true;
    if (add->left == 0)
        answer_add(add, now);
}

/* ---- AddOffsetsToTxn
 * ------------------------------------------------------------------------------------------------- */

static void offsets_done(void *owner, int16_t error, int64_t now)
{
    struct mb_request *request = owner;
    if (error == KCI_PRODUCER_FENCED && request->header.version < FENCED_SINCE)
        error = KCI_INVALID_PRODUCER_EPOCH;
    struct kci_add_offsets_to_txn_response response = { .error_code = error };
    mb_request_answer(request, &response, now);
}

void mb_handle_add_offsets_to_txn(struct mb_request *request, int64_t now)
{
    const struct kci_add_offsets_to_txn_request *body = request->body;
    struct mb_txns *txns = mb_cluster_transactions(request->cluster);
    struct mb_groups *groups = mb_cluster_groups(request->cluster);
    struct mb_txn_claim claim = { body->transactional_id, body->producer_id, body->producer_epoch };
    struct mb_txn *txn = NULL;
    int16_t error = claim.id.size == 0 ? KCI_INVALID_REQUEST : mb_txns_route(request, claim.id, now);
    if (!error)
        error = mb_authorize_group(request, body->group_id);
    if (!error)
        error = check(txns, &claim, true, &txn);
    if (error) {
        offsets_done(request, error, now);
        return;
    }
    struct mb_txn_ref ref = { kci_str_of(MB_OFFSETS_TOPIC), mb_groups_partition_of(groups, body->group_id) };
    mb_internal_leader(request->cluster, ref.topic, ref.partition, now); /* it is made now if there is none */
    add_all(txn, &ref, 1, false, offsets_done, request, now);
}
