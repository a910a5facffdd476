/* The client side of fetch sessions.
 *
 *      (id 0, epoch 0) full request, all partitions ----> response with id: the session begins      epoch 1
 *      (id n, epoch 1) only what changed, and what is forgotten ----> only what has news            epoch 2 ... 2^31-1, then 1
 *      any error, lost connection, unreadable response ----> (id n, epoch 0): the broker drops n and begins another
 *
 * The state follows what was *sent*; if a request fails, nobody knows what the broker remembers, so everything is told
 * again.  That makes it safe to change the state while the request is built. A topic that was deleted and created again
 * has a new id: the old id is forgotten, the new one is added. */
#include "consumer/fetch_session.h"

void kci_fetch_session_init(struct kci_fetch_session *session, const struct kci_alloc *alloc,
                            struct kci_subscription *s, uint64_t seed)
{
    *session = (struct kci_fetch_session){ .alloc = alloc, .subscription = s, .entries = kci_map_of(alloc, seed) };
}

static void free_entry(struct kci_fetch_session *session, struct kci_session_entry *entry)
{
    kci_map_remove_int(&session->entries, entry->key);
    kci_subscription_topic_done(session->subscription, entry->topic);
    kci_alloc_free(session->alloc, entry);
}

static void free_entries(struct kci_fetch_session *session)
{
    size_t at = 0;
    struct kci_map_entry *next;
    while ((next = kci_map_next(&session->entries, &at)))
        free_entry(session, next->value);
}

void kci_fetch_session_destroy(struct kci_fetch_session *session)
{
    free_entries(session);
    kci_map_destroy(&session->entries);
}

const struct kci_session_entry *kci_fetch_session_find(const struct kci_fetch_session *session, int64_t key)
{
    return kci_map_get_int(&session->entries, key);
}

void kci_fetch_session_reset(struct kci_fetch_session *session)
{
    session->epoch = 0;
    session->resets++;
}

bool kci_fetch_session_answered(struct kci_fetch_session *session, int16_t error, int32_t id)
{
    if (error != KCI_NONE) {
        if (error == KCI_FETCH_SESSION_ID_NOT_FOUND) /* nothing to be dropped there */
            session->id = 0;
        kci_fetch_session_reset(session);
        return false;
    }
    session->id = id;
    if (id == 0) /* the broker has no place for sessions: tell everything each time */
        session->epoch = 0;
    else
        session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    return true;
}

/* Take a wanted partition into the session. false: out of memory. */
static bool take_wanted(struct kci_fetch_session *session, const struct kci_assigned *a)
{
    struct kci_session_entry *entry = kci_map_get_int(&session->entries, a->key);
    const struct kci_topic_info *info = a->topic->info;
    int32_t epoch = info->partitions[a->partition].leader_epoch;
    bool fresh = !entry;
    if (fresh) {
        entry = kci_alloc_zero(session->alloc, 1, sizeof *entry);
        if (!entry || !kci_map_set_int(&session->entries, a->key, entry)) {
            kci_alloc_free(session->alloc, entry);
            return false;
        }
        entry->topic = a->topic;
        entry->topic->users++;
        entry->key = a->key;
        entry->partition = a->partition;
        entry->topic_id = info->id;
    }
    /* A follower may not have heard of the newest epochs: only the leader is asked whether histories agree. */
    int32_t fetched_epoch = a->preferred >= 0 ? -1 : a->fetch_epoch;
    bool moved = entry->offset != a->fetch_offset || entry->fetched_epoch != fetched_epoch;
    entry->changed = fresh || session->epoch == 0 || (moved && !session->stale) || entry->leader_epoch != epoch;
    entry->fetched_epoch = fetched_epoch;
    entry->offset = a->fetch_offset;
    entry->leader_epoch = epoch;
    entry->version = a->version;
    entry->round = session->round;
    return true;
}

/* Entries that this request does not want any more: the broker must forget them. */
static bool build_forgotten(struct kci_fetch_session *session, struct kci_arena *arena,
                            struct kci_fetch_request *request, size_t count)
{
    request->forgotten_topics_data = kci_arena_array(arena, count, sizeof *request->forgotten_topics_data);
    size_t at = 0;
    struct kci_map_entry *next;
    while (request->forgotten_topics_data && (next = kci_map_next(&session->entries, &at))) {
        struct kci_session_entry *entry = next->value;
        if (entry->round == session->round)
            continue;
        struct kci_fetch_request__forgotten_topic *topic =
            &request->forgotten_topics_data[request->forgotten_topics_data_count++];
        char *name = kci_arena_text(arena, entry->topic->name); /* the topic may go before the request is sent */
        topic->topic = kci_str_of(name);
        topic->topic_id = entry->topic_id;
        topic->partitions = kci_arena_take(arena, sizeof *topic->partitions);
        if (!topic->partitions || !name)
            return false;
        topic->partitions[0] = entry->partition;
        topic->partitions_count = 1;
        free_entry(session, entry);
    }
    return request->forgotten_topics_data;
}

/* The changed entries, by topic, in the order in which they are wanted (the broker fills its response in that order).
 */
static bool build_topics(struct kci_fetch_session *session, struct kci_assigned *const *wanted, size_t count,
                         int32_t partition_bytes_max, struct kci_arena *arena, struct kci_fetch_request *request)
{
    uint32_t topics = 0;
    for (size_t i = 0; i < count; i++)
        wanted[i]->topic->slot = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct kci_session_entry *entry = kci_fetch_session_find(session, wanted[i]->key);
        if (entry->changed && wanted[i]->topic->slot == UINT32_MAX)
            wanted[i]->topic->slot = topics++;
    }
    request->topics = kci_arena_array(arena, topics, sizeof *request->topics);
    int32_t *sizes = kci_arena_array(arena, topics, sizeof *sizes);
    if (!request->topics || !sizes)
        return false;
    request->topics_count = (int32_t)topics;
    for (size_t i = 0; i < count; i++)
        if (kci_fetch_session_find(session, wanted[i]->key)->changed)
            sizes[wanted[i]->topic->slot]++;
    for (size_t i = 0; i < count; i++) {
        const struct kci_session_entry *entry = kci_fetch_session_find(session, wanted[i]->key);
        if (!entry->changed)
            continue;
        struct kci_fetch_request__fetch_topic *topic = &request->topics[wanted[i]->topic->slot];
        if (!topic->partitions) {
            char *name = kci_arena_text(arena, entry->topic->name);
            topic->topic = kci_str_of(name);
            topic->topic_id = entry->topic_id;
            topic->partitions =
                kci_arena_array(arena, (size_t)sizes[wanted[i]->topic->slot], sizeof *topic->partitions);
            if (!topic->partitions || !name)
                return false;
        }
        topic->partitions[topic->partitions_count++] = (struct kci_fetch_request__fetch_partition){
            .partition = entry->partition,
            .current_leader_epoch = entry->leader_epoch,
            .fetch_offset = entry->offset,
            .last_fetched_epoch = entry->fetched_epoch,
            .log_start_offset = -1,
            .partition_max_bytes = partition_bytes_max,
            .high_watermark = INT64_MAX,
        };
    }
    return true;
}

bool kci_fetch_session_build(struct kci_fetch_session *session, struct kci_assigned *const *wanted, size_t count,
                             int32_t partition_bytes_max, struct kci_arena *arena, struct kci_fetch_request *request)
{
    bool with_ids = true;
    for (size_t i = 0; i < count; i++)
        with_ids &= !kci_uuid_is_zero(&wanted[i]->topic->info->id);
    if (with_ids != session->with_ids && session->epoch != 0)
        kci_fetch_session_reset(session);
    session->with_ids = with_ids;
    if (session->epoch == 0)
        free_entries(session);
    session->round++;
    size_t forgotten = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        struct kci_session_entry *entry = kci_map_get_int(&session->entries, wanted[i]->key);
        if (entry && !kci_uuid_equal(&entry->topic_id, &wanted[i]->topic->info->id)) {
            kci_fetch_session_reset(session); /* created again under the same name: begin anew, it is rare */
            free_entries(session);
            break;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!take_wanted(session, wanted[i]))
            return false;
    for (struct kci_map_entry *next; (next = kci_map_next(&session->entries, &at));)
        forgotten += ((struct kci_session_entry *)next->value)->round != session->round;
    request->session_id = session->id;
    request->session_epoch = session->epoch;
    return build_forgotten(session, arena, request, forgotten) &&
           build_topics(session, wanted, count, partition_bytes_max, arena, request);
}
