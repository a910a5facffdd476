/* The codec by example: bytes worked out by hand, the rules about null, defaults and tags, and what hostile bytes get.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/codec_table.h"
#include "protocol/messages.h"
#include "support/test_alloc.h"

#define BYTES_MAX ((size_t)1 << 20)

static struct test_alloc state;
static struct kci_alloc alloc;
static struct kci_arena arena;
static struct kci_writer out;

static int set_up(void **unused)
{
    (void)unused;
    state = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&state);
    arena = kci_arena_of(&alloc, BYTES_MAX);
    out = kci_writer_of(&alloc, BYTES_MAX);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    kci_arena_destroy(&arena);
    kci_writer_destroy(&out);
    assert_int_equal(state.live_blocks, 0);
    return 0;
}

/* "00 12" -> bytes in a static buffer. */
static struct kci_bytes hex(const char *text)
{
    static uint8_t bytes[512];
    size_t size = 0;
    for (; *text; text++) {
        if (*text == ' ')
            continue;
        int high = *text <= '9' ? *text - '0' : *text - 'a' + 10;
        text++;
        int low = *text <= '9' ? *text - '0' : *text - 'a' + 10;
        bytes[size++] = (uint8_t)(high << 4 | low);
    }
    return (struct kci_bytes){ bytes, size };
}

/* The message is written as exactly these bytes. */
static void assert_written(const struct kci_schema *schema, int16_t version, const void *message, const char *expected)
{
    out.size = 0;
    out.failed = false;
    assert_true(kci_codec_encode(schema, version, message, &out));
    struct kci_bytes bytes = hex(expected);
    assert_int_equal(out.size, bytes.size);
    assert_memory_equal(out.data, bytes.data, bytes.size);
}

static void assert_not_written(const struct kci_schema *schema, int16_t version, const void *message)
{
    out.size = 0;
    out.failed = false;
    assert_false(kci_codec_encode(schema, version, message, &out));
    assert_true(out.failed);
}

/* These bytes are read to the last one. */
static void assert_read(const struct kci_schema *schema, int16_t version, const char *text, void *message)
{
    struct kci_bytes bytes = hex(text);
    struct kci_reader r = kci_reader_of(bytes.data, bytes.size);
    const char *bad = "?";
    assert_true(kci_codec_decode(schema, version, &r, &arena, message, &bad));
    assert_null(bad);
    assert_int_equal(kci_reader_left(&r), 0);
}

/* These bytes are refused because of that field. */
static void assert_refused(const struct kci_schema *schema, int16_t version, const char *text, const char *field)
{
    struct kci_bytes bytes = hex(text);
    struct kci_reader r = kci_reader_of(bytes.data, bytes.size);
    const char *bad = NULL;
    void *message = malloc(kci_schema_size(schema));
    assert_false(kci_codec_decode(schema, version, &r, &arena, message, &bad));
    assert_true(r.failed);
    assert_string_equal(bad, field);
    free(message);
}

static void assert_json(const struct kci_schema *schema, int16_t version, const void *message, const char *expected)
{
    out.size = 0;
    assert_true(kci_codec_json(schema, version, message, &out));
    kci_writer_i8(&out, 0);
    assert_string_equal((const char *)out.data, expected);
}

static bool is(struct kci_str a, const char *b)
{
    return kci_str_equal(a, kci_str_of(b));
}

static void test_api_versions_by_hand(void **unused)
{
    (void)unused;
    struct kci_api_versions_request request = { .client_software_name = kci_str_of("kc"),
                                                .client_software_version = kci_str_of("1"),
                                                .node_id = -1 };
    assert_written(&kci_api_versions_request_schema, 0, &request, "");
    assert_written(&kci_api_versions_request_schema, 3, &request, "03 6b63 02 31 00");

    struct kci_api_versions_response__api_version key = { .api_key = 18, .min_version = 0, .max_version = 4 };
    struct kci_api_versions_response response;
    kci_codec_init(&kci_api_versions_response_schema, &response);
    response.api_keys = &key;
    response.api_keys_count = 1;
    const struct kci_schema *schema = &kci_api_versions_response_schema;
    assert_written(schema, 0, &response, "0000 00000001 0012 0000 0004");
    assert_written(schema, 1, &response, "0000 00000001 0012 0000 0004 00000000");
    assert_written(schema, 3, &response, "0000 02 0012 0000 0004 00 00000000 00");
    response.finalized_features_epoch = 5;
    assert_written(schema, 3, &response, "0000 02 0012 0000 0004 00 00000000 01 01 08 0000000000000005");

    struct kci_api_versions_response read;
    assert_read(schema, 3, "0000 02 0012 0000 0004 00 00000000 01 01 08 0000000000000005", &read);
    assert_int_equal(read.api_keys_count, 1);
    assert_int_equal(read.api_keys[0].max_version, 4);
    assert_int_equal(read.finalized_features_epoch, 5);
    assert_int_equal(read.zk_migration_ready, false);
}

static void test_find_an_api_by_key_and_by_name(void **unused)
{
    (void)unused;
    assert_string_equal(kci_api_find(KCI_API_OFFSET_FETCH)->name, "OffsetFetch");
    assert_ptr_equal(kci_api_find_name(kci_str_of("Produce")), kci_api_find(0));
    assert_int_equal(kci_api_find(KCI_API_FETCH)->flexible_from, 12);
    assert_int_equal(kci_api_find(KCI_API_SASL_HANDSHAKE)->flexible_from, INT16_MAX);
    assert_null(kci_api_find(4));
    assert_null(kci_api_find(-1));
    assert_null(kci_api_find(INT16_MAX));
    assert_null(kci_api_find_name(kci_str_of("produce")));
    assert_string_equal(kci_schema_name(&kci_fetch_request_schema), "FetchRequest");
    for (size_t i = 1; i < kci_api_count; i++)
        assert_true(kci_apis[i - 1].key < kci_apis[i].key);
}

static void test_init_gives_kafkas_defaults(void **unused)
{
    (void)unused;
    struct kci_fetch_request fetch;
    memset(&fetch, 0xA5, sizeof fetch);
    kci_codec_init(&kci_fetch_request_schema, &fetch);
    assert_int_equal(fetch.replica_id, -1);
    assert_int_equal(fetch.session_epoch, -1);
    assert_int_equal(fetch.max_bytes, INT32_MAX);
    assert_int_equal(fetch.replica_state.replica_epoch, -1);
    assert_null(fetch.cluster_id.data);
    assert_non_null(fetch.rack_id.data); /* never null: empty */
    assert_int_equal(fetch.topics_count, 0);
    struct kci_consumer_group_heartbeat_request heartbeat;
    kci_codec_init(&kci_consumer_group_heartbeat_request_schema, &heartbeat);
    assert_int_equal(heartbeat.topic_partitions_count, -1);
    struct kci_metadata_request metadata;
    kci_codec_init(&kci_metadata_request_schema, &metadata);
    assert_true(metadata.allow_auto_topic_creation);
}

static void test_fields_that_the_version_lacks(void **unused)
{
    (void)unused;
    const struct kci_schema *schema = &kci_offset_fetch_request_schema;
    struct kci_offset_fetch_request request;
    kci_codec_init(schema, &request);
    request.group_id = kci_str_of("g");
    assert_written(schema, 1, &request, "0001 67 00000000");
    request.require_stable = true; /* would be lost without a word */
    assert_not_written(schema, 1, &request);
    request.topics_count = -1;
    assert_written(schema, 7, &request, "02 67 00 01 00");

    /* ignorable: a broker of old simply does not know the reason */
    struct kci_join_group_request join;
    kci_codec_init(&kci_join_group_request_schema, &join);
    join.reason = kci_str_of("because");
    assert_written(&kci_join_group_request_schema, 0, &join, "0000 00000000 0000 0000 00000000");
}

static void test_null(void **unused)
{
    (void)unused;
    const struct kci_schema *schema = &kci_metadata_request_schema;
    struct kci_metadata_request request;
    kci_codec_init(schema, &request);
    request.topics_count = -1;
    assert_written(schema, 1, &request, "ffffffff");
    assert_not_written(schema, 0, &request); /* v0 has no null: an empty list would mean all topics instead */
    assert_read(schema, 1, "ffffffff", &request);
    assert_int_equal(request.topics_count, -1);
    assert_refused(schema, 0, "ffffffff", "topics");
    assert_refused(schema, 9, "02 00 00 01 00 00 00", "topics.name");
    assert_refused(&kci_find_coordinator_request_schema, 0, "ffff", "key");

    /* text that is never null may be left NULL by the program */
    struct kci_find_coordinator_request find = { 0 };
    assert_written(&kci_find_coordinator_request_schema, 0, &find, "0000");
}

static void test_nullable_struct(void **unused)
{
    (void)unused;
    const struct kci_schema *schema = &kci_consumer_group_heartbeat_response_schema;
    struct kci_consumer_group_heartbeat_response response;
    kci_codec_init(schema, &response);
    assert_written(schema, 0, &response, "00000000 0000 00 00 00000000 00000000 ff 00");
    struct kci_consumer_group_heartbeat_response__assignment assignment;
    kci_codec_init(&kci_consumer_group_heartbeat_response__assignment_schema, &assignment);
    response.assignment = &assignment;
    assert_written(schema, 0, &response, "00000000 0000 00 00 00000000 00000000 01 01 00 00");
    assert_read(schema, 0, "00000000 0000 00 00 00000000 00000000 01 01 00 00", &response);
    assert_non_null(response.assignment);
    assert_read(schema, 0, "00000000 0000 00 00 00000000 00000000 ff 00", &response);
    assert_null(response.assignment);
    assert_read(schema, 0, "00000000 0000 00 00 00000000 00000000 80 00", &response); /* any negative byte says null */
    assert_null(response.assignment);
}

/* Kafka reads a bool as "not zero". */
static void test_bool(void **unused)
{
    (void)unused;
    const struct kci_schema *schema = &kci_api_versions_response_schema;
    struct kci_api_versions_response response;
    assert_read(schema, 3, "0000 01 00000000 01 03 01 02", &response);
    assert_true(response.zk_migration_ready);
    assert_read(schema, 3, "0000 01 00000000 01 03 01 00", &response);
    assert_false(response.zk_migration_ready);
}

static void test_unknown_tags_survive(void **unused)
{
    (void)unused;
    const struct kci_schema *schema = &kci_api_versions_response_schema;
    const char *bytes = "0000 01 00000000"
                        "05"
                        "01 08 0000000000000005" /* finalized_features_epoch */
                        "03 01 01"               /* zk_migration_ready */
                        "04 00"
                        "06 02 abcd"
                        "8001 01 ee";
    struct kci_api_versions_response response;
    assert_read(schema, 3, bytes, &response);
    assert_int_equal(response.tags.count, 3);
    assert_true(response.zk_migration_ready);
    assert_written(schema, 3, &response, bytes);
    assert_not_written(schema, 0, &response); /* v0 has no place for them */

    /* between known ones they are gathered into one piece */
    struct kci_fetch_request fetch;
    const char *fetched = "00000000 00000000 00000000 00 00000000 ffffffff 01 01 01"
                          "04"
                          "00 02 0278"
                          "01 0d 00000007 0000000000000009 00"
                          "02 01 aa"
                          "05 00";
    assert_read(&kci_fetch_request_schema, 15, fetched, &fetch);
    assert_true(is(fetch.cluster_id, "x"));
    assert_int_equal(fetch.replica_state.replica_id, 7);
    assert_int_equal(fetch.tags.count, 2);
    assert_written(&kci_fetch_request_schema, 15, &fetch, fetched);

    /* a tag that only later versions know is unknown in this one */
    const char *early = "ffffffff 00000000 00000000 00000000 00 00000000 ffffffff 01 01 01"
                        "01 01 0d 00000007 0000000000000009 00";
    assert_read(&kci_fetch_request_schema, 12, early, &fetch);
    assert_int_equal(fetch.replica_state.replica_id, -1);
    assert_int_equal(fetch.tags.count, 1);
    assert_written(&kci_fetch_request_schema, 12, &fetch, early);
}

/* Kafka's tags are known without gaps so far; the codec does not count on that. */
static void test_unknown_tags_around_a_known_one(void **unused)
{
    (void)unused;
    struct late {
        int32_t number;
        struct kci_tags tags;
    };
    static const struct late initial = { 0 };
    static const struct kci_field fields[] = {
        { "number", "number", NULL, offsetof(struct late, number), 0, KCI_TYPE_INT32, 0, 0, 0, 0, -1, 0, 0, 3 },
    };
    static const uint16_t wire_min[] = { 1 };
    static const struct kci_schema schema = {
        "Late", "(tags)", &initial, fields, wire_min, sizeof(struct late), offsetof(struct late, tags), 1, 1, 0, 0, 0
    };
    struct late read;
    const char *bytes = "04 0101aa 0304 00000007 0402bbcc 0900";
    assert_read(&schema, 0, bytes, &read);
    assert_int_equal(read.number, 7);
    assert_int_equal(read.tags.count, 3);
    assert_written(&schema, 0, &read, bytes);
}

static void test_tags_that_are_refused(void **unused)
{
    (void)unused;
    const struct kci_schema *schema = &kci_heartbeat_request_schema;
    const char *tags = "(tags)";
    assert_refused(schema, 4, "01 00000000 01 00 02 0500 0500", tags);     /* twice */
    assert_refused(schema, 4, "01 00000000 01 00 02 0500 0400", tags);     /* falling */
    assert_refused(schema, 4, "01 00000000 01 00 01 05 04 000000", tags);  /* longer than the message */
    assert_refused(schema, 4, "01 00000000 01 00 ffffffff0f 0500", tags);  /* more than there are bytes */
    assert_refused(schema, 4, "01 00000000 01 00 01 ffffffff0f 00", tags); /* a tag beyond int32 */
    assert_refused(&kci_api_versions_response_schema, 3, "0000 01 00000000 01 03 02 0101", "zk_migration_ready");
    assert_refused(&kci_api_versions_response_schema, 3, "0000 01 00000000 01 01 04 00000005",
                   "finalized_features_epoch");

    /* more of them than brokers read, though all are there */
    size_t size = 0;
    uint8_t *many = malloc(20 + 5 * (KCI_CODEC_TAGS_MAX + 1));
    for (uint32_t extra = 0; extra < 2; extra++) {
        memcpy(many, "\x01\0\0\0\0\x01\0", 7);
        size = 7 + kci_put_uvarint(many + 7, KCI_CODEC_TAGS_MAX + extra);
        for (uint32_t tag = 0; tag < KCI_CODEC_TAGS_MAX + extra; tag++) {
            size += kci_put_uvarint(many + size, tag);
            many[size++] = 0;
        }
        struct kci_heartbeat_request heartbeat;
        struct kci_reader r = kci_reader_of(many, size);
        assert_int_equal(kci_codec_decode(schema, 4, &r, &arena, &heartbeat, NULL), extra == 0);
    }
    free(many);

    /* and the program cannot smuggle them in either */
    struct kci_heartbeat_request request = { .tags = { (const uint8_t *)"\x05\x00\x05\x00", 4, 2 } };
    assert_not_written(schema, 4, &request);
    request.tags.count = 1; /* two are there */
    assert_not_written(schema, 4, &request);
    struct kci_api_versions_response response;
    kci_codec_init(&kci_api_versions_response_schema, &response);
    response.zk_migration_ready = true;
    response.tags = (struct kci_tags){ (const uint8_t *)"\x03\x01\x01", 3, 1 }; /* known and set already */
    assert_not_written(&kci_api_versions_response_schema, 3, &response);
}

static void test_counts_are_held_against_what_is_there(void **unused)
{
    (void)unused;
    const struct kci_schema *schema = &kci_metadata_response_schema;
    assert_refused(schema, 0, "7fffffff 00000000", "brokers");
    assert_refused(schema, 0, "fffffffe 00000000", "brokers");
    assert_refused(schema, 9, "00000000 ffffffff0f 00", "brokers");
    assert_refused(schema, 9, "00000000 ffffffff1f 00", "brokers"); /* more than 32 bits */
    assert_refused(&kci_sasl_authenticate_request_schema, 0, "7fffffff 00", "auth_bytes");
    assert_refused(schema, 14, "", "(version)");
    assert_refused(schema, -1, "", "(version)");
    assert_refused(schema, 0, "00000003 00000001 0000 00000001 00000001 0000 00000001 0000",
                   "brokers");        /* 10 bytes each */
    assert_int_equal(state.count, 0); /* none of it cost an allocation */

    assert_refused(schema, 0, "00000001 00000001 7fff 6161 00000000 00000000", "brokers.host");
    assert_refused(schema, 0, "00000001 00000001 fffe 6161 00000000 00000000", "brokers.host");
    assert_refused(schema, 9, "00000000 02 00000001 818002 6161 00000000 00 00 00", "brokers.host"); /* 32,768 */
    static uint8_t text[INT16_MAX + 10];
    for (uint32_t extra = 0; extra < 2; extra++) { /* and with all of its bytes */
        struct kci_find_coordinator_request find;
        kci_put_uvarint(text, INT16_MAX + extra + 1);
        struct kci_reader r = kci_reader_of(text, 3 + INT16_MAX + extra + 2);
        assert_int_equal(kci_codec_decode(&kci_find_coordinator_request_schema, 3, &r, &arena, &find, NULL),
                         extra == 0);
    }

    kci_arena_reset(&arena);
    arena.limit = 64; /* three members cost more than that */
    assert_refused(&kci_consumer_protocol_assignment_schema, 0,
                   "00000003 0000 00000000 0000 00000000 0000 00000000 ffffffff", "(memory limit)");
}

static void test_lengths_that_cannot_be_written(void **unused)
{
    (void)unused;
    static const char text[INT16_MAX + 1];
    struct kci_find_coordinator_request find = { .key = { text, sizeof text } };
    assert_not_written(&kci_find_coordinator_request_schema, 0, &find);
    assert_not_written(&kci_find_coordinator_request_schema, 3, &find);
    find.key.size--;
    out.failed = false;
    assert_true(kci_codec_encode(&kci_find_coordinator_request_schema, 0, &find, &out));
    struct kci_metadata_request request = { .topics_count = -2 };
    assert_not_written(&kci_metadata_request_schema, 1, &request);
    request.topics_count = 1; /* and no topics */
    assert_not_written(&kci_metadata_request_schema, 1, &request);
    kci_codec_init(&kci_metadata_request_schema, &request);
    assert_not_written(&kci_metadata_request_schema, 99, &request); /* nor versions that nobody knows */
    assert_not_written(&kci_metadata_request_schema, -1, &request);
}

static void test_a_tagged_field_of_any_size(void **unused)
{
    (void)unused;
    char name[300];
    memset(name, 'x', sizeof name);
    const struct kci_schema *schema = &kci_fetch_request_schema;
    for (size_t size = 1; size <= sizeof name; size++) { /* its size prefix grows from one byte to two */
        struct kci_fetch_request request, read;
        kci_codec_init(schema, &request);
        request.cluster_id = (struct kci_str){ name, size };
        out.size = 0;
        assert_true(kci_codec_encode(schema, 12, &request, &out));
        struct kci_reader r = kci_reader_of(out.data, out.size);
        assert_true(kci_codec_decode(schema, 12, &r, &arena, &read, NULL));
        assert_true(kci_str_equal(read.cluster_id, request.cluster_id));
    }
}

static void test_json(void **unused)
{
    (void)unused;
    struct kci_sasl_authenticate_request login = { .auth_bytes = { (const uint8_t *)"\0user\0word", 10 } };
    assert_json(&kci_sasl_authenticate_request_schema, 0, &login, "{\"auth_bytes\":\"(secret)\"}");

    struct kci_produce_request__partition_produce_data data = { .index = 1, .records = { (const uint8_t *)"abc", 3 } };
    struct kci_produce_request__topic_produce_data topic = { .name = { "a\"\\\n\x01\xc3\xa4\xff", 8 },
                                                             .partition_data = &data,
                                                             .partition_data_count = 1 };
    struct kci_produce_request produce = {
        .acks = -1, .timeout_ms = 30000, .topic_data = &topic, .topic_data_count = 1
    };
    assert_json(
        &kci_produce_request_schema, 9, &produce,
        "{\"transactional_id\":null,\"acks\":-1,\"timeout_ms\":30000,\"topic_data\":[{\"name\":"
        "\"a\\\"\\\\\\u000a\\u0001\xc3\xa4\\ufffd\",\"partition_data\":[{\"index\":1,\"records\":{\"bytes\":3}}]}]}");

    struct kci_push_telemetry_request push = { .client_instance_id = { { 0xff, 0xee, 1 } },
                                               .metrics = { (const uint8_t *)"\x01\xab", 2 },
                                               .tags = { (const uint8_t *)"\x05\x00", 2, 1 } };
    assert_json(&kci_push_telemetry_request_schema, 0, &push,
                "{\"client_instance_id\":\"_-4BAAAAAAAAAAAAAAAAAA\",\"subscription_id\":0,\"terminating\":false,"
                "\"compression_type\":0,\"metrics\":\"01ab\",\"unknown_tags\":1}");
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_api_versions_by_hand),
        STORY(test_find_an_api_by_key_and_by_name),
        STORY(test_init_gives_kafkas_defaults),
        STORY(test_fields_that_the_version_lacks),
        STORY(test_null),
        STORY(test_nullable_struct),
        STORY(test_bool),
        STORY(test_unknown_tags_survive),
        STORY(test_unknown_tags_around_a_known_one),
        STORY(test_tags_that_are_refused),
        STORY(test_counts_are_held_against_what_is_there),
        STORY(test_lengths_that_cannot_be_written),
        STORY(test_a_tagged_field_of_any_size),
        STORY(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
