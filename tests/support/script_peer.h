/* A world of memory for the trace tests of anything that is a client engine: virtual time, connections that the test
 * opens, feeds and breaks, and requests and responses as typed structs.  One thread, no clock, no socket, nothing
 * random.
 *
 *      static struct script_peer peer;                        // large: not on the stack
 *      script_peer_init(&peer);                               // time starts at 1,000 s
 *      options.transport = script_peer_transport(&peer);
 *      ... create the engine ...
 *      script_peer_attach(&peer, engine);                     // struct kci_engine
 *
 * By hand, one event at a time:
 *      script_step(&peer);                                    // engine_step at peer.now
 *      script_resolved(&peer, 1, "10.0.0.1:9092");            // answers the oldest question of the resolver
 *      struct script_conn *c = script_conn_last(&peer);       // what the engine opened
 *      script_open(&peer, c);                                 // or script_close(&peer, c, "connection refused")
 *      struct script_request *r = script_take(&peer, c, KCI_API_METADATA);   // the next request; asserts that it is one
 *      const struct kci_metadata_request *m = r->message;
 *      script_answer(&peer, r, &response);        // encodes it in the request's version, delivers it, steps
 *      script_bytes(&peer, c, data, size);        // raw bytes instead
 *      script_advance(&peer, 100);                // 100 ms: stops and steps at every deadline on the way
 *
 * With the dull part done by the peer:
 *      peer.auto_connect = true;      // names resolve to themselves ("b1:9092"), connections open at once
 *      peer.auto_versions = true;     // ApiVersions is answered with all that our schema has, clipped by version_max[api]
 *      script_topic(&peer, "t", 3);   // Metadata is answered: broker 1 .. peer.brokers at b<id>:9092; partition p is led by
 *      peer.auto_metadata = true;     //   p % brokers + 1 in epoch 5; ids as script_topic set them
 *      peer.serve = my_function;      // sees every other request; true: handled (answered, or left for later)
 *      script_settle(&peer);          // until nothing moves any more
 * Requests that nobody handled wait in order and are got with script_take / script_pending.
 *
 * Responses must be given in the order of the requests of their connection, as a broker does; what is automatic waits
 * for that.
 *
 * Nothing is delivered from within the engine's own calls (engine.h): automatic answers come in script_settle, which
 * script_step's friends (open, answer, advance, bytes, close) call at their end. */
#ifndef TEST_SUPPORT_SCRIPT_PEER_H
#define TEST_SUPPORT_SCRIPT_PEER_H

#include "support/script_conn.h"

/* ---- automatic answers
 * ----------------------------------------------------------------------------------------------------- */

static inline void script_topic(struct script_peer *peer, const char *name, int32_t partitions)
{
    assert_true(peer->topic_count < SCRIPT_TOPICS);
    struct script_topic_row *row = &peer->topics[peer->topic_count++];
    *row = (struct script_topic_row){ .name = name, .partitions = partitions, .epoch = 5 };
    row->id.b[0] = 0xA0;
    row->id.b[15] = (uint8_t)peer->topic_count;
}

static inline struct script_topic_row *script_topic_row(struct script_peer *peer, struct kci_str name)
{
    for (size_t i = 0; i < peer->topic_count; i++)
        if (kci_str_equal(name, kci_str_of(peer->topics[i].name)))
            return &peer->topics[i];
    return NULL;
}

/* Answer ApiVersions with what our schema has, clipped by version_max. */
static inline void script_answer_versions(struct script_peer *peer, struct script_request *r)
{
    struct kci_api_versions_response__api_version keys[SCRIPT_APIS];
    struct kci_api_versions_response response;
    int32_t n = 0;
    kci_codec_init(&kci_api_versions_response_schema, &response);
    for (size_t i = 0; i < kci_api_count; i++) {
        int16_t max = kci_apis[i].version_max, cap = peer->version_max[kci_apis[i].key];
        if (cap < kci_apis[i].version_min)
            continue;
        kci_codec_init(&kci_api_versions_response__api_version_schema, &keys[n]);
        keys[n].api_key = kci_apis[i].key;
        keys[n].min_version = kci_apis[i].version_min;
        keys[n++].max_version = max < cap ? max : cap;
    }
    response.api_keys = keys;
    response.api_keys_count = n;
    script_answer_quietly_(peer, r, r->header.version, &response);
}

/* The row that entry i of a request asks for: by name, by id, or all of them. */
static inline const struct script_topic_row *script_asked_(struct script_peer *peer,
                                                           const struct kci_metadata_request *request, int32_t i)
{
    if (request->topics_count < 0)
        return &peer->topics[i];
    if (request->topics[i].name.data)
        return script_topic_row(peer, request->topics[i].name);
    for (size_t t = 0; t < peer->topic_count; t++)
        if (kci_uuid_equal(&peer->topics[t].id, &request->topics[i].topic_id))
            return &peer->topics[t];
    return NULL;
}

static inline void script_host_(const struct script_peer *peer, int32_t broker, char *host, size_t size)
{
    snprintf(host, size, "b%d", broker);
    if (broker >= 0 && broker < SCRIPT_HOSTS && peer->hosts[broker])
        snprintf(host, size, "%s", peer->hosts[broker]);
}

/* Answer Metadata from peer->topics; names that are not there are UNKNOWN_TOPIC_OR_PARTITION. */
static inline void script_answer_metadata(struct script_peer *peer, struct script_request *r)
{
    const struct kci_metadata_request *request = r->message;
    struct kci_arena arena = kci_arena_of(&peer->alloc, (size_t)64 << 20);
    struct kci_metadata_response response;
    kci_codec_init(&kci_metadata_response_schema, &response);
    response.brokers = kci_arena_array(&arena, (size_t)peer->brokers, sizeof *response.brokers);
    response.controller_id = peer->controller;
    response.brokers_count = 0;
    for (int32_t id = 1; id <= peer->brokers; id++) {
        struct kci_metadata_response__metadata_response_broker *broker = &response.brokers[response.brokers_count];
        char host[16];
        script_host_(peer, id, host, sizeof host);
        kci_codec_init(&kci_metadata_response__metadata_response_broker_schema, broker);
        broker->node_id = id;
        broker->host = kci_str_of(kci_arena_text(&arena, kci_str_of(host)));
        broker->port = 9092;
        response.brokers_count += id != peer->unlisted;
    }
    int32_t count = request->topics_count >= 0 ? request->topics_count : (int32_t)peer->topic_count;
    response.topics = kci_arena_array(&arena, (size_t)count + 1, sizeof *response.topics);
    response.topics_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct kci_metadata_response__metadata_response_topic *topic = &response.topics[i];
        const struct script_topic_row *row = script_asked_(peer, request, i);
        kci_codec_init(&kci_metadata_response__metadata_response_topic_schema, topic);
        topic->name = row ? kci_str_of(row->name) : request->topics[i].name;
        topic->error_code = row                            ? row->error
                            : request->topics[i].name.data ? KCI_UNKNOWN_TOPIC_OR_PARTITION
                                                           : KCI_UNKNOWN_TOPIC_ID;
        if (!row || row->error)
            continue;
        topic->topic_id = row->id;
        topic->is_internal = strncmp(row->name, "__", 2) == 0;
        topic->partitions = kci_arena_array(&arena, (size_t)row->partitions + 1, sizeof *topic->partitions);
        topic->partitions_count = row->partitions;
        for (int32_t p = 0; p < row->partitions; p++) {
            int32_t *replica = kci_arena_array(&arena, 1, sizeof *replica);
            kci_codec_init(&kci_metadata_response__metadata_response_partition_schema, &topic->partitions[p]);
            *replica = (p + row->leader_shift) % peer->brokers + 1;
            topic->partitions[p].partition_index = p;
            topic->partitions[p].leader_id = p < row->leaderless ? -1 : *replica;
            topic->partitions[p].error_code = p < row->leaderless ? KCI_LEADER_NOT_AVAILABLE : KCI_NONE;
            topic->partitions[p].leader_epoch = row->epoch;
            topic->partitions[p].replica_nodes = topic->partitions[p].isr_nodes = replica;
            topic->partitions[p].replica_nodes_count = topic->partitions[p].isr_nodes_count = 1;
        }
    }
    script_answer_quietly_(peer, r, r->header.version, &response);
    kci_arena_destroy(&arena);
}

/* Answer FindCoordinator: every key is at broker `node`. */
static inline void script_answer_coordinator(struct script_peer *peer, struct script_request *r, int32_t node,
                                             int16_t error)
{
    const struct kci_find_coordinator_request *request = r->message;
    struct kci_find_coordinator_response response;
    struct kci_find_coordinator_response__coordinator coordinator;
    char host[16];
    script_host_(peer, node, host, sizeof host);
    kci_codec_init(&kci_find_coordinator_response_schema, &response);
    kci_codec_init(&kci_find_coordinator_response__coordinator_schema, &coordinator);
    coordinator.error_code = error;
    coordinator.node_id = error ? -1 : node;
    coordinator.host = kci_str_of(error ? "" : host);
    coordinator.port = error ? -1 : 9092;
    if (r->header.version >= 4) {
        coordinator.key = request->coordinator_keys[0];
        response.coordinators = &coordinator;
        response.coordinators_count = 1;
    } else {
        response.error_code = error;
        response.node_id = coordinator.node_id;
        response.host = coordinator.host;
        response.port = coordinator.port;
    }
    script_answer_quietly_(peer, r, r->header.version, &response);
}

/* One automatic event; false: there is none. */
static inline bool script_automatic_(struct script_peer *peer)
{
    if (peer->auto_connect && peer->resolve_next < peer->resolve_count) {
        struct kci_address address = { .size = 1 };
        size_t i = peer->resolve_next++;
        snprintf(address.text, sizeof address.text, "%.40s:%u", peer->resolves[i].host, peer->resolves[i].port);
        peer->engine.ops->on_resolved(peer->engine.self, peer->resolves[i].user, &address, 1, NULL, peer->now);
        return true;
    }
    for (size_t i = 0; i < peer->conn_count; i++)
        if (peer->auto_connect && peer->conns[i].state == SCRIPT_OPENING && !peer->conns[i].silent) {
            if (peer->away && strncmp(peer->conns[i].address, peer->away, strlen(peer->away)) == 0) {
                peer->conns[i].state = SCRIPT_CLOSED_BY_US;
                peer->engine.ops->on_close(peer->engine.self, peer->conns[i].id, peer->conns[i].user,
                                           "connection refused", peer->now);
                return true;
            }
            peer->conns[i].state = SCRIPT_OPEN;
            peer->engine.ops->on_open(peer->engine.self, peer->conns[i].id, peer->conns[i].user, peer->now);
            return true;
        }
    script_collect_(peer);
    while (
        peer->request_first < peer->request_count && peer->requests[peer->request_first].taken &&
        (peer->requests[peer->request_first].answered || peer->requests[peer->request_first].conn->state > SCRIPT_OPEN))
        peer->request_first++;
    for (size_t i = peer->request_first; i < peer->request_count; i++) {
        struct script_request *r = &peer->requests[i];
        if (r->taken || r->conn->silent || r->conn->state != SCRIPT_OPEN || !script_in_order_(peer, r))
            continue;
        if (peer->auto_versions && r->header.api_key == KCI_API_API_VERSIONS)
            script_answer_versions(peer, r);
        else if (peer->auto_metadata && r->header.api_key == KCI_API_METADATA)
            script_answer_metadata(peer, r);
        else if (peer->serve && peer->serve(peer, r))
            r->taken = true;
        else
            continue;
        return true;
    }
    return false;
}

/* Step and do automatic things until nothing moves. */
static inline void script_settle(struct script_peer *peer)
{
    if (peer->settling) /* `serve` may answer, which settles */
        return;
    peer->settling = true;
    for (size_t i = 0;; i++) {
        if (i > 100000)
            fail_msg("the engine and the peer do not come to rest");
        script_step_raw_(peer);
        if (!script_automatic_(peer) && peer->engine.ops->deadline(peer->engine.self) > peer->now)
            break;
    }
    peer->settling = false;
}

static inline void script_step(struct script_peer *peer)
{
    script_settle(peer);
}

/* Let `ms` milliseconds pass, stepping at every deadline on the way. */
static inline void script_advance(struct script_peer *peer, int64_t ms)
{
    int64_t end = peer->now + ms * 1000;
    script_settle(peer);
    for (;;) {
        int64_t at = peer->engine.ops->deadline(peer->engine.self);
        if (at > end)
            break;
        if (at > peer->now)
            peer->now = at;
        script_settle(peer);
    }
    peer->now = end;
    script_settle(peer);
}

#endif
