/* What must hold for every message in every version, whatever is in it: writing and reading are each other's inverse, a
 * message that is cut short is noticed, damage never crashes or costs more memory than was allowed, and when memory
 * runs out, that is an error and nothing leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/messages.h"
#include "support/random_message.h"
#include "support/test_alloc.h"

#define MESSAGE_BYTES_MAX ((size_t)1 << 22)
#define ROUNDS            4 /* random contents per message and version */

typedef void check_fn(const struct kci_schema *schema, int16_t version, uint64_t seed);

static void for_each_message_of(const struct kci_schema *schema, check_fn *check)
{
    for (int16_t version = schema->version_min; version <= schema->version_max; version++)
        for (uint64_t round = 0; round < ROUNDS; round++)
            check(schema, version, round * 1000 + (uint64_t)version);
}

static void for_each_message(check_fn *check)
{
    for (size_t i = 0; i < kci_api_count; i++) {
        for_each_message_of(kci_apis[i].request, check);
        for_each_message_of(kci_apis[i].response, check);
    }
    for_each_message_of(&kci_consumer_protocol_subscription_schema, check);
    for_each_message_of(&kci_consumer_protocol_assignment_schema, check);
}

static void fill(struct kci_arena *arena, const struct kci_schema *schema, int16_t version, uint64_t seed,
                 void *message)
{
    struct random_message random = { .arena = arena, .version = version, .elements_max = 3 };
    kci_prng_seed(&random.prng, seed);
    random_struct(&random, schema, message);
}

/* A written message in memory of the caller's; the size is returned. */
static size_t written(const struct kci_schema *schema, int16_t version, uint64_t seed, struct kci_writer *w)
{
    struct kci_arena arena = kci_arena_of(w->alloc, MESSAGE_BYTES_MAX);
    void *message = kci_arena_take(&arena, kci_schema_size(schema));
    fill(&arena, schema, version, seed, message);
    assert_true(kci_codec_encode(schema, version, message, w));
    kci_arena_destroy(&arena);
    return w->size;
}

static bool read_again(const struct kci_schema *schema, int16_t version, const void *data, size_t size,
                       struct kci_arena *arena, void *message, size_t *left)
{
    struct kci_reader r = kci_reader_of(data, size);
    const char *bad = NULL;
    bool ok = kci_codec_decode(schema, version, &r, arena, message, &bad);
    assert_int_equal(ok, bad == NULL);
    *left = kci_reader_left(&r);
    return ok;
}

static void check_round_trip(const struct kci_schema *schema, int16_t version, uint64_t seed)
{
    struct test_alloc state = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&state);
    struct kci_arena arena = kci_arena_of(&alloc, MESSAGE_BYTES_MAX);
    struct kci_writer first = kci_writer_of(&alloc, MESSAGE_BYTES_MAX), second = first, json[2] = { first, first };
    size_t left;

    void *message = kci_arena_take(&arena, kci_schema_size(schema));
    void *again = kci_arena_take(&arena, kci_schema_size(schema));
    fill(&arena, schema, version, seed, message);
    assert_true(kci_codec_encode(schema, version, message, &first));
    assert_true(read_again(schema, version, first.data, first.size, &arena, again, &left));
    assert_int_equal(left, 0);
    assert_true(kci_codec_encode(schema, version, again, &second));
    assert_int_equal(second.size, first.size);
    if (first.size)
        assert_memory_equal(second.data, first.data, first.size);

    /* and what was read means the same */
    assert_true(kci_codec_json(schema, version, message, &json[0]));
    assert_true(kci_codec_json(schema, version, again, &json[1]));
    assert_int_equal(json[0].size, json[1].size);
    assert_memory_equal(json[0].data, json[1].data, json[0].size);

    for (int i = 0; i < 2; i++)
        kci_writer_destroy(&json[i]);
    kci_writer_destroy(&first);
    kci_writer_destroy(&second);
    kci_arena_destroy(&arena);
    assert_int_equal(state.live_blocks, 0);
}

static void check_cut_short(const struct kci_schema *schema, int16_t version, uint64_t seed)
{
    struct test_alloc state = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&state);
    struct kci_arena arena = kci_arena_of(&alloc, MESSAGE_BYTES_MAX);
    struct kci_writer w = kci_writer_of(&alloc, MESSAGE_BYTES_MAX);
    size_t size = written(schema, version, seed, &w), left;
    size_t step = size > 2000 ? size / 1000 : 1;
    void *message = malloc(kci_schema_size(schema));
    for (size_t cut = 0; cut < size; cut += step) {
        uint8_t *exact = malloc(cut ? cut : 1); /* so that a sanitizer sees one byte too many */
        memcpy(exact, w.data, cut);
        assert_false(read_again(schema, version, exact, cut, &arena, message, &left));
        kci_arena_reset(&arena);
        free(exact);
    }
    free(message);
    kci_writer_destroy(&w);
    kci_arena_destroy(&arena);
    assert_int_equal(state.live_blocks, 0);
}

static void check_damaged(const struct kci_schema *schema, int16_t version, uint64_t seed)
{
    struct test_alloc state = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&state);
    struct kci_writer w = kci_writer_of(&alloc, MESSAGE_BYTES_MAX), again = w;
    struct kci_prng prng;
    kci_prng_seed(&prng, seed);
    size_t size = written(schema, version, seed, &w), left;
    void *message = malloc(kci_schema_size(schema));
    for (int i = 0; size && i < 20; i++) {
        struct kci_arena arena = kci_arena_of(&alloc, 64 << 10);
        size_t at = kci_prng_below(&prng, size);
        uint8_t old = w.data[at];
        w.data[at] = (uint8_t)(kci_prng_chance(&prng, 1, 2) ? 0xff : kci_prng_next(&prng));
        bool ok = read_again(schema, version, w.data, size, &arena, message, &left);
        if (ok) /* whatever it is now, it is a message: it can be written */
            assert_true(kci_codec_encode(schema, version, message, &again));
        assert_true(arena.used <= arena.limit);
        w.data[at] = old;
        again.size = 0;
        kci_arena_destroy(&arena);
    }
    free(message);
    kci_writer_destroy(&w);
    kci_writer_destroy(&again);
    assert_int_equal(state.live_blocks, 0);
}

static void check_out_of_memory(const struct kci_schema *schema, int16_t version, uint64_t seed)
{
    struct test_alloc plain = { 0 }, state = { 0 };
    struct kci_alloc good = test_alloc_counting(&plain), alloc = test_alloc_counting(&state);
    struct kci_writer w = kci_writer_of(&good, MESSAGE_BYTES_MAX);
    size_t size = written(schema, version, seed, &w), left;
    void *message = malloc(kci_schema_size(schema));
    if (seed >= 1000)
        goto done; /* one round says it all */
    TEST_ALLOC_EACH_FAILURE(&state)
    {
        struct kci_arena arena = kci_arena_of(&alloc, MESSAGE_BYTES_MAX);
        struct kci_writer again = kci_writer_of(&alloc, MESSAGE_BYTES_MAX);
        bool ok = read_again(schema, version, w.data, size, &arena, message, &left) &&
                  kci_codec_encode(schema, version, message, &again);
        assert_int_equal(ok, state.count < state.fail_at);
        kci_writer_destroy(&again);
        kci_arena_destroy(&arena);
    }
done:
    free(message);
    kci_writer_destroy(&w);
}

static void test_what_is_written_is_read_and_written_again(void **unused)
{
    (void)unused;
    for_each_message(check_round_trip);
}

static void test_a_message_cut_at_any_byte_is_refused(void **unused)
{
    (void)unused;
    for_each_message(check_cut_short);
}

static void test_damage_costs_an_error_and_nothing_else(void **unused)
{
    (void)unused;
    for_each_message(check_damaged);
}

static void test_every_allocation_may_fail(void **unused)
{
    (void)unused;
    for_each_message(check_out_of_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read_and_written_again),
        cmocka_unit_test(test_a_message_cut_at_any_byte_is_refused),
        cmocka_unit_test(test_damage_costs_an_error_and_nothing_else),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
