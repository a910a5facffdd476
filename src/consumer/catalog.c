/* Looking for topics: metadata of the whole cluster for a pattern that is matched here, metadata by id for assignments
 * that name topics we never heard of.
 *
 * The cluster's own metadata (cluster/metadata.c) covers the topics that somebody wants, and only those: a consumer of
 * one topic does not ask for ten thousand.  A pattern needs all names, so it is asked for here: at once, and every
 * metadata.max.age.ms after.  Topics that match become the subscription, and the cluster learns to want them.
 *
 * One question is under way at most; ids go first, because somebody waits for them. */
#include "consumer/internal.h"

#define ARENA_BYTES ((size_t)16 << 20) /* of one request: the ids of an assignment */
#define BY_ID_FROM  12                 /* version of Metadata that can be asked by id */
#define ALL_FROM    4                  /* ... that can be told not to create topics */

void kci_catalog_init(struct kci_consumer *c)
{
    c->catalog = (struct kci_catalog){ .arena = kci_arena_of(c->alloc, ARENA_BYTES) };
}

void kci_catalog_destroy(struct kci_consumer *c)
{
    kci_arena_destroy(&c->catalog.arena);
}

void kci_catalog_want_ids(struct kci_consumer *c, int64_t now)
{
    c->catalog.ids_wanted = true;
    if (c->catalog.in_flight)
        return; /* the answer is an event: to step until it comes would be a busy loop */
    kci_consumer_at(c, c->catalog.not_before > now ? c->catalog.not_before : now);
}

void kci_catalog_restart(struct kci_consumer *c)
{
    c->catalog.all_known = false;
    c->catalog.all_at = c->catalog.not_before = 0;
    c->catalog.attempts = 0;
    kci_consumer_want_step(c);
}

/* The names of the cluster against the pattern. */
static void take_all(struct kci_consumer *c, const struct kci_metadata_response *r, int64_t now)
{
    struct kci_catalog *catalog = &c->catalog;
    bool changed = false;
    if (!c->subscription.pattern || catalog->asked_for != c->subscription.pattern_number)
        return; /* another one by now, or none */
    if (!kci_subscription_match(&c->subscription, r, !c->settings->exclude_internal_topics, &changed)) {
        catalog->not_before = kci_consumer_retry_at(c, catalog->attempts++, now);
        return;
    }
    catalog->attempts = 0;
    catalog->all_at = now + (int64_t)c->settings->metadata_max_age_ms * KCI_MS;
    if (changed)
        kci_group_subscribed(c, now);
    catalog->all_known = true;
    kci_consumer_tell(c);
}

static void answered(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct kci_consumer *c = call->owner;
    struct kci_catalog *catalog = &c->catalog;
    const struct kci_metadata_response *r = reply->response;
    kci_consumer_lock(c);
    catalog->in_flight = false;
    if (reply->error != KC_OK || r->error_code != KCI_NONE) {
        kci_log(&c->logger, KCI_LOG_INFO, "meta", "topics could not be looked up: %s",
                reply->error != KC_OK ? reply->text : kci_error_name(r->error_code));
        catalog->not_before = kci_consumer_retry_at(c, catalog->attempts++, now);
    } else if (catalog->by_id) {
        for (int32_t i = 0; i < r->topics_count; i++)
            if (r->topics[i].error_code == KCI_NONE && r->topics[i].name.size)
                kci_group_target_name(c, &r->topics[i].topic_id, r->topics[i].name);
        /* What is still unknown then may be made a moment ago: ask again, later and later. */
        catalog->not_before = kci_consumer_retry_at(c, catalog->attempts++, now);
    } else {
        take_all(c, r, now);
    }
    kci_consumer_unlock(c);
}

static bool fill_ids(struct kci_consumer *c, struct kci_metadata_request *r)
{
    const struct kci_group_target *target = &c->group.m.target;
    r->topics = kci_arena_array(&c->catalog.arena, target->count, sizeof *r->topics);
    r->topics_count = 0;
    for (size_t i = 0; r->topics && i < target->count; i++)
        if (!target->topics[i].topic) {
            kci_codec_init(&kci_metadata_request__metadata_request_topic_schema, &r->topics[r->topics_count]);
            r->topics[r->topics_count].name = (struct kci_str){ NULL, 0 };
            r->topics[r->topics_count++].topic_id = target->topics[i].id;
        }
    return r->topics;
}

static void ask(struct kci_consumer *c, bool by_id, int64_t now)
{
    struct kci_catalog *catalog = &c->catalog;
    kci_arena_reset(&catalog->arena);
    struct kci_metadata_request *r = kci_arena_take(&catalog->arena, sizeof *r);
    if (r)
        kci_codec_init(&kci_metadata_request_schema, r);
    if (!r || (by_id && !fill_ids(c, r))) {
        catalog->not_before = kci_consumer_retry_at(c, catalog->attempts++, now);
        kci_consumer_at(c, catalog->not_before);
        return;
    }
    if (!by_id) {
        r->topics = NULL;
        r->topics_count = -1; /* all */
    }
    r->allow_auto_topic_creation = false;
    catalog->by_id = by_id;
    catalog->in_flight = true;
    catalog->asked_for = c->subscription.pattern_number;
    memset(&catalog->call, 0, sizeof catalog->call);
    catalog->call.api = KCI_API_METADATA;
    catalog->call.version_min = by_id ? BY_ID_FROM : ALL_FROM;
    catalog->call.version_max = 13;
    catalog->call.request = r;
    catalog->call.timeout_ms = c->settings->request_timeout_ms;
    catalog->call.done = answered;
    catalog->call.owner = c;
    kci_cluster_call(c->cluster, KCI_NODE_ANY, &catalog->call, now);
}

void kci_catalog_step(struct kci_consumer *c, int64_t now)
{
    struct kci_catalog *catalog = &c->catalog;
    bool by_id = catalog->ids_wanted, all = c->subscription.pattern && !c->closing;
    catalog->ids_wanted = false; /* who still waits says so in each step */
    if (catalog->in_flight || (!by_id && !all))
        return;
    int64_t at = by_id || catalog->all_at < catalog->not_before ? catalog->not_before : catalog->all_at;
    if (now < at)
        kci_consumer_at(c, at);
    else
        ask(c, by_id, now);
}
