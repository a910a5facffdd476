/* Under a script_peer (script_peer.h): connections, what the client sent on them, and what happens to it.
 *
 * Included by script_peer.h only. */
#ifndef TEST_SUPPORT_SCRIPT_CONN_H
#define TEST_SUPPORT_SCRIPT_CONN_H

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
#define SCRIPT_HOSTS    16

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
    int32_t leaderless;   /* the first so many partitions have no leader */
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
    int32_t unlisted;                 /* Metadata does not list this broker, though it may lead; 0: none */
    const char *away;                 /* auto_connect refuses addresses that begin so; NULL: none */
    const char *hosts[SCRIPT_HOSTS];  /* of broker <index> instead of b<index>; NULL: that */
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

/* As script_take, of the connection to this address, which has to be there. */
static inline struct script_request *script_take_at(struct script_peer *peer, const char *address, int16_t api)
{
    struct script_conn *conn = script_conn_to(peer, address);
    if (!conn)
        fail_msg("there is no connection to %s", address);
    return script_take(peer, conn, api);
}

#endif
