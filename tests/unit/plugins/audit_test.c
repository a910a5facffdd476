/* One line per record: what was sent, what became of it; the application's opaque pointer comes back untouched. */
#include "plugins/audit.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#include <string.h>

static char last[KCI_AUDIT_LINE_BYTES];
static size_t lines, closed;
static int64_t now_us;

static int64_t clock_us(void)
{
    return now_us;
}
static void take_line(void *context, const char *line, size_t size)
{
    assert_string_equal(context, "sink");
    assert_int_equal(strlen(line), size);
    strcpy(last, line);
    lines++;
}
static void close_sink(void *context)
{
    (void)context;
    closed++;
}

static kc_producer_interceptor start(struct test_alloc *memory, struct kci_alloc *alloc, const char *client)
{
    kc_producer_interceptor audit;
    *alloc = test_alloc_counting(memory);
    struct kci_audit_options options = { .alloc = alloc,
                                         .clock = clock_us,
                                         .client_id = client,
                                         .write = take_line,
                                         .close = close_sink,
                                         .context = "sink" };
    lines = closed = 0;
    assert_int_equal(kci_audit_make(&options, &audit), KC_OK);
    return audit;
}

static void a_line_says_who_what_when_and_the_outcome(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc;
    kc_producer_interceptor audit = start(&memory, &alloc, "pay \"roll\"\n");
    kc_record record = KC_RECORD_INIT;
    int mine;
    (void)state;
    record.topic = "orders";
    record.key = (kc_bytes){ "abc", 3 };
    record.value = (kc_bytes){ "0123456789", 10 };
    record.opaque = &mine;
    now_us = 1000;
    assert_int_equal(audit.on_send(audit.context, &record), KC_OK);
    kc_delivery delivery = { .opaque = record.opaque, .topic = "orders", .partition = 3, .offset = 42 };
    now_us = 2500;
    audit.on_acknowledgement(audit.context, &delivery);
    assert_string_equal(last,
                        "{\"client\":\"pay \\\"roll\\\"\\u000a\",\"topic\":\"orders\",\"partition\":3,\"offset\":42,"
                        "\"result\":\"OK\",\"key_hash\":\"1c94221b\",\"value_bytes\":10,\"sent_us\":1000,"
                        "\"answered_us\":2500}");
    assert_ptr_equal(delivery.opaque, &mine);
    audit.close(audit.context);
    assert_int_equal(closed, 1);
    assert_int_equal(memory.live_blocks, 0);
}

/* A failed record says how; one that was not seen on send (an opaque pointer of somebody else) says less. */
static void failures_and_strangers(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc;
    kc_producer_interceptor audit = start(&memory, &alloc, "c");
    int stranger;
    kc_delivery delivery = { .opaque = &stranger,
                             .topic = "t",
                             .partition = -1,
                             .offset = -1,
                             .code = KC_ERR_TIMED_OUT,
                             .traits = KC_MAYBE_APPLIED };
    (void)state;
    now_us = 7;
    audit.on_acknowledgement(audit.context, &delivery);
    assert_string_equal(last,
                        "{\"client\":\"c\",\"topic\":\"t\",\"partition\":-1,\"offset\":-1,\"result\":\"TIMED_OUT\","
                        "\"maybe_applied\":true,\"answered_us\":7}");
    assert_ptr_equal(delivery.opaque, &stranger);
    audit.close(audit.context);
    assert_int_equal(memory.live_blocks, 0);
}

/* Beyond the limit records pass without a slot; slots that come back are used again. */
static void no_more_slots(void **state)
{
    static void *opaques[KCI_AUDIT_PENDING_MAX];
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc;
    kc_producer_interceptor audit = start(&memory, &alloc, "c");
    int mine;
    (void)state;
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i <= KCI_AUDIT_PENDING_MAX; i++) {
            kc_record record = KC_RECORD_INIT;
            record.opaque = &mine;
            assert_int_equal(audit.on_send(audit.context, &record), KC_OK);
            if (i < KCI_AUDIT_PENDING_MAX)
                opaques[i] = record.opaque;
            else
                assert_ptr_equal(record.opaque, &mine);
        }
        for (size_t i = 0; i < KCI_AUDIT_PENDING_MAX; i++) {
            kc_delivery delivery = { .opaque = opaques[i], .topic = "t" };
            audit.on_acknowledgement(audit.context, &delivery);
            assert_ptr_equal(delivery.opaque, &mine);
        }
    }
    assert_int_equal(lines, 2 * KCI_AUDIT_PENDING_MAX);
    audit.close(audit.context);
    assert_int_equal(memory.live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_line_says_who_what_when_and_the_outcome),
                                        cmocka_unit_test(failures_and_strangers), cmocka_unit_test(no_more_slots) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
