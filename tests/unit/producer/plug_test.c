/* Interceptors, serializers, partitioner: order, errors, and what a record looks like after each. */
#include "producer/plug.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#include <kclient/producer.h>
#include <stdio.h>

static char trace[200];
static size_t logged;

static void note(const char *what)
{
    snprintf(trace + strlen(trace), sizeof trace - strlen(trace), "%s ", what);
}
static void write_log(void *context, enum kci_log_level level, const char *facility, const char *text)
{
    (void)context, (void)level, (void)facility;
    assert_non_null(strstr(text, "refuses"));
    logged++;
}
static kc_err rename_topic(void *context, kc_record *record)
{
    note(context);
    record->topic = "other";
    return KC_OK;
}
static kc_err refuse(void *context, kc_record *record)
{
    note(context);
    record->topic = "spoiled";
    return KC_ERR_ARGUMENT;
}
static kc_err twice(void *context, const char *topic, kc_bytes object, kc_buffer *out)
{
    note(context);
    assert_string_equal(topic, "other");
    kc_buffer_append(out, object.data, object.size);
    return kc_buffer_append(out, object.data, object.size);
}
static kc_err never(void *context, const char *topic, kc_bytes object, kc_buffer *out)
{
    (void)context, (void)topic, (void)object, (void)out;
    return KC_ERR_ARGUMENT;
}
static int32_t by_size(void *context, const kc_record *record, int32_t count)
{
    (void)context;
    return (int32_t)record->value.size - count;
}

/* The chain runs in order; who fails is logged and leaves no trace; serializers see what interceptors left. */
static void test_order(void **state)
{
    kc_producer_interceptor chain[] = { { .name = "refuses", .context = "one", .on_send = refuse },
                                        { .name = "renames", .context = "two", .on_send = rename_topic } };
    struct kci_settings settings = { .max_request_size = 100,
                                     .producer_interceptors = chain,
                                     .producer_interceptor_count = 2,
                                     .key_serializer = { "k", "key", twice, NULL },
                                     .value_serializer = { "v", "value", twice, NULL },
                                     .partitioner = { "p", NULL, by_size, NULL } };
    struct kci_logger logger = { write_log, NULL, KCI_LOG_DEBUG };
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    kc_record record = KC_RECORD_INIT;
    kc_error error;
    (void)state;
    trace[0] = 0;
    record.topic = "t";
    record.value = (kc_bytes){ "abc", 3 };
    assert_true(kci_plug_needed(&settings));
    struct kci_plug plug = kci_plug_of(&settings, &alloc);
    kci_plug_intercept(&plug, &record, &logger);
    assert_string_equal(plug.record.topic, "other");
    assert_int_equal(logged, 1);
    assert_int_equal(kci_plug_serialize(&plug, &error), KC_OK);
    assert_string_equal(trace, "one two value "); /* a null key stays null */
    assert_null(plug.record.key.data);
    assert_int_equal(plug.record.value.size, 6);
    assert_memory_equal(plug.record.value.data, "abcabc", 6);
    assert_int_equal(kci_plug_partition(&plug, 4, &error), KC_OK);
    assert_int_equal(plug.record.partition, 2);
    plug.record.partition = KC_PARTITION_ANY;
    assert_int_equal(kci_plug_partition(&plug, 3, &error), KC_ERR_ARGUMENT); /* 6 - 3 is not below 3 */
    assert_string_equal(record.topic, "t");
    kci_plug_destroy(&plug);
    assert_int_equal(memory.live_blocks, 0);
}

/* A serializer that refuses, or writes more than a request holds, fails the record and says who. */
static void test_serializer_fails(void **state)
{
    struct kci_settings settings = { .max_request_size = 10, .value_serializer = { "picky", NULL, never, NULL } };
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    kc_record record = KC_RECORD_INIT;
    struct kci_logger logger = { 0 };
    kc_error error;
    (void)state;
    record.topic = "other";
    record.value = (kc_bytes){ "0123456789", 10 };
    struct kci_plug plug = kci_plug_of(&settings, &alloc);
    kci_plug_intercept(&plug, &record, &logger);
    assert_int_equal(kci_plug_serialize(&plug, &error), KC_ERR_SERIALIZATION);
    assert_non_null(strstr(error.text, "picky"));
    settings.value_serializer.serialize = twice;
    settings.value_serializer.context = "v";
    assert_int_equal(kci_plug_serialize(&plug, &error), KC_ERR_SERIALIZATION);
    kci_plug_destroy(&plug);
    assert_int_equal(memory.live_blocks, 0);
}

static kc_err stamp_twice(void *context, kc_record *record)
{
    (void)context;
    char name[8] = "first";
    assert_int_equal(kc_record_add_header(record, name, (kc_bytes){ "1", 1 }), KC_OK);
    name[0] = 'F'; /* it was copied */
    return kc_record_add_header(record, "empty", (kc_bytes){ "", 0 });
}
static kc_err stamp_and_fail(void *context, kc_record *record)
{
    (void)context;
    assert_int_equal(kc_record_add_header(record, "lost", (kc_bytes){ NULL, 0 }), KC_OK);
    return KC_ERR_ARGUMENT;
}

/* Headers that interceptors add come behind those of the record, and live until the send is over; those of an
 * interceptor that fails are gone, and the others are whole. */
static void test_headers(void **state)
{
    kc_producer_interceptor chain[] = { { .name = "a", .on_send = stamp_twice },
                                        { .name = "refuses", .on_send = stamp_and_fail },
                                        { .name = "b", .on_send = stamp_twice } };
    struct kci_settings own = { .max_request_size = 1000,
                                .producer_interceptors = chain,
                                .producer_interceptor_count = 3 };
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_logger logger = { 0 };
    kc_header given = { "given", { "0", 1 } };
    kc_record record = KC_RECORD_INIT, elsewhere = KC_RECORD_INIT;
    static const char *const names[] = { "given", "first", "empty", "first", "empty" };
    (void)state;
    record.headers = &given;
    record.header_count = 1;
    struct kci_plug plug = kci_plug_of(&own, &alloc);
    kci_plug_enter(&plug);
    assert_true(kci_plug_inside(&own));
    for (int again = 0; again < 2; again++) {
        kci_plug_intercept(&plug, &record, &logger);
        assert_int_equal(plug.record.header_count, 5);
        for (size_t i = 0; i < 5; i++)
            assert_string_equal(plug.record.headers[i].name, names[i]);
        assert_non_null(plug.record.headers[2].value.data); /* empty, not null */
    }
    assert_int_equal(record.header_count, 1);
    assert_int_equal(kc_record_add_header(&elsewhere, "x", (kc_bytes){ NULL, 0 }), KC_ERR_STATE);
    kci_plug_leave(&plug);
    assert_false(kci_plug_inside(&own));
    assert_int_equal(kc_record_add_header(&plug.record, "x", (kc_bytes){ NULL, 0 }), KC_ERR_STATE);
    kci_plug_destroy(&plug);
    assert_int_equal(memory.live_blocks, 0);
}

static void note_refusal(void *context, const kc_delivery *delivery)
{
    note(context);
    assert_int_equal(delivery->code, KC_ERR_SERIALIZATION);
    assert_int_equal(delivery->offset, -1);
    assert_string_equal(delivery->text, "why");
}
static kc_err accept(void *context, const kc_config *config)
{
    (void)config;
    note(context);
    return KC_OK;
}
static kc_err decline(void *context, const kc_config *config)
{
    (void)context, (void)config;
    return KC_ERR_ARGUMENT;
}

/* Whoever saw a record on send hears of it even if send refuses it; configure runs in order and may refuse the whole.
 */
static void test_refusal_and_configure(void **state)
{
    kc_producer_interceptor chain[] = {
        { .name = "a", .context = "a", .on_acknowledgement = note_refusal, .configure = accept },
        { .name = "b", .context = "b" },
        { .name = "c", .context = "c", .on_acknowledgement = note_refusal, .configure = decline },
    };
    struct kci_settings own = { .max_request_size = 100,
                                .producer_interceptors = chain,
                                .producer_interceptor_count = 3 };
    struct kci_plug plug = kci_plug_of(&own, NULL);
    kc_error error = { .code = KC_ERR_SERIALIZATION, .text = "why" };
    size_t configured = 99;
    (void)state;
    trace[0] = 0;
    kci_plug_refused(&plug, &error);
    assert_string_equal(trace, "a c ");
    trace[0] = 0;
    assert_int_equal(kci_plug_configure(&own, NULL, 0, &configured, &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "interceptor c refuses"));
    assert_int_equal(configured, 2);
    assert_string_equal(trace, "a ");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_order), cmocka_unit_test(test_serializer_fails),
                                        cmocka_unit_test(test_headers), cmocka_unit_test(test_refusal_and_configure) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
