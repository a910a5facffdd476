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
 *      struct script_request *r = script_take(&peer, c, KCI_API_METADATA);   // the next request; asserts that it is
 * one const struct kci_metadata_request *m = r->message; script_answer(&peer, r, &response);                    //
 * encodes it in the request's version, delivers it, steps script_bytes(&peer, c, data, size);                    // raw
 * bytes instead script_advance(&peer, 100);                            // 100 ms: stops and steps at every deadline on
 * the way
 *
 * With the dull part done by the peer:
 *      peer.auto_connect = true;      // names resolve to themselves ("b1:9092"), connections open at once
 *      peer.auto_versions = true;     // ApiVersions is answered with all that our schema has, clipped by
 * peer.version_max[api] script_topic(&peer, "t", 3);   // Metadata is answered: broker 1 .. peer.brokers at b<id>:9092;
 * partition p is led by peer.auto_metadata = true;     //   p % brokers + 1 in epoch 5; ids as script_topic set them
 *      peer.serve = my_function;      // sees every other request; true: handled (answered, or left for later:
 * script_pending) script_settle(&peer);          // until nothing moves any more Requests that nobody handled wait in
 * order and are got with script_take / script_pending.
 *
 * Responses must be given in the order of the requests of their connection, as a broker does; what is automatic waits
 * for that.
 *
 * Nothing is delivered from within the engine's own calls (engine.h): automatic answers come in script_settle, which
 * script_step's friends (open, answer, advance, bytes, close) call at their end. */
#ifndef TEST_SUPPORT_SCRIPT_PEER_H
#define TEST_SUPPORT_SCRIPT_PEER_H

#include "base/engine.h"
#include "protocol/error.h"
#include "protocol/frame.h"
#include "protocol/messages.h"
#include "support/test_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SCRIPT_CONNS    256
#define SCRIPT_RESOLVES 64
#define SCRIPT_REQUESTS 4096
#define SCRIPT_TOPICS   16
#define SCRIPT_APIS     128

enum script_conn_state { SCRIPT_OPENING, SCRIPT_OPEN, SCRIPT_CLOSED_BY_US, SCRIPT_CLOSED_BY_CLIENT };

struct script_conn {
    kci_conn id; /* number of the connection, from 1 */
    void *user;
    char address[56]; /* as resolved */
    enum script_conn_state state;
    uint8_t *bytes;             /* everything that the client sent */
    size_t size, capacity, cut; /* cut: up to where requests were taken from it */
    size_t sends;               /* calls of send() */
    size_t take;                /* most bytes that one send() takes; SIZE_MAX at first */
    bool full;                  /* a send was cut short: script_sent says that there is room */
    bool silent;                /* nothing automatic happens on it */
};

struct script_request {
    struct script_conn *conn;
    struct kci_request_header header; /* client_id is a view into frame */
    const struct kci_api *api;
    void *message;          /* struct kci_<api>_request, in `arena` */
    struct kci_reader body; /* its bytes */
    uint8_t *frame;
    size_t frame_size;
    struct kci_arena arena;
    bool taken;    /* handed to the test or handled */
    bool answered; /* or needs no answer: Produce with acks=0 */
    int64_t at;    /* microseconds: when it was complete */
};

struct script_topic_row {
    const char *name;
    int32_t partitions;
    struct kci_uuid id;
    int16_t error;
    int32_t epoch;
    int32_t leader_shift; /* partition p is led by (p + shift) % brokers + 1 */
};

struct script_peer {
    int64_t now; /* microseconds */
    struct kci_engine engine;
    struct kci_alloc alloc; /* plain malloc */
    struct script_conn conns[SCRIPT_CONNS];
    size_t conn_count;
    struct {
        char host[256];
        uint16_t port;
        void *user;
        bool answered;
    } resolves[SCRIPT_RESOLVES];
    size_t resolve_count, resolve_next;
    struct script_request requests[SCRIPT_REQUESTS];
    size_t request_count;
    size_t request_first; /* all before it are taken and answered */
    bool settling;
    size_t steps;     /* engine steps so far */
    bool refuse_open; /* open() returns 0 */
    size_t segment;   /* bytes delivered in one piece; 0: as many as there is space */

    bool auto_connect, auto_versions, auto_metadata;
    int16_t version_max[SCRIPT_APIS]; /* clips ApiVersions; -1: the API is left out; INT16_MAX at first */
    int32_t brokers;                  /* ids 1 .. brokers, b<id>:9092 */
    int32_t controller;
    struct script_topic_row topics[SCRIPT_TOPICS];
    size_t topic_count;
    bool (*serve)(struct script_peer *peer, struct script_request *request);
    void *context; /* of serve */
};

static inline void *script_malloc_(void *context, void *block, size_t size)
{
    (void)context;
    if (size)
        return realloc(block, size);
    free(block);
    return NULL;
}

static inline void script_peer_init(struct script_peer *peer)
{
    memset(peer, 0, sizeof *peer);
    peer->now = 1000 * 1000000ll;
    peer->alloc = (struct kci_alloc){ script_malloc_, NULL };
    peer->brokers = 1;
    peer->controller = 1;
    for (size_t i = 0; i < SCRIPT_APIS; i++)
        peer->version_max[i] = INT16_MAX;
}

static inline void script_peer_attach(struct script_peer *peer, struct kci_engine engine)
{
    peer->engine = engine;
}

static inline void script_peer_destroy(struct script_peer *peer)
{
    for (size_t i = 0; i < peer->conn_count; i++)
        free(peer->conns[i].bytes);
    for (size_t i = 0; i < peer->request_count; i++) {
        free(peer->requests[i].frame);
        kci_arena_destroy(&peer->requests[i].arena);
    }
}

/* ---- the transport
 * --------------------------------------------------------------------------------------------------- */

static inline kci_conn script_t_open_(void *context, const struct kci_address *address, void *user)
{
    struct script_peer *peer = context;
    if (peer->refuse_open)
        return 0;
    assert_true(peer->conn_count < SCRIPT_CONNS);
    struct script_conn *c = &peer->conns[peer->conn_count++];
    c->id = peer->conn_count;
    c->user = user;
    c->take = SIZE_MAX;
    memcpy(c->address, address->text, sizeof c->address);
    return c->id;
}

static inline size_t script_t_send_(void *context, kci_conn conn, const struct kci_iov *pieces, size_t count)
{
    struct script_peer *peer = context;
    assert_true(conn >= 1 && conn <= peer->conn_count);
    struct script_conn *c = &peer->conns[conn - 1];
    size_t taken = 0;
    if (c->state == SCRIPT_CLOSED_BY_US)
        return 0;
    assert_int_equal(c->state, SCRIPT_OPEN);
    assert_false(c->full); /* a short send must wait for on_sent */
    assert_true(count > 0);
    c->sends++;
    for (size_t i = 0; i < count; i++) {
        size_t size = pieces[i].size < c->take - taken ? pieces[i].size : c->take - taken;
        if (c->size + size > c->capacity) {
            c->capacity = (c->size + size) * 2;
            c->bytes = realloc(c->bytes, c->capacity);
        }
        if (size)
            memcpy(c->bytes + c->size, pieces[i].data, size);
        c->size += size;
        taken += size;
        if (size < pieces[i].size) {
            c->full = true;
            break;
        }
    }
    return taken;
}

static inline void script_t_close_(void *context, kci_conn conn)
{
    struct script_peer *peer = context;
    assert_true(conn >= 1 && conn <= peer->conn_count);
    struct script_conn *c = &peer->conns[conn - 1];
    assert_true(c->state == SCRIPT_OPEN || c->state == SCRIPT_OPENING);
    c->state = SCRIPT_CLOSED_BY_CLIENT;
}

static inline void script_t_resolve_(void *context, const char *host, uint16_t port, void *user)
{
    struct script_peer *peer = context;
    if (peer->resolve_count == SCRIPT_RESOLVES) { /* forget the answered ones */
        memmove(peer->resolves, peer->resolves + peer->resolve_next,
                (peer->resolve_count - peer->resolve_next) * sizeof peer->resolves[0]);
        peer->resolve_count -= peer->resolve_next;
        peer->resolve_next = 0;
    }
    assert_true(peer->resolve_count < SCRIPT_RESOLVES);
    size_t i = peer->resolve_count++;
    snprintf(peer->resolves[i].host, sizeof peer->resolves[i].host, "%s", host);
    peer->resolves[i].port = port;
    peer->resolves[i].user = user;
    peer->resolves[i].answered = false;
}

static inline struct kci_transport script_peer_transport(struct script_peer *peer)
{
    return (struct kci_transport){ .context = peer,
                                   .open = script_t_open_,
                                   .send = script_t_send_,
                                   .close = script_t_close_,
                                   .resolve = script_t_resolve_ };
}

/* ---- what the client sent
 * ---------------------------------------------------------------------------------------------- */

/* Cut complete frames out of the connection's bytes into requests. */
static inline bool script_cut_(struct script_peer *peer, struct script_conn *c)
{
    bool any = false;
    while (c->size - c->cut >= 4) {
        size_t size = kci_be32(c->bytes + c->cut);
        if (c->size - c->cut - 4 < size)
            break;
        assert_true(peer->request_count < SCRIPT_REQUESTS);
        struct script_request *r = &peer->requests[peer->request_count++];
        memset(r, 0, sizeof *r);
        r->conn = c;
        r->at = peer->now;
        r->frame_size = size;
        r->frame = malloc(size ? size : 1);
        memcpy(r->frame, c->bytes + c->cut + 4, size);
        c->cut += 4 + size;
        struct kci_reader reader = kci_reader_of(r->frame, size);
        assert_true(kci_request_header_read(&reader, &r->header));
        r->api = kci_api_find(r->header.api_key);
        assert_non_null(r->api);
        r->body = reader;
        r->arena = kci_arena_of(&peer->alloc, (size_t)256 << 20);
        r->message = kci_arena_take(&r->arena, kci_schema_size(r->api->request));
        const char *bad = NULL;
        if (!kci_codec_decode(r->api->request, r->header.version, &reader, &r->arena, r->message, &bad))
            fail_msg("%s v%d request: bad field %s", r->api->name, r->header.version, bad);
        assert_int_equal(kci_reader_left(&reader), 0);
        r->answered =
            r->header.api_key == KCI_API_PRODUCE && ((const struct kci_produce_request *)r->message)->acks == 0;
        any = true;
    }
    return any;
}

static inline bool script_collect_(struct script_peer *peer)
{
    bool any = false;
    for (size_t i = 0; i < peer->conn_count; i++)
        any = script_cut_(peer, &peer->conns[i]) || any;
    return any;
}

/* The oldest request that was not handled, of this connection (NULL: of any that is open) and API (-1: any); NULL if
 * there is none.
 */
static inline struct script_request *script_pending(struct script_peer *peer, struct script_conn *conn, int16_t api)
{
    script_collect_(peer);
    for (size_t i = peer->request_first; i < peer->request_count; i++) {
        struct script_request *r = &peer->requests[i];
        if (!r->taken && (conn ? r->conn == conn : r->conn->state == SCRIPT_OPEN) &&
            (api < 0 || r->header.api_key == api))
            return r;
    }
    return NULL;
}

/* The same, which must exist, and is handled thereby. */
static inline struct script_request *script_take(struct script_peer *peer, struct script_conn *conn, int16_t api)
{
    struct script_request *r = script_pending(peer, conn, -1);
    if (api >= 0 && r && r->header.api_key != api && !conn)
        r = script_pending(peer, conn, api);
    if (!r)
        fail_msg("no request is there, where API %d is expected", api);
    if (api >= 0 && r->header.api_key != api)
        fail_msg("%s is there, where API %d is expected", r->api->name, api);
    r->taken = true;
    return r;
}

/* ---- events
 * --------------------------------------------------------------------------------------------------------------- */

static inline void script_settle(struct script_peer *peer);

static inline void script_step_raw_(struct script_peer *peer)
{
    peer->steps++;
    peer->engine.ops->step(peer->engine.self, peer->now);
}

/* Deliver bytes, in pieces of what the client has space for (and of peer->segment at most). Does not step. */
static inline void script_deliver_(struct script_peer *peer, struct script_conn *c, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size && c->state == SCRIPT_OPEN) {
        size_t room = 0;
        void *space = peer->engine.ops->on_space(peer->engine.self, c->id, c->user, &room);
        if (!space) {
            script_step_raw_(peer);
            if (c->state != SCRIPT_OPEN)
                return;
            space = peer->engine.ops->on_space(peer->engine.self, c->id, c->user, &room);
            if (!space)
                fail_msg("the engine does not want to read");
        }
        assert_true(room > 0);
        if (room > size)
            room = size;
        if (peer->segment && room > peer->segment)
            room = peer->segment;
        memcpy(space, at, room);
        peer->engine.ops->on_bytes(peer->engine.self, c->id, c->user, room, peer->now);
        at += room;
        size -= room;
    }
}

static inline void script_bytes(struct script_peer *peer, struct script_conn *c, const void *data, size_t size)
{
    assert_int_equal(c->state, SCRIPT_OPEN);
    script_deliver_(peer, c, data, size);
    script_settle(peer);
}

/* A broker answers the requests of one connection in order: nothing older is unanswered. */
static inline bool script_in_order_(const struct script_peer *peer, const struct script_request *r)
{
    for (const struct script_request *older = peer->requests + peer->request_first; older < r; older++)
        if (older->conn == r->conn && !older->answered)
            return false;
    return true;
}

/* The bytes of a response frame; yours (free). */
static inline uint8_t *script_encode(struct script_peer *peer, const struct script_request *r, int16_t version,
                                     const void *response, size_t *size)
{
    struct kci_writer w = kci_writer_of(&peer->alloc, (size_t)1 << 30);
    kci_response_header_write(&w, r->api, r->header.version, r->header.correlation);
    if (!kci_codec_encode(r->api->response, version, response, &w))
        fail_msg("%s v%d response cannot be encoded", r->api->name, version);
    kci_frame_finish(&w, 0, 0);
    *size = w.size;
    return w.data;
}

static inline void script_answer_quietly_(struct script_peer *peer, struct script_request *r, int16_t version,
                                          const void *response)
{
    size_t size;
    r->taken = true;
    if (r->conn->state != SCRIPT_OPEN)
        return;
    if (!script_in_order_(peer, r))
        fail_msg("%s is answered before an older request of the same connection", r->api->name);
    r->answered = true;
    uint8_t *data = script_encode(peer, r, version, response, &size);
    script_deliver_(peer, r->conn, data, size);
    free(data);
}

/* Answer a request (also from within `serve`, where it does not settle by itself: use this there as well). */
static inline void script_answer(struct script_peer *peer, struct script_request *r, const void *response)
{
    script_answer_quietly_(peer, r, r->header.version, response);
    script_settle(peer);
}

static inline void script_open(struct script_peer *peer, struct script_conn *c)
{
    assert_int_equal(c->state, SCRIPT_OPENING);
    c->state = SCRIPT_OPEN;
    peer->engine.ops->on_open(peer->engine.self, c->id, c->user, peer->now);
    script_settle(peer);
}

/* Refuse or break a connection. */
static inline void script_close(struct script_peer *peer, struct script_conn *c, const char *reason)
{
    assert_true(c->state == SCRIPT_OPENING || c->state == SCRIPT_OPEN);
    c->state = SCRIPT_CLOSED_BY_US;
    peer->engine.ops->on_close(peer->engine.self, c->id, c->user, reason, peer->now);
    script_settle(peer);
}

/* There is room again after a short send. */
static inline void script_sent(struct script_peer *peer, struct script_conn *c)
{
    c->full = false;
    peer->engine.ops->on_sent(peer->engine.self, c->id, c->user, peer->now);
    script_settle(peer);
}

/* Answer the oldest question of the resolver with `count` addresses (const char *, "10.0.0.1:9092"); 0: with a failure,
 * whose reason follows instead. */
static inline void script_resolved(struct script_peer *peer, size_t count, ...)
{
    struct kci_address addresses[KCI_ADDRESSES_MAX];
    const char *reason = NULL;
    va_list args;
    assert_true(peer->resolve_next < peer->resolve_count);
    memset(addresses, 0, sizeof addresses);
    va_start(args, count);
    for (size_t i = 0; i < count; i++) {
        snprintf(addresses[i].text, sizeof addresses[i].text, "%s", va_arg(args, const char *));
        addresses[i].size = 1;
        addresses[i].bytes[0] = (uint8_t)i;
    }
    if (count == 0)
        reason = va_arg(args, const char *);
    va_end(args);
    void *user = peer->resolves[peer->resolve_next].user;
    peer->resolves[peer->resolve_next++].answered = true;
    peer->engine.ops->on_resolved(peer->engine.self, user, addresses, count, reason, peer->now);
    script_settle(peer);
}

/* The host that the resolver is asked for, or NULL. */
static inline const char *script_resolving(const struct script_peer *peer)
{
    return peer->resolve_next < peer->resolve_count ? peer->resolves[peer->resolve_next].host : NULL;
}

static inline struct script_conn *script_conn_last(struct script_peer *peer)
{
    assert_true(peer->conn_count > 0);
    return &peer->conns[peer->conn_count - 1];
}

/* The newest connection to this address that is open (or opening), or NULL. */
static inline struct script_conn *script_conn_to(struct script_peer *peer, const char *address)
{
    for (size_t i = peer->conn_count; i-- > 0;)
        if (strcmp(peer->conns[i].address, address) == 0 && peer->conns[i].state <= SCRIPT_OPEN)
            return &peer->conns[i];
    return NULL;
}

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

/* Answer Metadata from peer->topics; names that are not there are UNKNOWN_TOPIC_OR_PARTITION. */
static inline void script_answer_metadata(struct script_peer *peer, struct script_request *r)
{
    const struct kci_metadata_request *request = r->message;
    struct kci_arena arena = kci_arena_of(&peer->alloc, (size_t)64 << 20);
    struct kci_metadata_response response;
    kci_codec_init(&kci_metadata_response_schema, &response);
    response.brokers = kci_arena_array(&arena, (size_t)peer->brokers, sizeof *response.brokers);
    response.brokers_count = peer->brokers;
    response.controller_id = peer->controller;
    for (int32_t i = 0; i < peer->brokers; i++) {
        char host[16];
        snprintf(host, sizeof host, "b%d", i + 1);
        kci_codec_init(&kci_metadata_response__metadata_response_broker_schema, &response.brokers[i]);
        response.brokers[i].node_id = i + 1;
        response.brokers[i].host = kci_str_of(kci_arena_text(&arena, kci_str_of(host)));
        response.brokers[i].port = 9092;
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
        topic->partitions = kci_arena_array(&arena, (size_t)row->partitions + 1, sizeof *topic->partitions);
        topic->partitions_count = row->partitions;
        for (int32_t p = 0; p < row->partitions; p++) {
            int32_t *replica = kci_arena_array(&arena, 1, sizeof *replica);
            kci_codec_init(&kci_metadata_response__metadata_response_partition_schema, &topic->partitions[p]);
            *replica = (p + row->leader_shift) % peer->brokers + 1;
            topic->partitions[p].partition_index = p;
            topic->partitions[p].leader_id = *replica;
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
    snprintf(host, sizeof host, "b%d", node);
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
