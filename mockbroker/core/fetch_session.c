/* The sessions of one broker.
 *
 *      request (id, epoch)     what happens                                                  answer
 *      (0, 0)                  a session is made when there is room                          full, its id (0: no room)
 *      (x, -1)                 session x is closed; served as without a session              full, id 0
 *      (x, n)                  n is the next epoch of x: partitions are added, changed,      what changed, id x
 *                              forgotten
 *      unknown x               FETCH_SESSION_ID_NOT_FOUND
 *      other n                 INVALID_FETCH_SESSION_EPOCH
 *      ids <-> names           FETCH_SESSION_TOPIC_ID_ERROR (the client was upgraded in mid-session)
 *
 * Room is made by evicting the least recently used session if it was idle for more than IDLE_US; a new session that is
 * larger than the smallest one of the others evicts that one.  A session belongs to the broker, not to the connection.
 */
#include "mockbroker/core/fetch_session.h"

#include "mockbroker/core/fault.h"

#define IDLE_US ((int64_t)120 * 1000000) /* Kafka's eviction age */

struct mb_fetch_session {
    struct kci_list link; /* of sessions->used, least recently used first */
    int32_t id;
    int32_t next_epoch;
    bool by_id; /* topics are named by id (v13+) */
    int64_t used_at;
    struct kci_list partitions; /* struct mb_session_partition */
    struct kci_map index;       /* topic id or name + index -> struct mb_session_partition */
    size_t count;
};

struct mb_fetch_sessions {
    const struct kci_alloc *alloc;
    struct kci_prng prng;
    struct kci_map map;   /* id -> session */
    struct kci_list used; /* struct mb_fetch_session */
};

struct mb_fetch_sessions *mb_fetch_sessions_new(const struct kci_alloc *alloc, uint64_t seed)
{
    struct mb_fetch_sessions *sessions = kci_alloc_zero(alloc, 1, sizeof *sessions);
    if (!sessions)
        return NULL;
    sessions->alloc = alloc;
    sessions->map = kci_map_of(alloc, seed);
    kci_prng_seed(&sessions->prng, seed);
    kci_list_init(&sessions->used);
    return sessions;
}

size_t mb_fetch_sessions_count(const struct mb_fetch_sessions *sessions)
{
    return sessions->map.count;
}

/* ---- partitions of a session
 * ----------------------------------------------------------------------------------------- */

#define KEY_BYTES (MB_TOPIC_NAME_MAX + 4 + 16)

static size_t make_key(uint8_t *key, bool by_id, const struct kci_uuid *id, struct kci_str name, int32_t index)
{
    size_t size = by_id ? sizeof id->b : name.size > MB_TOPIC_NAME_MAX ? MB_TOPIC_NAME_MAX : name.size;
    memcpy(key, by_id ? (const void *)id->b : name.data, size);
    memcpy(key + size, &index, sizeof index);
    return size + sizeof index;
}

static void drop_partition(struct mb_fetch_sessions *sessions, struct mb_fetch_session *session,
                           struct mb_session_partition *partition)
{
    uint8_t key[KEY_BYTES];
    size_t size = make_key(key, session->by_id, &partition->topic_id, kci_str_of(partition->topic), partition->index);
    kci_map_remove(&session->index, key, size);
    kci_list_remove(&partition->link);
    kci_alloc_free(sessions->alloc, partition->topic);
    kci_alloc_free(sessions->alloc, partition);
    session->count--;
}

static struct mb_session_partition *put_partition(struct mb_fetch_sessions *sessions, struct mb_fetch_session *session,
                                                  const struct kci_fetch_request__fetch_topic *topic,
                                                  const struct kci_fetch_request__fetch_partition *asked)
{
    uint8_t key[KEY_BYTES];
    size_t size = make_key(key, session->by_id, &topic->topic_id, topic->topic, asked->partition);
    struct mb_session_partition *partition = kci_map_get(&session->index, key, size);
    if (!partition) {
        partition = kci_alloc_zero(sessions->alloc, 1, sizeof *partition);
        char *name = partition ? kci_alloc_zero(sessions->alloc, topic->topic.size + 1, 1) : NULL;
        if (!name || !kci_map_set(&session->index, key, size, partition)) {
            kci_alloc_free(sessions->alloc, name);
            kci_alloc_free(sessions->alloc, partition);
            return NULL;
        }
        if (topic->topic.size)
            memcpy(name, topic->topic.data, topic->topic.size);
        partition->topic = name;
        partition->topic_id = topic->topic_id;
        partition->index = asked->partition;
        partition->high_watermark = partition->log_start = -1;
        kci_list_push(&session->partitions, &partition->link);
        session->count++;
    }
    partition->current_leader_epoch = asked->current_leader_epoch;
    partition->last_fetched_epoch = asked->last_fetched_epoch;
    partition->offset = asked->fetch_offset;
    partition->bytes_max = asked->partition_max_bytes;
    return partition;
}

/* ---- sessions
 * -------------------------------------------------------------------------------------------------------- */

static void drop_session(struct mb_fetch_sessions *sessions, struct mb_fetch_session *session)
{
    struct kci_list *node;
    while ((node = kci_list_first(&session->partitions)) != NULL)
        drop_partition(sessions, session, KCI_CONTAINER(node, struct mb_session_partition, link));
    kci_map_destroy(&session->index);
    kci_list_remove(&session->link);
    kci_map_remove_int(&sessions->map, session->id);
    kci_alloc_free(sessions->alloc, session);
}

void mb_fetch_sessions_free(struct mb_fetch_sessions *sessions)
{
    struct kci_list *node;
    if (!sessions)
        return;
    while ((node = kci_list_first(&sessions->used)) != NULL)
        drop_session(sessions, KCI_CONTAINER(node, struct mb_fetch_session, link));
    kci_map_destroy(&sessions->map);
    kci_alloc_free(sessions->alloc, sessions);
}

/* Is there room for a new session with `size` partitions? Evicts to make it. */
static bool make_room(struct mb_fetch_sessions *sessions, size_t slots, size_t size, int64_t now)
{
    if (sessions->map.count < slots)
        return true;
    struct kci_list *first = kci_list_first(&sessions->used);
    if (!first)
        return false;
    struct mb_fetch_session *victim = KCI_CONTAINER(first, struct mb_fetch_session, link);
    if (now - victim->used_at <= IDLE_US) {
        KCI_LIST_EACH(node, &sessions->used)
        {
            struct mb_fetch_session *session = KCI_CONTAINER(node, struct mb_fetch_session, link);
            victim = session->count < victim->count ? session : victim;
        }
        if (victim->count >= size)
            return false;
    }
    drop_session(sessions, victim);
    return true;
}

static size_t partitions_asked(const struct kci_fetch_request *body)
{
    size_t count = 0;
    for (int32_t t = 0; t < body->topics_count; t++)
        count += (size_t)body->topics[t].partitions_count;
    return count;
}

static struct mb_fetch_session *new_session(struct mb_fetch_sessions *sessions, struct mb_fetch *fetch, int64_t now)
{
    const struct kci_fetch_request *body = fetch->request->body;
    size_t slots = (size_t)mb_cluster_property(fetch->request->cluster, "max.incremental.fetch.session.cache.slots");
    if (!make_room(sessions, slots, partitions_asked(body), now))
        return NULL;
    struct mb_fetch_session *session = kci_alloc_zero(sessions->alloc, 1, sizeof *session);
    if (!session)
        return NULL;
    do
        session->id = (int32_t)(kci_prng_below(&sessions->prng, INT32_MAX - 1) + 1);
    while (kci_map_get_int(&sessions->map, session->id));
    session->by_id = fetch->request->header.version >= 13;
    session->next_epoch = 1;
    session->used_at = now;
    session->index = kci_map_of(sessions->alloc, (uint64_t)session->id);
    kci_list_init(&session->partitions);
    if (!kci_map_set_int(&sessions->map, session->id, session)) {
        kci_alloc_free(sessions->alloc, session);
        return NULL;
    }
    kci_list_push(&sessions->used, &session->link);
    return session;
}

/* The partitions of an incremental request. false: no memory. */
static bool change_session(struct mb_fetch_sessions *sessions, struct mb_fetch_session *session,
                           const struct kci_fetch_request *body)
{
    uint8_t key[KEY_BYTES];
    for (int32_t t = 0; t < body->forgotten_topics_data_count; t++) {
        const struct kci_fetch_request__forgotten_topic *topic = &body->forgotten_topics_data[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            size_t size = make_key(key, session->by_id, &topic->topic_id, topic->topic, topic->partitions[p]);
            struct mb_session_partition *partition = kci_map_get(&session->index, key, size);
            if (partition)
                drop_partition(sessions, session, partition);
        }
    }
    for (int32_t t = 0; t < body->topics_count; t++)
        for (int32_t p = 0; p < body->topics[t].partitions_count; p++)
            if (!put_partition(sessions, session, &body->topics[t], &body->topics[t].partitions[p]))
                return false;
    return true;
}

/* ---- the request's partitions
 * ---------------------------------------------------------------------------------------- */

static bool nodes_from_request(struct mb_fetch *fetch)
{
    const struct kci_fetch_request *body = fetch->request->body;
    size_t count = partitions_asked(body), at = 0;
    fetch->nodes = kci_arena_array(&fetch->request->arena, count, sizeof *fetch->nodes);
    for (int32_t t = 0; fetch->nodes && t < body->topics_count; t++)
        for (int32_t p = 0; p < body->topics[t].partitions_count; p++) {
            const struct kci_fetch_request__fetch_partition *asked = &body->topics[t].partitions[p];
            fetch->nodes[at++] = (struct mb_fetch_node){ .fetch = fetch,
                                                         .topic_id = &body->topics[t].topic_id,
                                                         .topic = body->topics[t].topic,
                                                         .index = asked->partition,
                                                         .current_leader_epoch = asked->current_leader_epoch,
                                                         .last_fetched_epoch = asked->last_fetched_epoch,
                                                         .offset = asked->fetch_offset,
                                                         .bytes_max = asked->partition_max_bytes };
        }
    fetch->node_count = at;
    return fetch->nodes != NULL;
}

/* The nodes live longer than this call, the session may change meanwhile: names and ids are copied into the arena. */
static bool nodes_from_session(struct mb_fetch *fetch, const struct mb_fetch_session *session)
{
    struct kci_arena *arena = &fetch->request->arena;
    size_t at = 0;
    fetch->nodes = kci_arena_array(arena, session->count, sizeof *fetch->nodes);
    if (!fetch->nodes)
        return false;
    KCI_LIST_EACH(link, &session->partitions)
    {
        struct mb_session_partition *known = KCI_CONTAINER(link, struct mb_session_partition, link);
        struct kci_uuid *id = kci_arena_take(arena, sizeof *id);
        char *name = kci_arena_text(arena, kci_str_of(known->topic));
        if (!id || !name)
            return false;
        *id = known->topic_id;
        fetch->nodes[at++] = (struct mb_fetch_node){ .fetch = fetch,
                                                     .topic_id = id,
                                                     .topic = kci_str_of(name),
                                                     .index = known->index,
                                                     .current_leader_epoch = known->current_leader_epoch,
                                                     .last_fetched_epoch = known->last_fetched_epoch,
                                                     .offset = known->offset,
                                                     .bytes_max = known->bytes_max };
    }
    fetch->node_count = at;
    return true;
}

void mb_fetch_sessions_begin(struct mb_fetch_sessions *sessions, struct mb_fetch *fetch, int64_t now)
{
    const struct kci_fetch_request *body = fetch->request->body;
    struct mb_fetch_session *session = kci_map_get_int(&sessions->map, body->session_id);
    bool ok = true;
    if (body->session_epoch == 0 || body->session_epoch == -1) { /* a full request */
        if (session && body->session_id != 0)
            drop_session(sessions, session);
        session =
            body->session_epoch == 0 && fetch->request->header.version >= 7 ? new_session(sessions, fetch, now) : NULL;
        if (session && !change_session(sessions, session, body)) {
            drop_session(sessions, session);
            session = NULL;
        }
        ok = nodes_from_request(fetch);
    } else if (!session) {
        fetch->error = KCI_FETCH_SESSION_ID_NOT_FOUND;
    } else if (session->next_epoch != body->session_epoch) {
        fetch->error = KCI_INVALID_FETCH_SESSION_EPOCH;
    } else if (session->by_id != (fetch->request->header.version >= 13)) {
        fetch->error = KCI_FETCH_SESSION_TOPIC_ID_ERROR;
    } else {
        session->next_epoch = session->next_epoch == INT32_MAX ? 1 : session->next_epoch + 1;
        session->used_at = now;
        kci_list_remove(&session->link);
        kci_list_push(&sessions->used, &session->link);
        ok = change_session(sessions, session, body) && nodes_from_session(fetch, session);
        fetch->incremental = true;
        if (ok && session->count == 0) { /* nothing is left to fetch: the session is over */
            drop_session(sessions, session);
            session = NULL;
        }
    }
    if (!ok)
        fetch->error = KCI_UNKNOWN_SERVER_ERROR;
    fetch->session_id = session && !fetch->error ? session->id : 0;
}

void mb_fetch_sessions_end(struct mb_fetch_sessions *sessions, struct mb_fetch *fetch)
{
    struct mb_fetch_session *session = fetch->session_id ? kci_map_get_int(&sessions->map, fetch->session_id) : NULL;
    uint8_t key[KEY_BYTES];
    for (size_t i = 0; session && i < fetch->node_count; i++) {
        struct mb_fetch_node *node = &fetch->nodes[i];
        size_t size = make_key(key, session->by_id, node->topic_id, node->topic, node->index);
        struct mb_session_partition *known = kci_map_get(&session->index, key, size);
        if (!known) /* forgotten while this fetch waited */
            continue;
        node->skip = fetch->incremental && !node->bytes && !node->error && node->diverging_epoch < 0 &&
                     node->preferred < 0 && !known->had_error && node->high_watermark == known->high_watermark &&
                     node->log_start == known->log_start;
        known->high_watermark = node->high_watermark;
        known->log_start = node->log_start;
        known->had_error = node->error != 0;
        if (node->bytes) { /* who got something goes to the end, so that no partition starves behind another (KIP-227)
                            */
            kci_list_remove(&known->link);
            kci_list_push(&session->partitions, &known->link);
        }
    }
}

bool mb_fetch_session_meets(const struct mb_request *request, const struct mb_fault_match *match)
{
    const struct mb_fetch_sessions *sessions = mb_cluster_broker(request->cluster, request->broker)->sessions;
    const struct kci_fetch_request *body = request->body;
    struct mb_fetch_session *session = kci_map_get_int(&sessions->map, body->session_id);
    bool any = false;
    if (session && body->session_epoch > 0)
        KCI_LIST_EACH(node, &session->partitions)
        {
            struct mb_session_partition *partition = KCI_CONTAINER(node, struct mb_session_partition, link);
            struct kci_str topic = session->by_id ? mb_cluster_topic_name(request->cluster, &partition->topic_id)
                                                  : kci_str_of(partition->topic);
            if (!mb_fault_name_matches(match->topic, topic) ||
                (match->partition >= 0 && match->partition != partition->index))
                continue;
            partition->had_error = true;
            any = true;
        }
    return any;
}
