/* The headers of a record that is sent on: what is written is what is read back, and the record's own ones stay. */
#include "runtime/runtime.h"
#include "worker/onward.h"

#include "support/test_alloc.h"
#include "support/unit.h"

static uint8_t encoded[2000];

/* A view of a record with these headers, encoded as in a batch: zigzag varint sizes, name, value. */
static kc_record_view view_of(const kc_header *headers, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const void *parts[2] = { headers[i].name, headers[i].value.data };
        size_t sizes[2] = { strlen(headers[i].name), headers[i].value.size };
        for (int j = 0; j < 2; j++) {
            size_t number = sizes[j] << 1;
            for (; number >= 128; number >>= 7)
                encoded[at++] = (uint8_t)(number | 128);
            encoded[at++] = (uint8_t)number;
            memcpy(encoded + at, parts[j], sizes[j]);
            at += sizes[j];
        }
    }
    return (kc_record_view){ .topic = "orders.retry",
                             .partition = 3,
                             .offset = 42,
                             .timestamp_ms = 1700000000000,
                             .key = { "k", 1 },
                             .value = { "v", 1 },
                             .header_count = (uint32_t)count,
                             .headers = encoded,
                             .headers_size = at };
}

static const kc_header *find(const kc_record *record, const char *name)
{
    const kc_header *found = NULL;
    for (size_t i = 0; i < record->header_count; i++)
        if (strcmp(record->headers[i].name, name) == 0) {
            assert_null(found); /* once */
            found = &record->headers[i];
        }
    return found;
}

static void assert_header(const kc_record *record, const char *name, const char *value)
{
    const kc_header *header = find(record, name);
    assert_non_null(header);
    assert_int_equal(header->value.size, strlen(value));
    assert_memory_equal(header->value.data, value, strlen(value));
}

/* A new record goes on with its place, and what it had itself; when it comes back its past is known. */
static void there_and_back(void **state)
{
    struct kci_past past;
    struct kci_onward onward = { .alloc = kci_heap_alloc() };
    kc_record record;
    kc_header own[] = { { "trace", { "abc", 3 } }, { "trace-2", { "", 0 } } };
    kc_record_view view = view_of(own, 2);
    (void)state;
    kci_past_read(&past, &view);
    assert_int_equal(past.attempts, 0);
    assert_string_equal(past.topic, "orders.retry");
    past.attempts = 1;
    past.retry_at_ms = 1700000060000;
    assert_true(kci_onward_build(&onward, &record, "orders.retry.1m", &view, &past, "no such customer", "billing"));
    assert_string_equal(record.topic, "orders.retry.1m");
    assert_int_equal(record.partition, KC_PARTITION_ANY);
    assert_int_equal(record.key.size, 1);
    assert_int_equal(record.header_count, 10);
    assert_header(&record, "trace", "abc");
    assert_header(&record, "trace-2", "");
    assert_header(&record, KC_HEADER_TOPIC, "orders.retry");
    assert_header(&record, KC_HEADER_PARTITION, "3");
    assert_header(&record, KC_HEADER_OFFSET, "42");
    assert_header(&record, KC_HEADER_TIMESTAMP, "1700000000000");
    assert_header(&record, KC_HEADER_ATTEMPTS, "1");
    assert_header(&record, KC_HEADER_CAUSE, "no such customer");
    assert_header(&record, KC_HEADER_GROUP, "billing");
    assert_header(&record, KC_HEADER_RETRY_AT, "1700000060000");

    /* the second time: the first place stays, the rest is new, nothing is there twice */
    kc_header copy[10];
    memcpy(copy, record.headers, sizeof copy);
    view = view_of(copy, 10);
    view.topic = "orders.retry.1m";
    view.offset = 7;
    kci_past_read(&past, &view);
    assert_string_equal(past.topic, "orders.retry");
    assert_int_equal(past.partition, 3);
    assert_int_equal(past.offset, 42);
    assert_int_equal(past.timestamp_ms, 1700000000000);
    assert_int_equal(past.attempts, 1);
    assert_int_equal(past.retry_at_ms, 1700000060000);
    assert_int_equal(kci_past_retry_at(&view), 1700000060000);
    past.attempts = 2;
    past.retry_at_ms = 0;
    struct kci_onward second = { .alloc = kci_heap_alloc() };
    assert_true(kci_onward_build(&second, &record, "orders.dead", &view, &past, "still none", "billing"));
    assert_int_equal(record.header_count, 9);
    assert_header(&record, "trace", "abc");
    assert_header(&record, KC_HEADER_TOPIC, "orders.retry");
    assert_header(&record, KC_HEADER_OFFSET, "42");
    assert_header(&record, KC_HEADER_ATTEMPTS, "2");
    assert_header(&record, KC_HEADER_CAUSE, "still none");
    assert_null(find(&record, KC_HEADER_RETRY_AT));
    kci_onward_free(&onward);
    kci_onward_free(&second);
}

/* Headers that nobody of us wrote count as not there. */
static void nonsense_is_ignored(void **state)
{
    struct kci_past past;
    kc_header bad[] = { { KC_HEADER_TOPIC, { "", 0 } },
                        { KC_HEADER_PARTITION, { "-1", 2 } },
                        { KC_HEADER_OFFSET, { "12x", 3 } },
                        { KC_HEADER_TIMESTAMP, { "", 0 } },
                        { KC_HEADER_ATTEMPTS, { "99999999999999999999999999", 26 } },
                        { KC_HEADER_RETRY_AT, { "9223372036854775808", 19 } } };
    kc_record_view view = view_of(bad, sizeof bad / sizeof bad[0]);
    (void)state;
    kci_past_read(&past, &view);
    assert_string_equal(past.topic, "orders.retry");
    assert_int_equal(past.partition, 3);
    assert_int_equal(past.offset, 42);
    assert_int_equal(past.timestamp_ms, 1700000000000);
    assert_int_equal(past.attempts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(nonsense_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
