/* DescribeTransactions and ListTransactions (KIP-664): what the coordinator knows, for kafka-transactions.sh and for
 * finding transactions that hang. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/re2.h"
#include "mockbroker/core/txn_registry.h"

typedef struct kci_describe_transactions_response__transaction_state described;
typedef struct kci_describe_transactions_response__topic_data topic_out;

/* ---- DescribeTransactions
 * -------------------------------------------------------------------------------------------- */

/* The place of a topic; a new one at the end of those that are there. */
static topic_out *topic_of(described *out, struct kci_str name)
{
    for (int32_t i = out->topics_count; i > 0; i--)
        if (kci_str_equal(out->topics[i - 1].topic, name))
            return &out->topics[i - 1];
    out->topics[out->topics_count].topic = name;
    return &out->topics[out->topics_count++];
}

/* Partitions by topic; views into the transaction. False: no memory. */
static bool list_topics(struct mb_request *request, const struct mb_txn *txn, described *out)
{
    struct kci_arena *arena = &request->arena;
    const struct mb_txn_part *part;
    out->topics = kci_arena_array(arena, txn->parts.count, sizeof *out->topics);
    if (!out->topics)
        return txn->parts.count == 0;
    for (size_t at = 0; (part = mb_txn_next_part(txn, &at));) /* how many of each */
        if (mb_authorize_topic(request, MB_ACL_DESCRIBE, part->topic))
            topic_of(out, part->topic)->partitions_count++;
    for (int32_t t = 0; t < out->topics_count; t++) {
        out->topics[t].partitions =
            kci_arena_array(arena, (size_t)out->topics[t].partitions_count, sizeof *out->topics[t].partitions);
        if (!out->topics[t].partitions)
            return false;
        out->topics[t].partitions_count = 0;
    }
    for (size_t at = 0; (part = mb_txn_next_part(txn, &at));)
        if (mb_authorize_topic(request, MB_ACL_DESCRIBE, part->topic)) {
            topic_out *topic = topic_of(out, part->topic);
            topic->partitions[topic->partitions_count++] = part->partition;
        }
    return true;
}

static bool describe(struct mb_request *request, struct kci_str id, described *out, int64_t now)
{
    struct mb_txns *txns = mb_cluster_transactions(request->cluster);
    kci_codec_init(&kci_describe_transactions_response__transaction_state_schema, out);
    out->transactional_id = id;
    out->transaction_state = kci_str_of("");
    if (id.size == 0)
        out->error_code = KCI_INVALID_REQUEST;
    else
        out->error_code = mb_txns_route(request, id, now);
    const struct mb_txn *txn = out->error_code ? NULL : mb_txns_find(txns, id);
    if (!out->error_code && (!txn || txn->meta.epoch < 0))
        out->error_code = KCI_TRANSACTIONAL_ID_NOT_FOUND;
    if (out->error_code)
        return true;
    out->transaction_state = kci_str_of(kci_states_name(&mb_txn_states, txn->state));
    out->transaction_timeout_ms = txn->meta.timeout_ms;
    out->transaction_start_time_ms = txn->meta.started_ms;
    out->producer_id = txn->meta.producer_id;
    out->producer_epoch = txn->meta.epoch;
    return list_topics(request, txn, out);
}

void mb_handle_describe_transactions(struct mb_request *request, int64_t now)
{
    const struct kci_describe_transactions_request *body = request->body;
    struct kci_describe_transactions_response response = { 0 };
    response.transaction_states =
        kci_arena_array(&request->arena, (size_t)body->transactional_ids_count, sizeof *response.transaction_states);
    bool ok = response.transaction_states != NULL || body->transactional_ids_count == 0;
    for (int32_t i = 0; ok && i < body->transactional_ids_count; i++)
        ok = describe(request, body->transactional_ids[i],
                      &response.transaction_states[response.transaction_states_count++], now);
    if (ok)
        mb_request_answer(request, &response, now);
    else
        mb_request_hang_up(request, "no memory for a description of transactions", now);
}

/* ---- ListTransactions
 * ------------------------------------------------------------------------------------------------ */

/* An empty list lets everything through. */
static bool state_wanted(const struct kci_list_transactions_request *body, int state)
{
    for (int32_t i = 0; i < body->state_filters_count; i++)
        if (mb_txn_state_find(body->state_filters[i]) == state)
            return true;
    return body->state_filters_count == 0;
}

static bool producer_wanted(const struct kci_list_transactions_request *body, int64_t producer_id)
{
    for (int32_t i = 0; i < body->producer_id_filters_count; i++)
        if (body->producer_id_filters[i] == producer_id)
            return true;
    return body->producer_id_filters_count == 0;
}

static bool wanted(const struct mb_request *request, const struct mb_txn *txn, struct mb_re2 *pattern, int64_t wall_ms)
{
    const struct kci_list_transactions_request *body = request->body;
    const struct mb_txn_home *home = &txn->owner->homes[txn->partition];
    int64_t longest_ms = request->header.version >= 1 ? body->duration_filter : -1;
    return txn->meta.epoch >= 0 && home->broker == request->broker && home->loaded && state_wanted(body, txn->state) &&
           producer_wanted(body, txn->meta.producer_id) &&
           (longest_ms < 0 || wall_ms - txn->meta.started_ms > longest_ms) && /* of those that are over, too */
           (!pattern || mb_re2_match(pattern, txn->id)) &&
           mb_authorize(request, MB_ACL_DESCRIBE, MB_ACL_TRANSACTIONAL_ID, txn->id);
}

static bool is_told(const struct kci_list_transactions_response *response, struct kci_str filter)
{
    for (int32_t i = 0; i < response->unknown_state_filters_count; i++)
        if (kci_str_equal(response->unknown_state_filters[i], filter))
            return true;
    return false;
}

static bool list(struct mb_request *request, struct mb_re2 *pattern, struct kci_list_transactions_response *response,
                 int64_t now)
{
    const struct kci_list_transactions_request *body = request->body;
    const struct mb_txns *txns = mb_cluster_transactions(request->cluster);
    struct kci_arena *arena = &request->arena;
    const struct kci_map_entry *entry;
    response->unknown_state_filters =
        kci_arena_array(arena, (size_t)body->state_filters_count, sizeof *response->unknown_state_filters);
    response->transaction_states = kci_arena_array(arena, txns->by_id.count, sizeof *response->transaction_states);
    if (!response->unknown_state_filters || !response->transaction_states)
        return false;
    for (int32_t i = 0; i < body->state_filters_count; i++)
        if (mb_txn_state_find(body->state_filters[i]) < 0 && !is_told(response, body->state_filters[i]))
            response->unknown_state_filters[response->unknown_state_filters_count++] = body->state_filters[i];
    for (size_t at = 0; (entry = kci_map_next(&txns->by_id, &at));) {
        const struct mb_txn *txn = entry->value;
        if (!wanted(request, txn, pattern, mb_cluster_wall_ms(request->cluster, now)))
            continue;
        struct kci_list_transactions_response__transaction_state *out =
            &response->transaction_states[response->transaction_states_count++];
        out->transactional_id = txn->id;
        out->producer_id = txn->meta.producer_id;
        out->transaction_state = kci_str_of(kci_states_name(&mb_txn_states, txn->state));
    }
    return true;
}

void mb_handle_list_transactions(struct mb_request *request, int64_t now)
{
    const struct kci_list_transactions_request *body = request->body;
    struct kci_list_transactions_response response = { 0 };
    struct mb_re2 *pattern = NULL;
    const char *why = NULL;
    bool ok = true;
    if (request->header.version >= 2 && body->transactional_id_pattern.size) {
        pattern = mb_re2_compile(request->cluster->alloc, body->transactional_id_pattern, &why);
        ok = pattern || why;
    }
    if (why)
        response.error_code = KCI_INVALID_REGULAR_EXPRESSION;
    else if (ok)
        ok = list(request, pattern, &response, now);
    mb_re2_free(pattern);
    if (ok)
        mb_request_answer(request, &response, now);
    else
        mb_request_hang_up(request, "no memory for a list of transactions", now);
}
