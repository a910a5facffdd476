/* The fetcher.
 *
 *   step   partitions that are READY and want more  --by leader-->  one request per node, one of them under way at a time
 *   done   response --parse--> parts, one per partition; the position to fetch from moves on at once, and the next request leaves
 *          in the same turn, before the parts are judged: it is on the wire while these bytes are worked on
 *   judge  parts --> runs in the queue of their partition (see fetch_judge.c)
 *
 * Memory: a request reserves what it may bring, before it is sent; `max_bytes` of the request is what was reserved.
 * Only one batch that is larger than that by itself can exceed it.  When there is no room nothing is sent; the release
 * of a kc_records wakes us. A partition whose queue holds max.partition.fetch.bytes is left out until poll has taken
 * some.  The request for the others then must not park at the broker for fetch.max.wait.ms, or the one that was left
 * out would starve: it is sent with wait 0, and if it brings nothing the next one waits until the queue is drained.
 * A batch that takes more than plain_max bytes when decompressed is fetched alone (fetch_alone.c). */
#include "consumer/internal.h"
#include "consumer/reset.h"

#include <inttypes.h>

#define RESERVE_LEAST    (64 << 10)  /* below it a fetch is not worth its round trip */
#define RUN_BYTES_MOST   (8 << 10)   /* of one run with KCI_RUN_BATCHES_MAX batches */
#define TARGET_FIRST     (128 << 10) /* bytes; small, to learn the round trip */
#define TARGET_MIN       (1 << 20)   /* and the least to come back to */
#define TARGET_NEAR      (3 << 20)   /* enough for any line ... */
#define NEAR_US          5000 /* ... with a round trip below this: what takes long then is a busy machine, not the line */
#define ROUND_TRIPS_FEW  8    /* a response that takes fewer round trips than this is too small */
#define ROUND_TRIPS_MANY 32   /* and one that takes more is larger than it need be */
#define FETCH_SLACK_MS   30000 /* a fetch may take its max.wait.ms longer than any other request */

void kci_fetcher_init(struct kci_consumer *c)
{
    kci_list_init(&c->fetcher.nodes);
    kci_list_init(&c->fetcher.parts);
    c->fetcher.plain_max = c->settings->fetch_memory_max / 4;
}

void kci_fetcher_destroy(struct kci_consumer *c)
{
    struct kci_list *link;
    while ((link = kci_list_pop(&c->fetcher.parts)))
        kci_part_destroy(KCI_CONTAINER(link, struct kci_part, link));
    while ((link = kci_list_pop(&c->fetcher.nodes))) {
        struct kci_fetch_node *node = KCI_CONTAINER(link, struct kci_fetch_node, link);
        kci_fetch_session_destroy(&node->session);
        kci_arena_destroy(&node->arena);
        kci_alloc_free(c->alloc, node->wanted);
        kci_alloc_free(c->alloc, node);
    }
}

/* ---- what to ask for ---- */

static struct kci_fetch_node *find_node(struct kci_consumer *c, int32_t id)
{
    KCI_LIST_EACH(link, &c->fetcher.nodes)
    {
        struct kci_fetch_node *node = KCI_CONTAINER(link, struct kci_fetch_node, link);
        if (node->node == id)
            return node;
    }
    struct kci_fetch_node *node = kci_alloc_zero(c->alloc, 1, sizeof *node);
    if (!node)
        return NULL;
    node->consumer = c;
    node->node = id;
    node->latency_us = INT64_MAX;
    node->target = TARGET_FIRST;
    node->arena = kci_arena_of(c->alloc, 64u << 20);
    kci_fetch_session_init(&node->session, c->alloc, &c->subscription, kci_prng_next(&c->prng));
    node->session.stale = c->plant == KCI_PLANT_SESSION_STALE;
    kci_list_push(&c->fetcher.nodes, &node->link);
    return node;
}

static bool add_wanted(struct kci_consumer *c, struct kci_fetch_node *node, struct kci_assigned *a)
{
    if (node->wanted_count == node->wanted_capacity) {
        size_t capacity = node->wanted_capacity ? 2 * node->wanted_capacity : 16;
        void *grown = kci_alloc_resize(c->alloc, node->wanted, capacity * sizeof(void *));
        if (!grown)
            return false;
        node->wanted = grown;
        node->wanted_capacity = capacity;
    }
    node->wanted[node->wanted_count++] = a;
    return true;
}

/* Who is asked for a partition: the leader, or for a while the replica that the leader named (KIP-392). */
static int32_t node_of(struct kci_consumer *c, struct kci_assigned *a, int64_t now)
{
    int32_t epoch, leader = kci_consumer_leader(a->topic, a->partition, &epoch);
    if (a->preferred >= 0 && (now >= a->preferred_until || kci_cluster_node_text(c->cluster, a->preferred)[0] == '?'))
        a->preferred = -1;
    return a->preferred >= 0 && leader != KCI_NODE_NONE ? a->preferred : leader;
}

/* Give each fetchable partition to the node that it is fetched from; or only the one that is fetched alone. */
static void collect(struct kci_consumer *c, const struct kci_assigned *alone, int64_t now)
{
    KCI_LIST_EACH(link, &c->fetcher.nodes)
    KCI_CONTAINER(link, struct kci_fetch_node, link)->wanted_count = 0;
    KCI_LIST_EACH(link, &c->fetcher.nodes)
    KCI_CONTAINER(link, struct kci_fetch_node, link)->left_out = false;
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        if (a->state != KCI_POSITION_READY || a->paused || a->revoking || (alone && a != alone))
            continue;
        if (a->not_before > now) {
            kci_consumer_at(c, a->not_before);
            continue;
        }
        int32_t leader = node_of(c, a, now);
        if (leader == KCI_NODE_NONE && !kci_consumer_known(a->topic))
            continue; /* the metadata is on its way: its arrival is an event */
        if (leader == KCI_NODE_NONE) {
            a->not_before = kci_consumer_retry_at(c, a->attempts++, now);
            kci_consumer_at(c, a->not_before);
            kci_cluster_refresh(c->cluster, "a partition to be fetched has no leader", now);
            continue;
        }
        struct kci_fetch_node *node = find_node(c, leader);
        if (!node)
            continue;
        if (a->queued_bytes + a->judging_bytes >= c->settings->max_partition_fetch_bytes)
            node->left_out = true;
        else
            add_wanted(c, node, a);
    }
}

/* ---- asking ---- */

static void on_fetched(struct kci_call *call, const struct kci_reply *reply, int64_t now);

static int64_t bytes_wanted(const struct kci_consumer *c, const struct kci_fetch_node *node)
{
    int64_t sum = (int64_t)node->wanted_count * c->settings->max_partition_fetch_bytes;
    int64_t most = c->settings->fetch_max_bytes < node->target ? c->settings->fetch_max_bytes : node->target;
    return sum < most ? sum : most;
}

/* Learn from a response of `bytes` that has just arrived. */
static void adapt(struct kci_fetch_node *node, int64_t bytes, int64_t now)
{
    int64_t took = now - node->sent_at;
    if (took < node->latency_us)
        node->latency_us = took > 0 ? took : 1;
    if (bytes < node->target / 2)
        return; /* there was not more */
    bool may_grow = node->target < (node->latency_us < NEAR_US ? TARGET_NEAR / 2 : INT32_MAX / 2);
    if (took < ROUND_TRIPS_FEW * node->latency_us && may_grow)
        node->target *= 2;
    else if (took > ROUND_TRIPS_MANY * node->latency_us && node->target > TARGET_MIN)
        node->target /= 2;
}

/* Before v12 a request has no place for the epoch of what was fetched last, and the leader does not compare. */
static bool fit_version(struct kci_call *call, int16_t version)
{
    struct kci_fetch_node *node = call->owner;
    bool planted = node->consumer->plant == KCI_PLANT_ANY_HISTORY; /* defect */
    for (int32_t i = 0; (version < KCI_FETCH_VERSION_EPOCH || planted) && i < node->request.topics_count; i++)
        for (int32_t k = 0; k < node->request.topics[i].partitions_count; k++)
            node->request.topics[i].partitions[k].last_fetched_epoch = -1;
    return true;
}

bool kci_fetcher_is_under_way(const struct kci_consumer *c)
{
    KCI_LIST_EACH(link, &c->fetcher.nodes)
    if (KCI_CONTAINER(link, struct kci_fetch_node, link)->in_flight)
        return true;
    return false;
}

static void send_fetch(struct kci_consumer *c, struct kci_fetch_node *node, int64_t now)
{
    const struct kci_settings *s = c->settings;
    bool alone = c->fetcher.alone.state == KCI_ALONE_WAITS;
    int64_t want = bytes_wanted(c, node), least = want < RESERVE_LEAST ? want : RESERVE_LEAST;
    int64_t spare = c->fetcher.plain_max + RUN_BYTES_MOST; /* what has arrived can be judged */
    int64_t reserved = alone ? kci_fetch_alone_reserve(c) : kci_shared_reserve(c->shared, least, want, spare);
    if (!reserved) { /* woken when bytes come back */
        /* An answer that is under way gives back what it did not need, or brings something to read. */
        if (!kci_fetcher_is_under_way(c))
            kci_fetch_alone_make_room(c);
        return;
    }
    kci_arena_reset(&node->arena);
    struct kci_fetch_request *request = &node->request;
    kci_codec_init(&kci_fetch_request_schema, request);
    request->max_wait_ms = node->left_out || c->plant == KCI_PLANT_IMPATIENT ? 0 : s->fetch_max_wait_ms;
    request->min_bytes = alone && s->fetch_min_bytes > 1 ? 1 : s->fetch_min_bytes;
    request->max_bytes = alone ? 1 : (int32_t)reserved; /* the first batch comes whole all the same (KIP-74) */
    request->isolation_level = s->isolation_level == KCI_READ_COMMITTED;
    request->rack_id = kci_str_of(s->client_rack ? s->client_rack : "");
    if (!kci_fetch_session_build(&node->session, node->wanted, node->wanted_count, s->max_partition_fetch_bytes,
                                 &node->arena, request)) {
        kci_fetch_session_reset(&node->session);
        kci_shared_give_back(c->shared, reserved);
        node->not_before = kci_consumer_retry_at(c, node->attempts++, now);
        kci_consumer_at(c, node->not_before);
        return;
    }
    node->reserved = reserved;
    node->in_flight = true;
    node->alone = alone ? c->fetcher.alone.version : 0;
    if (alone)
        c->fetcher.alone.state = KCI_ALONE_ASKED;
    node->sent_at = now;
    memset(&node->call, 0, sizeof node->call);
    node->call.api = KCI_API_FETCH;
    node->call.version_min = KCI_FETCH_VERSION_MIN;
    node->call.version_max = node->session.with_ids ? KCI_FETCH_VERSION_MAX : KCI_FETCH_VERSION_IDS - 1;
    node->call.request = request;
    node->call.timeout_ms =
        s->request_timeout_ms > s->fetch_max_wait_ms ? s->request_timeout_ms : s->fetch_max_wait_ms + FETCH_SLACK_MS;
    node->call.raw_reply = true;
    node->call.prepare = fit_version;
    node->call.done = on_fetched;
    node->call.owner = node;
    c->stats.fetches++;
    kci_log(&c->logger, KCI_LOG_DEBUG, "fetch", "broker %d: asked for %zu partitions, %" PRId64 " bytes, wait %d ms%s",
            (int)node->node, node->wanted_count, reserved, (int)request->max_wait_ms,
            node->left_out ? ", others are full" : "");
    kci_cluster_call(c->cluster, node->node, &node->call, now);
}

void kci_fetcher_step(struct kci_consumer *c, int64_t now)
{
    if (c->fetcher.stopped) {
        kci_fetcher_close_step(c, now);
        return;
    }
    struct kci_assigned *alone = kci_fetch_alone_find(c);
    if (alone && c->fetcher.alone.state != KCI_ALONE_WAITS)
        return;
    if (alone && (alone->not_before > now || node_of(c, alone, now) == KCI_NODE_NONE)) {
        kci_fetch_alone_end(c, now);
        alone = NULL;
    }
    collect(c, alone, now);
    KCI_LIST_EACH(link, &c->fetcher.nodes)
    {
        struct kci_fetch_node *node = KCI_CONTAINER(link, struct kci_fetch_node, link);
        if (node->in_flight || node->wanted_count == 0)
            continue;
        if (node->not_before > now) {
            kci_consumer_at(c, node->not_before);
            continue;
        }
        if (node->held_back && node->left_out && !c->fetcher.drained && node->hold_until > now) {
            kci_consumer_at(c, node->hold_until);
            continue;
        }
        send_fetch(c, node, now);
        if (node->in_flight) { /* turns: when memory is short, who has had some comes after those who have not */
            kci_list_remove(&node->link);
            kci_list_push(&c->fetcher.nodes, &node->link);
        }
    }
    c->fetcher.drained = false;
}

/* ---- answers ---- */

/* The offset behind the last whole batch, looking at headers only. Damage shows when the bytes are judged. */
static int64_t offset_behind(struct kci_bytes records, int64_t from, int32_t *epoch)
{
    struct kci_reader r = kci_reader_of(records.data, records.size);
    struct kci_batch_header header;
    size_t total;
    while (kci_reader_left(&r) && kci_batch_peek(&r, &header, &total) == KCI_BATCH_OK) {
        int64_t next = (int64_t)((uint64_t)header.base_offset + (uint64_t)header.last_offset_delta + 1);
        if (next > from) {
            from = next;
            *epoch = header.leader_epoch;
        }
        kci_reader_take(&r, total);
    }
    return from;
}

static void back_off(struct kci_consumer *c, struct kci_assigned *a, int64_t now)
{
    a->not_before = kci_consumer_retry_at(c, a->attempts++, now);
    kci_consumer_at(c, a->not_before);
    /* To the end of the order, so that a bad partition does not starve the others. */
    kci_list_remove(&a->link);
    kci_list_push(&c->subscription.assigned, &a->link);
}

static void out_of_range(struct kci_consumer *c, struct kci_assigned *a, int64_t now)
{
    if (a->preferred >= 0) { /* a follower may lag behind: only the leader knows */
        a->preferred = -1;
        return;
    }
    if (a->fetch_offset != a->position) { /* what was fetched before may still be read; ask again then */
        back_off(c, a, now);
        return;
    }
    kci_reset_begin(c, a, KCI_RESET_OUT_OF_RANGE, now);
}

/* PROTOCOL 3.3: what the error of one partition means. */
static void partition_error(struct kci_consumer *c, const struct kci_fetch_node *node, struct kci_assigned *a,
                            const struct kci_fetch_partition *p, int64_t now)
{
    char name[80];
    bool moved = p->error == KCI_NOT_LEADER_OR_FOLLOWER || p->error == KCI_FENCED_LEADER_EPOCH;
    if (moved && c->plant == KCI_PLANT_LEADER_FORGOTTEN) { /* planted defect */
        back_off(c, a, now);
        return;
    }
    if (p->error == KCI_OFFSET_OUT_OF_RANGE || (moved && c->plant == KCI_PLANT_RESET_EASILY)) {
        out_of_range(c, a, now);
        return;
    }
    a->preferred = -1;
    switch (p->error) {
    case KCI_CORRUPT_MESSAGE:
        kci_cluster_node_name(c->cluster, node->node, name, sizeof name);
        kci_assigned_fail(&c->subscription, a, KC_ERR_CORRUPT, now,
                          "%s found the batch at offset %" PRId64 " of %s [%d] damaged: seek past it", name,
                          a->fetch_offset, a->topic->name.data, (int)a->partition);
        kci_consumer_tell(c);
        return;
    case KCI_UNKNOWN_LEADER_EPOCH:
    case KCI_UNKNOWN_SERVER_ERROR:
        break;
    default:
        if (!(kci_error_flags(p->error) & (KCI_ERROR_RETRIABLE | KCI_ERROR_REFRESH)))
            kci_blame_raise(c, node->node, p->error, "fetching %s [%d] at offset %" PRId64, a->topic->name.data,
                            (int)a->partition, a->fetch_offset);
        break;
    }
    kci_log(&c->logger, KCI_LOG_INFO, "fetch", "%s [%d] at %" PRId64 ": %s", a->topic->name.data, (int)a->partition,
            a->fetch_offset, kci_error_name(p->error));
    if (!kci_cluster_leader_hint(c->cluster, a->topic->name, a->partition, p->leader, p->leader_epoch, now) ||
        p->leader < 0) {
        kci_cluster_refresh(c->cluster, kci_error_name(p->error), now);
        back_off(c, a, now);
    }
}

/* Is the answer what has to be alone now?  Meanwhile that may have ended, and another partition's turn have come. */
static bool is_alone(const struct kci_consumer *c, const struct kci_fetch_node *node)
{
    const struct kci_fetch_alone *alone = &c->fetcher.alone;
    return node->alone && alone->state == KCI_ALONE_ASKED && alone->version == node->alone;
}

/* One partition of a response that is still wanted. */
static bool take_partition(struct kci_consumer *c, const struct kci_fetch_node *node, struct kci_fetched *fetched,
                           struct kci_assigned *a, const struct kci_fetch_partition *p, int64_t now)
{
    bool malformed, alone = is_alone(c, node);
    if (p->error != KCI_NONE) {
        partition_error(c, node, a, p, now);
        return true;
    }
    a->attempts = 0;
    if (p->diverging_epoch >= 0) { /* KIP-595: the leader's log and what we have read part before our position */
        int32_t current;
        kci_consumer_leader(a->topic, a->partition, &current);
        kci_reset_diverged(c, a, p->diverging_offset, p->diverging_epoch, current, now);
        return true;
    }
    if (p->high_watermark >= 0)
        a->high_watermark = p->high_watermark;
    if (p->last_stable_offset >= 0)
        a->last_stable_offset = p->last_stable_offset;
    if (p->log_start_offset >= 0)
        a->log_start_offset = p->log_start_offset;
    if (p->preferred_replica >= 0) {
        a->preferred = p->preferred_replica;
        a->preferred_until = now + (int64_t)c->settings->metadata_max_age_ms * KCI_MS;
    }
    if (p->records.size == 0)
        return true;
    bool committed =
        c->settings->isolation_level == KCI_READ_COMMITTED && c->plant != KCI_PLANT_ANY_ABORTED; /* defect */
    struct kci_part_options options = { a->topic->name.data,     a->key, a->version, a->fetch_offset, committed,
                                        c->settings->check_crcs, alone };
    struct kci_part *part = kci_part_new(fetched, p, &options, &malformed);
    if (!part) {
        back_off(c, a, now);
        return !malformed;
    }
    part->plant = (int)c->plant;
    int64_t behind = offset_behind(p->records, a->fetch_offset, &a->fetch_epoch);
    if (behind == a->fetch_offset) /* bytes, but no progress: a broken broker; judging will tell */
        back_off(c, a, now);
    a->fetch_offset = behind + (c->plant == KCI_PLANT_SKIP_ONE); /* planted defect */
    a->judging_bytes += (int64_t)p->records.size;
    kci_list_push(&c->fetcher.parts, &part->link);
    if (alone)
        c->fetcher.alone.state = KCI_ALONE_ARRIVED;
    /* Fair turns: who brought data goes to the end. */
    kci_list_remove(&a->link);
    kci_list_push(&c->subscription.assigned, &a->link);
    return true;
}

/* The assigned partition that an answer is about, if it is still the answer to what we want to know. */
static struct kci_assigned *match(struct kci_consumer *c, struct kci_fetch_node *node, struct kci_fetch_partition *p)
{
    struct kci_consumer_topic *topic = NULL;
    if (p->version >= KCI_FETCH_VERSION_IDS) {
        const struct kci_topic_info *info = kci_cluster_topic_by_id(c->cluster, &p->topic_id);
        topic = info ? kci_map_get_str(&c->subscription.topics_by_name, kci_str_of(info->name)) : NULL;
    } else {
        topic = kci_map_get_str(&c->subscription.topics_by_name, p->topic);
    }
    if (!topic)
        return NULL;
    int64_t key = kci_partition_key(topic, p->partition);
    const struct kci_session_entry *entry = kci_fetch_session_find(&node->session, key);
    struct kci_assigned *a = kci_subscription_find(&c->subscription, key);
    if (!entry || !a || a->state != KCI_POSITION_READY)
        return NULL;
    if (c->plant == KCI_PLANT_STALE_FETCH) /* planted defect */
        return a;
    return entry->version == a->version && entry->offset == a->fetch_offset ? a : NULL;
}

/* KIP-951: where the new leaders are stands behind all partitions, and has to be known before one of them is believed.
 * `ahead` is a copy: reading goes on where it is. */
static void take_endpoints(struct kci_consumer *c, struct kci_fetch_reading ahead, int64_t now)
{
    struct kci_fetch_partition skipped;
    struct kci_fetch_endpoint endpoint;
    int got;
    while ((got = kci_fetch_response_next(&ahead, &skipped)) > 0)
        continue;
    while (got == 0 && kci_fetch_response_endpoint(&ahead, &endpoint))
        kci_cluster_node_hint(c->cluster, endpoint.node, endpoint.host, endpoint.port, endpoint.rack, now);
}

/* false: malformed. */
static bool take_response(struct kci_consumer *c, struct kci_fetch_node *node, const struct kci_reply *reply,
                          int64_t now)
{
    struct kci_fetch_reading response;
    struct kci_fetch_partition p;
    int got;
    if (!kci_fetch_response_begin(&response, reply->body, reply->version))
        return false;
    if (!kci_fetch_session_answered(&node->session, response.error, response.session_id)) {
        kci_log(&c->logger, KCI_LOG_INFO, "fetch", "broker %d: %s, beginning a new fetch session", (int)node->node,
                kci_error_name(response.error));
        if (!(kci_error_flags(response.error) & (KCI_ERROR_RETRIABLE | KCI_ERROR_REFRESH)))
            node->not_before = kci_consumer_retry_at(c, node->attempts++, now);
        return true;
    }
    struct kci_fetched *fetched = kci_fetched_new(c->shared, reply->frame, (int64_t)reply->frame->size);
    if (!fetched) {
        node->not_before = kci_consumer_retry_at(c, node->attempts++, now);
        kci_fetch_session_reset(&node->session);
        return true;
    }
    kci_shared_count(c->shared, (int64_t)reply->frame->size);
    adapt(node, (int64_t)reply->frame->size, now);
    bool ok = true, hinted = false, empty = kci_list_empty(&c->fetcher.parts);
    while (ok && (got = kci_fetch_response_next(&response, &p)) > 0) {
        struct kci_assigned *a = match(c, node, &p);
        if (p.leader >= 0 && !hinted)
            take_endpoints(c, response, now);
        hinted |= p.leader >= 0;
        empty &= p.records.size == 0;
        ok = !a || take_partition(c, node, fetched, a, &p, now);
    }
    ok = ok && got == 0;
    kci_fetched_release(fetched);
    node->attempts = 0;
    node->answered_at = now;
    node->held_back = node->request.max_wait_ms == 0 && empty;
    node->hold_until = now + (int64_t)c->settings->fetch_max_wait_ms * KCI_MS;
    if (empty) /* caught up: what is kept for the next bytes is not needed soon */
        kci_keep_drop(&c->shared->keep);
    c->stats.bytes_fetched += reply->frame->size;
    kci_tally_fetched(c, reply->frame->size, now - node->call.sent_at, now);
    kci_log(&c->logger, KCI_LOG_DEBUG, "fetch", "broker %d: answered %u bytes%s", (int)node->node,
            (unsigned)reply->frame->size, empty ? ", no records" : "");
    return ok;
}

/* A node did not answer: go back to the leaders of what was read from it. */
static void forget_preferred(struct kci_consumer *c, int32_t node)
{
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        if (a->preferred == node)
            a->preferred = -1;
    }
}

static void on_fetched(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct kci_fetch_node *node = call->owner;
    struct kci_consumer *c = node->consumer;
    kci_consumer_lock(c);
    node->in_flight = false;
    kci_shared_give_back(c->shared, node->reserved); /* before the frame is counted: it takes this place */
    node->reserved = 0;
    bool ok = reply->error == KC_OK && !c->fetcher.stopped && take_response(c, node, reply, now);
    if (!ok) {
        node->latency_us = INT64_MAX; /* another connection may go another way: learn anew */
        node->target = TARGET_FIRST;
        kci_fetch_session_reset(&node->session);
        node->not_before = kci_consumer_retry_at(c, node->attempts++, now);
        if (reply->error != KC_OK && reply->error != KC_ERR_CLOSED) {
            kci_log(&c->logger, KCI_LOG_WARN, "fetch", "%s", reply->text ? reply->text : "fetch failed");
            kci_cluster_refresh(c->cluster, "a fetch failed", now);
            forget_preferred(c, node->node);
            kci_cluster_explain(c->cluster, c->why, sizeof c->why, now);
        } else if (reply->error == KC_OK && !c->fetcher.stopped) {
            kci_log(&c->logger, KCI_LOG_ERROR, "fetch", "broker %d: malformed fetch response", (int)node->node);
        }
    }
    if (is_alone(c, node))
        kci_fetch_alone_end(c, now); /* it brought nothing */
    node->alone = 0;
    kci_consumer_unlock(c);
}
