/* A whole mock cluster in one test: virtual time, an in-memory transport, clients that speak with typed structs.
 *
 *      struct world world;
 *      world_open(&world, 3, NULL);                               three brokers, at time 0
 *      struct client *client = world_client(&world, 1);           a connection to broker 1
 *      client_send(client, KCI_API_PRODUCE, 9, &request);
 *      struct kci_produce_response *response = client_answer(client, KCI_API_PRODUCE, 9);      NULL: none yet
 *      world_at(&world, 500 * MS);                                time goes on, all that is due runs
 *      world_close(&world);                                       everything must be freed by then
 *
 * Decoded answers live until world_close. */
#ifndef TEST_SUPPORT_MOCK_WORLD_H
#define TEST_SUPPORT_MOCK_WORLD_H

#include "mockbroker/core/cluster.h"
#include "support/test_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS             1000
#define SECOND         1000000
#define WORLD_CLIENTS  4096
#define WORLD_EPOCH_US INT64_C(1700000000000000) /* wall clock at time 0 */
#define NAME(text)     ((struct kci_str){ text, sizeof(text) - 1 })

struct world;

struct client {
    struct world *world;
    const char *id; /* client.id in its requests; NULL: "test" */
    kci_conn conn;
    void *user;       /* the broker's connection */
    bool closed;      /* by the broker */
    bool wants_space; /* the broker refused to read */
    int32_t correlation, answered;
    uint8_t *in; /* bytes that the broker has sent and that were not read */
    size_t in_size, in_capacity;
    size_t send_limit;         /* bytes that the transport takes in one go; 0: all */
    bool stuck;                /* the transport takes nothing */
    struct kci_writer waiting; /* bytes that the broker did not want yet */
};

struct world {
    struct mb_cluster *cluster;
    struct kci_engine engine;
    struct test_alloc memory;
    struct kci_alloc alloc;
    struct kci_arena arena;
    struct client *clients[WORLD_CLIENTS];
    size_t client_count;
    int64_t now;
    struct mb_options options;
};

static inline struct client *world_find(struct world *world, kci_conn conn)
{
    return conn >= 1 && conn <= world->client_count ? world->clients[conn - 1] : NULL;
}

static inline size_t world_take(void *context, kci_conn conn, const struct kci_iov *pieces, size_t count)
{
    struct client *client = world_find(context, conn);
    size_t taken = 0;
    assert_non_null(client);
    assert_false(client->closed);
    for (size_t i = 0; i < count && !client->stuck; i++) {
        size_t size = pieces[i].size;
        if (client->send_limit && taken + size > client->send_limit)
            size = client->send_limit - taken;
        if (client->in_size + size > client->in_capacity) {
            client->in_capacity = (client->in_size + size) * 2;
            client->in = realloc(client->in, client->in_capacity);
        }
        if (size)
            memcpy(client->in + client->in_size, pieces[i].data, size);
        client->in_size += size;
        taken += size;
        if (size < pieces[i].size)
            break;
    }
    return taken;
}

static inline void world_closed(void *context, kci_conn conn)
{
    struct client *client = world_find(context, conn);
    assert_false(client->closed);
    client->closed = true;
}

static inline void world_want_read(void *context, kci_conn conn)
{
    world_find(context, conn)->wants_space = true;
}

/* Brokers and properties as in options; storage NULL: memory. */
static inline void world_open_with(struct world *world, struct mb_options options)
{
    char text[300], config[600];
    /* stories that jump over hours do not mean to be disconnected for it, nor leaders to move */
    snprintf(config, sizeof config, "connections.max.idle.ms=-1 auto.leader.rebalance.enable=false %s",
             options.config ? options.config : "");
    options.config = config;
    memset(world, 0, sizeof *world);
    world->alloc = test_alloc_counting(&world->memory);
    options.alloc = &world->alloc;
    options.transport = (struct kci_transport){
        .context = world, .send = world_take, .close = world_closed, .want_read = world_want_read
    };
    options.wall_offset_us = WORLD_EPOCH_US;
    if (!options.seed)
        options.seed = 1;
    world->options = options;
    world->options.config = NULL;
    world->arena = kci_arena_of(&world->alloc, SIZE_MAX / 2);
    if (mb_cluster_create(&world->cluster, &options, 0, text, sizeof text) != 0)
        fail_msg("the cluster does not start: %s", text);
    world->engine = mb_cluster_engine(world->cluster);
}

static inline void world_open(struct world *world, int32_t brokers, const char *config)
{
    world_open_with(world, (struct mb_options){ .brokers = brokers, .config = config });
}

static inline void world_step(struct world *world)
{
    world->engine.ops->step(world->engine.self, world->now);
}

/* Go on to `at`, running everything that is due at the time when it is due. */
static inline void world_at(struct world *world, int64_t at)
{
    world_step(world);
    for (;;) {
        int64_t deadline = world->engine.ops->deadline(world->engine.self);
        if (deadline > at)
            break;
        world->now = deadline > world->now ? deadline : world->now;
        world_step(world);
    }
    world->now = at;
    world_step(world);
}

static inline void world_close(struct world *world)
{
    mb_cluster_destroy(world->cluster, world->now);
    kci_arena_destroy(&world->arena);
    for (size_t i = 0; i < world->client_count; i++) {
        kci_writer_destroy(&world->clients[i]->waiting);
        free(world->clients[i]->in);
        free(world->clients[i]);
    }
    assert_int_equal(world->memory.live_blocks, 0);
}

static inline struct client *world_client_from(struct world *world, int32_t broker, const char *from)
{
    struct kci_address address = { .size = 0 };
    snprintf(address.text, sizeof address.text, "%s", from);
    struct client *client = calloc(1, sizeof *client);
    assert_true(world->client_count < WORLD_CLIENTS);
    client->world = world;
    client->waiting = kci_writer_of(&world->alloc, (size_t)1 << 30);
    world->clients[world->client_count++] = client;
    client->conn = world->client_count;
    client->user = world->engine.ops->on_accept(world->engine.self, client->conn, (void *)(intptr_t)broker, &address,
                                                &address, world->now);
    client->closed = client->user == NULL;
    return client;
}

static inline struct client *world_client(struct world *world, int32_t broker)
{
    return world_client_from(world, broker, "127.0.0.1:50000");
}

/* Hand over what waits, as far as the broker takes it; at most `slice` bytes at a time (0: any). */
static inline void client_push(struct client *client, size_t slice)
{
    const struct kci_engine *engine = &client->world->engine;
    size_t done = 0;
    while (!client->closed && done < client->waiting.size) {
        size_t room = 0;
        void *space = engine->ops->on_space(engine->self, client->conn, client->user, &room);
        if (!space)
            break;
        assert_true(room > 0);
        size_t size = client->waiting.size - done;
        size = size < room ? size : room;
        size = slice && size > slice ? slice : size;
        memcpy(space, client->waiting.data + done, size);
        done += size;
        engine->ops->on_bytes(engine->self, client->conn, client->user, size, client->world->now);
    }
    memmove(client->waiting.data, client->waiting.data + done, client->waiting.size - done);
    client->waiting.size -= done;
    world_step(client->world);
}

static inline void client_bytes(struct client *client, const void *data, size_t size)
{
    kci_writer_bytes(&client->waiting, data, size);
    client_push(client, 0);
}

static inline void client_queue(struct client *client, int16_t key, int16_t version, const void *request)
{
    const struct kci_api *api = kci_api_find(key);
    struct kci_request_header header = { key, version, ++client->correlation,
                                         kci_str_of(client->id ? client->id : "test") };
    size_t start = client->waiting.size;
    kci_request_header_write(&client->waiting, api, &header);
    assert_true(kci_codec_encode(api->request, version, request, &client->waiting));
    kci_frame_finish(&client->waiting, start, 0);
}

static inline void client_send(struct client *client, int16_t key, int16_t version, const void *request)
{
    client_queue(client, key, version, request);
    client_push(client, 0);
}

/* The next answer, or NULL when it has not come whole. */
static inline void *client_answer(struct client *client, int16_t key, int16_t version)
{
    const struct kci_api *api = kci_api_find(key);
    if (client->in_size < 4)
        return NULL;
    size_t size = kci_be32(client->in);
    if (client->in_size < size + 4)
        return NULL;
    uint8_t *copy = kci_arena_take(&client->world->arena, size + 1);
    memcpy(copy, client->in + 4, size);
    memmove(client->in, client->in + 4 + size, client->in_size - 4 - size);
    client->in_size -= 4 + size;
    struct kci_reader r = kci_reader_of(copy, size);
    int32_t correlation = 0;
    const char *field = NULL;
    void *response = kci_arena_take(&client->world->arena, kci_schema_size(api->response));
    assert_true(kci_response_header_read(&r, api, version, &correlation));
    assert_int_equal(correlation, ++client->answered);
    if (!kci_codec_decode(api->response, version, &r, &client->world->arena, response, &field))
        fail_msg("%s v%d: bad %s", api->name, version, field);
    assert_int_equal(kci_reader_left(&r), 0);
    return response;
}

static inline void *client_call(struct client *client, int16_t key, int16_t version, const void *request)
{
    client_send(client, key, version, request);
    void *response = client_answer(client, key, version);
    assert_non_null(response);
    return response;
}

/* ---- the words of the stories ---- */

static inline void world_topic(struct world *world, const char *name, int32_t partitions, int16_t replicas,
                               const char *config)
{
    assert_int_equal(mb_cluster_create_topic(world->cluster, kci_str_of(name), partitions, replicas, &config,
                                             config ? 1 : 0, world->now),
                     0);
    world_step(world);
}

static inline struct mb_partition_view world_look(struct world *world, const char *topic, int32_t partition)
{
    struct mb_partition_view view;
    assert_int_equal(mb_cluster_partition(world->cluster, kci_str_of(topic), partition, &view), 0);
    return view;
}

static inline struct mb_partition *world_partition(struct world *world, const char *topic, int32_t partition)
{
    return mb_topic_partition(mb_topic_find(world->cluster, kci_str_of(topic)), partition);
}

/* A batch of `count` records "v0", "v1" ... in the arena. */
struct batch_of {
    int32_t count;       /* records; 0: 1 */
    int64_t producer_id; /* 0: none */
    int16_t epoch;
    int32_t sequence;
    int codec;
    int16_t attributes;
    size_t value_bytes;   /* 0: a few */
    int64_t timestamp_ms; /* of the first record, the others one more each; 0: the wall clock */
    bool keys;
};
static inline struct kci_bytes world_batch(struct world *world, struct batch_of of)
{
    int32_t count = of.count ? of.count : 1;
    struct kci_record *records = kci_arena_array(&world->arena, (size_t)count, sizeof *records);
    struct kci_batch_header header = { .leader_epoch = -1,
                                       .magic = 2,
                                       .attributes = (int16_t)(of.attributes | of.codec),
                                       .producer_id = of.producer_id ? of.producer_id : -1,
                                       .producer_epoch = of.producer_id ? of.epoch : -1,
                                       .base_sequence = of.producer_id ? of.sequence : -1 };
    for (int32_t i = 0; i < count; i++) {
        size_t size = of.value_bytes > 12 ? of.value_bytes : 12;
        char *value = kci_arena_take(&world->arena, size);
        char text[16];
        snprintf(text, sizeof text, "v%d", i);
        memcpy(value, text, strlen(text));
        records[i].value = (struct kci_bytes){ (uint8_t *)value, size };
        records[i].timestamp_ms = (of.timestamp_ms ? of.timestamp_ms : (world->now + WORLD_EPOCH_US) / 1000) + i;
        if (of.keys)
            records[i].key = (struct kci_bytes){ (const uint8_t *)"key", 3 };
    }
    struct kci_writer w = kci_writer_of(&world->alloc, (size_t)1 << 30);
    assert_int_equal(kci_batch_write(&w, &header, records, (size_t)count, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    uint8_t *copy = kci_arena_take(&world->arena, w.size);
    memcpy(copy, w.data, w.size);
    struct kci_bytes bytes = { copy, w.size };
    kci_writer_destroy(&w);
    return bytes;
}

#define PRODUCE_VERSION 12
/* One partition, one batch. */
static inline void client_produce(struct client *client, const char *topic, int32_t partition, int16_t acks,
                                  struct kci_bytes batch)
{
    struct kci_produce_request__partition_produce_data data = { .index = partition, .records = batch };
    struct kci_produce_request__topic_produce_data of = { .name = kci_str_of(topic),
                                                          .partition_data = &data,
                                                          .partition_data_count = 1 };
    struct kci_produce_request request = { .acks = acks, .timeout_ms = 1000, .topic_data = &of, .topic_data_count = 1 };
    client_send(client, KCI_API_PRODUCE, PRODUCE_VERSION, &request);
}

static inline struct kci_produce_response__partition_produce_response *client_produced(struct client *client)
{
    struct kci_produce_response *response = client_answer(client, KCI_API_PRODUCE, PRODUCE_VERSION);
    return response ? &response->responses[0].partition_responses[0] : NULL;
}

#define FETCH_VERSION 12
struct fetch_of {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int32_t max_wait_ms, min_bytes;
    int32_t max_bytes;                 /* 0: plenty */
    int32_t partition_max_bytes;       /* 0: plenty */
    int32_t session_id, session_epoch; /* epoch 0 with id 0: no session (-1 is sent) unless make_session */
    bool make_session;
    int32_t current_leader_epoch; /* 0: unknown (-1 is sent); else this */
    int32_t last_fetched_epoch;   /* likewise */
    int8_t isolation;
};
static inline void client_fetch(struct client *client, struct fetch_of of)
{
    struct kci_fetch_request request;
    struct kci_fetch_request__fetch_partition partition;
    kci_codec_init(&kci_fetch_request_schema, &request);
    kci_codec_init(&kci_fetch_request__fetch_partition_schema, &partition);
    partition.partition = of.partition;
    partition.fetch_offset = of.offset;
    partition.partition_max_bytes = of.partition_max_bytes ? of.partition_max_bytes : 1 << 20;
    partition.current_leader_epoch = of.current_leader_epoch ? of.current_leader_epoch : -1;
    partition.last_fetched_epoch = of.last_fetched_epoch ? of.last_fetched_epoch : -1;
    struct kci_fetch_request__fetch_topic topic = { .topic = kci_str_of(of.topic),
                                                    .partitions = &partition,
                                                    .partitions_count = 1 };
    request.max_wait_ms = of.max_wait_ms;
    request.min_bytes = of.min_bytes;
    request.max_bytes = of.max_bytes ? of.max_bytes : 1 << 26;
    request.isolation_level = of.isolation;
    request.session_id = of.session_id;
    request.session_epoch = of.session_id ? of.session_epoch : of.make_session ? 0 : -1;
    request.topics = of.topic ? &topic : NULL;
    request.topics_count = of.topic ? 1 : 0;
    client_send(client, KCI_API_FETCH, FETCH_VERSION, &request);
}

static inline struct kci_fetch_response *client_fetched_all(struct client *client)
{
    return client_answer(client, KCI_API_FETCH, FETCH_VERSION);
}

static inline struct kci_fetch_response__partition_data *client_fetched(struct client *client)
{
    struct kci_fetch_response *response = client_fetched_all(client);
    if (!response)
        return NULL;
    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->responses_count, 1);
    return &response->responses[0].partitions[0];
}

#endif
