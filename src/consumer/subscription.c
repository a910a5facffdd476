/* The partitions that are read, each with its position and the state of that position.
 *
 *        assign: no offset      assign/seek: begin, end       assign/seek: offset
 *               |                        |                         |
 *          COMMITTED --- none there --> RESET --- answer -----> READY <--- valid --- VALIDATING
 *               |  \________ found ______|____________________^  |  \__ new leader ____^  |
 *               |                        |                       |                        |
 *               +------ no policy -------+---> FAILED <-- damaged, refused, out of range -+
 *
 * A seek leads from every state to RESET or READY.  Pausing is not a state but a flag of its own: it stops neither
 * lookups nor what was fetched, only its return.
 *
 * Barriers: `version` changes with every assign and seek, and every question to a broker remembers the version it was
 * asked under.  An answer under another version is dropped, so nothing from before such a call is ever returned.
 *
 * Offsets:   committable <= position <= fetch_offset
 *    position      what poll will return next
 *    committable   what an automatic commit may claim: polls *before* the present one returned it, so it has been worked on
 *    fetch_offset  fetching runs ahead of polling */
#include "consumer/subscription.h"

#include <stdarg.h>
#include <stdio.h>

#define TO(state) (1u << KCI_POSITION_##state)

static bool has_position(const void *x)
{
    const struct kci_assigned *a = x;
    return a->position >= 0 && a->fetch_offset >= a->position;
}

static bool has_error(const void *x)
{
    return ((const struct kci_assigned *)x)->error != KC_OK;
}

const struct kci_state_table kci_position_states = {
    "position",
    KCI_POSITION_COUNT,
    {
        [KCI_POSITION_COMMITTED] = { "COMMITTED", TO(COMMITTED) | TO(RESET) | TO(READY) | TO(FAILED), NULL },
        [KCI_POSITION_RESET] = { "RESET", TO(RESET) | TO(READY) | TO(FAILED), NULL },
        [KCI_POSITION_VALIDATING] = { "VALIDATING", TO(RESET) | TO(READY) | TO(FAILED), has_position },
        [KCI_POSITION_READY] = { "READY", TO(RESET) | TO(READY) | TO(VALIDATING) | TO(FAILED), has_position },
        [KCI_POSITION_FAILED] = { "FAILED", TO(RESET) | TO(READY) | TO(FAILED), has_error },
    },
};

void kci_subscription_init(struct kci_subscription *s, const struct kci_alloc *alloc, uint64_t seed)
{
    *s = (struct kci_subscription){ .alloc = alloc };
    kci_list_init(&s->topics);
    kci_list_init(&s->assigned);
    kci_list_init(&s->ready);
    s->topics_by_name = kci_map_of(alloc, seed);
    s->by_key = kci_map_of(alloc, seed + 1);
}

static void drop_patterns(struct kci_subscription *s)
{
    kci_pattern_destroy(s->pattern);
    kci_alloc_free(s->alloc, s->remote_pattern);
    s->pattern = NULL;
    s->remote_pattern = NULL;
}

void kci_subscription_destroy(struct kci_subscription *s)
{
    kci_subscription_clear(s);
    drop_patterns(s);
    KCI_LIST_EACH(node, &s->topics)
    kci_alloc_free(s->alloc, KCI_CONTAINER(node, struct kci_consumer_topic, link));
    kci_map_destroy(&s->topics_by_name);
    kci_map_destroy(&s->by_key);
}

/* ---- topics ---- */

struct kci_consumer_topic *kci_subscription_topic(struct kci_subscription *s, struct kci_str name)
{
    struct kci_consumer_topic *topic = kci_map_get_str(&s->topics_by_name, name);
    if (!topic) {
        topic = kci_alloc_zero(s->alloc, 1, sizeof *topic + name.size + 1);
        if (!topic)
            return NULL;
        char *text = memcpy(topic + 1, name.data, name.size);
        topic->name = (struct kci_str){ text, name.size };
        topic->number = ++s->next_number;
        if (!kci_map_set(&s->topics_by_name, name.data, name.size, topic)) {
            kci_alloc_free(s->alloc, topic);
            return NULL;
        }
        kci_list_push(&s->topics, &topic->link);
    }
    topic->users++;
    return topic;
}

void kci_subscription_topic_done(struct kci_subscription *s, struct kci_consumer_topic *topic)
{
    if (topic && --topic->users == 0)
        s->sweep = true;
}

void kci_subscription_sweep(struct kci_subscription *s, struct kci_cluster *cluster)
{
    if (!s->sweep)
        return;
    s->sweep = false;
    KCI_LIST_EACH(node, &s->topics)
    {
        struct kci_consumer_topic *topic = KCI_CONTAINER(node, struct kci_consumer_topic, link);
        if (topic->users)
            continue;
        if (topic->info)
            kci_cluster_forget_topic(cluster, topic->name);
        kci_map_remove(&s->topics_by_name, topic->name.data, topic->name.size);
        kci_list_remove(&topic->link);
        kci_alloc_free(s->alloc, topic);
    }
}

/* *changed: the list is another one now. */
static bool replace_topics(struct kci_subscription *s, const struct kci_str *topics, size_t count, bool *changed)
{
    struct kci_consumer_topic **fresh = kci_alloc_zero(s->alloc, count, sizeof *fresh);
    size_t made = 0;
    while (fresh && made < count && (fresh[made] = kci_subscription_topic(s, topics[made])))
        made++;
    if (!fresh || made < count) {
        for (size_t i = 0; i < made; i++)
            kci_subscription_topic_done(s, fresh[i]);
        kci_alloc_free(s->alloc, fresh);
        return false;
    }
    size_t before = s->subscribed_count, kept = 0;
    for (size_t i = 0; i < count; i++) {
        kept += fresh[i]->subscribed && !fresh[i]->chosen;
        fresh[i]->chosen = true;
    }
    KCI_LIST_EACH(node, &s->topics)
    {
        struct kci_consumer_topic *topic = KCI_CONTAINER(node, struct kci_consumer_topic, link);
        if (topic->subscribed)
            kci_subscription_topic_done(s, topic);
        topic->subscribed = false;
    }
    s->subscribed_count = 0;
    for (size_t i = 0; i < count; i++) {
        fresh[i]->chosen = false;
        if (fresh[i]->subscribed) { /* named twice */
            kci_subscription_topic_done(s, fresh[i]);
            continue;
        }
        fresh[i]->subscribed = true;
        fresh[i]->told_error = 0;
        s->subscribed_count++;
    }
    *changed = kept != before || kept != s->subscribed_count;
    kci_alloc_free(s->alloc, fresh);
    return true;
}

bool kci_subscription_set_topics(struct kci_subscription *s, const char *const *topics, size_t count)
{
    struct kci_str *names = kci_alloc_zero(s->alloc, count, sizeof *names);
    bool changed;
    for (size_t i = 0; names && i < count; i++)
        names[i] = kci_str_of(topics[i]);
    bool ok = names && replace_topics(s, names, count, &changed);
    kci_alloc_free(s->alloc, names);
    if (ok)
        drop_patterns(s);
    return ok;
}

void kci_subscription_set_pattern_take(struct kci_subscription *s, struct kci_pattern *pattern)
{
    drop_patterns(s);
    s->pattern = pattern;
    s->pattern_number++;
}

bool kci_subscription_set_remote_pattern(struct kci_subscription *s, const char *pattern)
{
    size_t size = strlen(pattern) + 1;
    char *copy = kci_alloc_new(s->alloc, size);
    if (!copy || !kci_subscription_set_topics(s, NULL, 0)) {
        kci_alloc_free(s->alloc, copy);
        return false;
    }
    s->remote_pattern = memcpy(copy, pattern, size);
    return true;
}

bool kci_subscription_match(struct kci_subscription *s, const struct kci_metadata_response *all, bool internal_too,
                            bool *changed)
{
    size_t count = 0;
    struct kci_str *names =
        kci_alloc_zero(s->alloc, all->topics_count > 0 ? (size_t)all->topics_count : 0, sizeof *names);
    for (int32_t i = 0; names && i < all->topics_count; i++) {
        const struct kci_metadata_response__metadata_response_topic *topic = &all->topics[i];
        bool there =
            topic->error_code == KCI_NONE || kci_error_flags(topic->error_code) != 0; /* it may have no leader */
        if (there && (internal_too || !topic->is_internal) && topic->name.size &&
            !memchr(topic->name.data, 0, topic->name.size) && kci_pattern_match(s->pattern, topic->name))
            names[count++] = topic->name;
    }
    bool ok = names && replace_topics(s, names, count, changed);
    kci_alloc_free(s->alloc, names);
    return ok;
}

/* ---- partitions ---- */

struct kci_assigned *kci_subscription_find(const struct kci_subscription *s, int64_t key)
{
    return kci_map_get_int(&s->by_key, key);
}

struct kci_assigned *kci_subscription_find_name(const struct kci_subscription *s, const char *topic, int32_t partition)
{
    const struct kci_consumer_topic *found = kci_map_get_str(&s->topics_by_name, kci_str_of(topic));
    return found ? kci_subscription_find(s, kci_partition_key(found, partition)) : NULL;
}

static void free_assigned(struct kci_subscription *s, struct kci_assigned *a)
{
    kci_assigned_drop(a);
    kci_ledger_clear(&a->ledger, s->alloc);
    kci_list_remove(&a->link);
    a->topic->assigned--;
    kci_subscription_topic_done(s, a->topic);
    kci_alloc_free(s->alloc, a);
}

bool kci_assigned_is_any(const struct kci_assigned *a)
{
    (void)a;
    return true;
}

bool kci_assigned_is_revoking(const struct kci_assigned *a)
{
    return a->revoking;
}

bool kci_assigned_is_fresh(const struct kci_assigned *a)
{
    return a->fresh;
}

void kci_subscription_remove(struct kci_subscription *s, kci_assigned_is which)
{
    KCI_LIST_EACH(node, &s->assigned)
    {
        struct kci_assigned *a = KCI_CONTAINER(node, struct kci_assigned, link);
        if (!which(a))
            continue;
        kci_map_remove_int(&s->by_key, a->key);
        free_assigned(s, a);
        s->assigned_count--;
    }
}

void kci_subscription_clear(struct kci_subscription *s)
{
    kci_subscription_remove(s, kci_assigned_is_any);
}

size_t kci_subscription_count(const struct kci_subscription *s, kci_assigned_is which)
{
    size_t count = 0;
    KCI_LIST_EACH(node, &s->assigned)
    count += which(KCI_CONTAINER(node, struct kci_assigned, link));
    return count;
}

static struct kci_assigned *new_assigned(struct kci_subscription *s, const kc_topic_partition *item, int64_t now)
{
    struct kci_assigned *a = kci_alloc_zero(s->alloc, 1, sizeof *a);
    if (!a)
        return NULL;
    a->topic = kci_subscription_topic(s, kci_str_of(item->topic));
    if (!a->topic) {
        kci_alloc_free(s->alloc, a);
        return NULL;
    }
    a->topic->assigned++;
    a->read_id = a->topic->id; /* else the next metadata that come would say, perhaps of another topic of that name */
    a->key = kci_partition_key(a->topic, item->partition);
    a->partition = item->partition;
    kci_list_init(&a->runs);
    kci_ledger_init(&a->ledger);
    a->high_watermark = a->last_stable_offset = a->log_start_offset = a->committed = -1;
    a->previous = -1;
    a->preferred = -1;
    kci_assigned_seek(s, a, item->offset, -1, now);
    return a;
}

bool kci_subscription_assign(struct kci_subscription *s, const kc_topic_partition *items, size_t count, int64_t now)
{
    struct kci_map fresh = kci_map_of(s->alloc, s->by_key.seed);
    struct kci_list list;
    size_t made = 0;
    bool ok = true;
    kci_list_init(&list);
    for (size_t i = 0; ok && i < count; i++) {
        struct kci_assigned *a = new_assigned(s, &items[i], now);
        if (a && kci_map_get_int(&fresh, a->key)) { /* named twice */
            free_assigned(s, a);
            continue;
        }
        ok = a && kci_map_set_int(&fresh, a->key, a);
        if (a) {
            const struct kci_assigned *before = kci_subscription_find(s, a->key);
            a->paused = before && before->paused; /* what is read goes on being paused, as in Java */
            kci_list_push(&list, &a->link);
        }
        made++;
    }
    if (!ok) {
        KCI_LIST_EACH(node, &list)
        free_assigned(s, KCI_CONTAINER(node, struct kci_assigned, link));
        kci_map_destroy(&fresh);
        return false;
    }
    kci_subscription_clear(s);
    kci_map_destroy(&s->by_key);
    s->by_key = fresh;
    s->assigned_count = made;
    KCI_LIST_EACH(node, &list)
    {
        kci_list_remove(node);
        kci_list_push(&s->assigned, node);
    }
    return true;
}

bool kci_subscription_add(struct kci_subscription *s, const kc_topic_partition *items, size_t count, int64_t now)
{
    for (size_t i = 0; i < count; i++) {
        if (kci_subscription_find_name(s, items[i].topic, items[i].partition))
            continue;
        struct kci_assigned *a = new_assigned(s, &items[i], now);
        if (!a || !kci_map_set_int(&s->by_key, a->key, a)) {
            if (a)
                free_assigned(s, a);
            kci_subscription_remove(s, kci_assigned_is_fresh);
            return false;
        }
        a->fresh = true;
        kci_list_push(&s->assigned, &a->link);
        s->assigned_count++;
    }
    return true;
}

bool kci_subscription_list(const struct kci_subscription *s, kci_assigned_is which, struct kci_partition_list *out)
{
    size_t count = 0;
    kc_topic_partition *items = kci_alloc_zero(s->alloc, s->assigned_count, sizeof *items);
    if (!items)
        return false;
    KCI_LIST_EACH(node, &s->assigned)
    {
        const struct kci_assigned *a = KCI_CONTAINER(node, struct kci_assigned, link);
        if (!which(a))
            continue;
        items[count++] = (kc_topic_partition){
            a->topic->name.data, a->partition, a->position >= 0 ? a->position : KC_OFFSET_NONE, a->epoch, NULL, KC_OK
        };
    }
    bool ok = kci_partition_list_copy(s->alloc, out, items, count);
    kci_alloc_free(s->alloc, items);
    return ok;
}

/* ---- one partition ---- */

void kci_assigned_enter(struct kci_assigned *a, int state, int64_t now)
{
    if (a->state != state)
        a->since = now;
    kci_states_move(&kci_position_states, &a->state, state, a);
}

void kci_assigned_drop(struct kci_assigned *a)
{
    KCI_LIST_EACH(node, &a->runs)
    {
        kci_list_remove(node);
        kci_run_release(KCI_CONTAINER(node, struct kci_run, link));
    }
    kci_list_remove(&a->ready_link);
    a->queued_bytes = a->judging_bytes = 0;
}

void kci_assigned_seek(struct kci_subscription *s, struct kci_assigned *a, int64_t offset, int32_t epoch, int64_t now)
{
    kci_assigned_drop(a);
    kci_ledger_clear(&a->ledger, s->alloc);
    a->version = a->ticket = ++s->next_version;
    a->asked = false;
    a->not_before = 0;
    a->attempts = 0;
    a->error = KC_OK;
    a->previous = -1;
    a->moved_in_poll = 0;
    a->reset_reason = KCI_RESET_NO_REASON;
    if (offset >= 0) {
        kci_assigned_found(a, offset, epoch, now);
        return;
    }
    a->position = a->fetch_offset = -1;
    a->epoch = a->fetch_epoch = -1;
    a->reset_time = offset == KC_OFFSET_END ? -1 : -2;
    if (offset == KC_OFFSET_NONE) {
        a->state = KCI_POSITION_COMMITTED; /* only ever the first state */
        a->since = now;
    } else {
        kci_assigned_enter(a, KCI_POSITION_RESET, now);
    }
}

void kci_assigned_again(struct kci_subscription *s, struct kci_assigned *a, int64_t offset, int32_t epoch, int64_t now)
{
    kci_assigned_drop(a);
    kci_ledger_forget(&a->ledger, s->alloc, offset);
    a->version = ++s->next_version;
    a->asked = false; /* an answer under the former version does not count */
    kci_assigned_found(a, offset, epoch, now);
}

void kci_assigned_found(struct kci_assigned *a, int64_t offset, int32_t epoch, int64_t now)
{
    a->position = a->fetch_offset = offset;
    a->epoch = a->fetch_epoch = epoch;
    a->checked_epoch = -1;
    a->attempts = 0;
    a->not_before = 0;
    kci_assigned_enter(a, KCI_POSITION_READY, now);
}

void kci_assigned_fail(struct kci_subscription *s, struct kci_assigned *a, kc_err error, int64_t now,
                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(a->text, sizeof a->text, format, arguments);
    va_end(arguments);
    a->version = ++s->next_version; /* what is under way has lost its meaning */
    a->asked = false;
    a->error = error;
    kci_assigned_enter(a, KCI_POSITION_FAILED, now);
}

void kci_assigned_push(struct kci_subscription *s, struct kci_assigned *a, struct kci_run *run)
{
    a->queued_bytes += run->bytes;
    run->ticket = a->ticket;
    kci_list_push(&a->runs, &run->link);
    if (!kci_list_linked(&a->ready_link))
        kci_list_push(&s->ready, &a->ready_link);
}

int64_t kci_assigned_committable(const struct kci_subscription *s, const struct kci_assigned *a, bool this_poll_too,
                                 int32_t *epoch)
{
    int64_t pending;
    if (s->explicit_acks && kci_ledger_progress(&a->ledger, &pending, epoch))
        return pending;
    if (s->explicit_acks) {
        *epoch = a->epoch;
        return a->position;
    }
    if (!this_poll_too && a->moved_in_poll == s->polls && a->moved_in_poll) {
        *epoch = a->previous_epoch;
        return a->previous;
    }
    *epoch = a->epoch;
    return a->position;
}
