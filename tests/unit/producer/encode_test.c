/* The producer's own encoder writes what the protocol's writer of records does, in whatever chunks it writes. */
#include "support/unit.h"

#include "base/prng.h"
#include "producer/encode.h"
#include "protocol/records.h"

#include <stdlib.h>

enum { HEADERS = 5, CHUNK = 256, CHUNKS = 400 };

static struct kci_prng prng;
static uint8_t bytes[4096];

struct sample {
    kc_record record;
    kc_header headers[HEADERS];
    struct kci_record expected;
    struct kci_record_header expected_headers[HEADERS];
};

static kc_bytes random_bytes(size_t max)
{
    switch (kci_prng_below(&prng, 6)) {
    case 0:
        return (kc_bytes){ NULL, 0 };
    case 1:
        return (kc_bytes){ "", 0 };
    default:
        return (kc_bytes){ bytes + kci_prng_below(&prng, 64), kci_prng_below(&prng, max) };
    }
}

static void random_sample(struct sample *s, bool with_headers, size_t max)
{
    static const char *const names[] = { "", "a", "name", "a-longer-name-of-a-header" };
    *s = (struct sample){ .record = KC_RECORD_INIT };
    s->record.key = random_bytes(max);
    s->record.value = random_bytes(max);
    s->record.header_count = with_headers ? kci_prng_below(&prng, HEADERS + 1) : 0;
    s->record.headers = s->headers;
    s->expected = (struct kci_record){ .key = { s->record.key.data, s->record.key.size },
                                       .value = { s->record.value.data, s->record.value.size },
                                       .headers = s->expected_headers,
                                       .header_count = s->record.header_count };
    for (size_t i = 0; i < s->record.header_count; i++) {
        s->headers[i] = (kc_header){ names[kci_prng_below(&prng, 4)], random_bytes(50) };
        s->expected_headers[i] = (struct kci_record_header){ kci_str_of(s->headers[i].name),
                                                             { s->headers[i].value.data, s->headers[i].value.size } };
    }
}

static int64_t random_delta(void)
{
    int64_t delta = (int64_t)(kci_prng_next(&prng) >> (1 + kci_prng_below(&prng, 62)));
    return kci_prng_chance(&prng, 1, 3) ? -delta : delta;
}

static int setup(void **state)
{
    (void)state;
    kci_prng_seed(&prng, 42);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)kci_prng_next(&prng);
    return 0;
}

/* Records that fit: the fast way. */
static void test_fast(void **state)
{
    uint8_t expected[8192], actual[8192];
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct sample s;
        random_sample(&s, false, i % 7 ? 300 : 3000);
        int64_t delta = random_delta();
        int32_t index = (int32_t)(kci_prng_next(&prng) >> (33 + kci_prng_below(&prng, 30)));
        struct kci_writer w = kci_writer_fixed(expected, sizeof expected);
        s.expected.timestamp_ms = delta;
        kci_record_write(&w, &s.expected, 0, index);
        memset(actual, 0xEE, sizeof actual);
        assert_true(kci_encode_fits(&s.record, sizeof actual));
        uint8_t *end = kci_encode_fast(actual, &s.record, delta, index);
        assert_int_equal(end - actual, w.size);
        assert_memory_equal(actual, expected, w.size);
        assert_int_equal(kci_encode_size(&s.record, delta, index), w.size);
        assert_true(kci_encode_bound(&s.record) >= w.size);
        assert_int_equal(actual[w.size], 0xEE); /* not a byte too many */
    }
}

/* Any record, across chunks. */
static void test_across_chunks(void **state)
{
    struct kci_chunk *chunks[CHUNKS];
    uint8_t expected[16384], actual[16384];
    (void)state;
    for (size_t i = 0; i < CHUNKS; i++)
        chunks[i] = malloc(sizeof(struct kci_chunk) + CHUNK);
    for (int i = 0; i < 5000; i++) {
        struct sample s;
        random_sample(&s, true, 1000);
        int64_t delta = random_delta();
        struct kci_writer w = kci_writer_fixed(expected, sizeof expected);
        s.expected.timestamp_ms = delta;
        kci_record_write(&w, &s.expected, 0, i);
        for (size_t k = 0; k < CHUNKS; k++) {
            chunks[k]->next = k + 1 < CHUNKS ? chunks[k + 1] : NULL;
            chunks[k]->start = chunks[k]->end = 0;
        }
        size_t before = kci_prng_below(&prng, CHUNK + 1); /* bytes already in the first */
        struct kci_rope rope = { chunks[0], chunks[0]->data + before, chunks[0]->data + CHUNK, CHUNK };
        kci_encode_across(&rope, &s.record, delta, i);
        rope.chunk->end = (uint32_t)(rope.at - rope.chunk->data);
        size_t size = 0, from = before;
        for (struct kci_chunk *chunk = chunks[0];; chunk = chunk->next) {
            memcpy(actual + size, chunk->data + from, chunk->end - from);
            size += chunk->end - from;
            from = 0;
            if (chunk == rope.chunk)
                break;
        }
        assert_int_equal(size, w.size);
        assert_memory_equal(actual, expected, size);
        assert_int_equal(kci_encode_size(&s.record, delta, i), size);
        assert_true(kci_encode_bound(&s.record) >= size);
    }
    for (size_t i = 0; i < CHUNKS; i++)
        free(chunks[i]);
}

/* What must not go the fast way does not: no room, headers, impossible sizes, sizes without data. */
static void test_fits(void **state)
{
    kc_header header = { "n", { NULL, 0 } };
    kc_record r = KC_RECORD_INIT;
    (void)state;
    r.value = (kc_bytes){ "x", 10 };
    assert_true(kci_encode_fits(&r, 10 + KCI_ENCODE_SLACK));
    assert_false(kci_encode_fits(&r, 9 + KCI_ENCODE_SLACK));
    r.value.size = SIZE_MAX;
    assert_false(kci_encode_fits(&r, 1 << 20));
    r.key = (kc_bytes){ "x", SIZE_MAX - 20 }; /* the sum would wrap */
    r.value.size = 30;
    assert_false(kci_encode_fits(&r, 1 << 20));
    assert_int_equal(kci_encode_bound(&r), SIZE_MAX);
    r.key = (kc_bytes){ NULL, 3 };
    assert_false(kci_encode_fits(&r, 1 << 20));
    r.key = (kc_bytes){ NULL, 0 };
    r.headers = &header;
    r.header_count = 1;
    assert_false(kci_encode_fits(&r, 1 << 20));
}

/* Copies of every length up to beyond the inline ones. */
static void test_copy(void **state)
{
    uint8_t to[600];
    (void)state;
    for (size_t size = 0; size < 500; size++) {
        memset(to, 0, sizeof to);
        assert_ptr_equal(kci_encode_copy(to, bytes, size), to + size);
        assert_memory_equal(to, bytes, size);
        assert_int_equal(to[size], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_fast, setup),
        cmocka_unit_test_setup(test_across_chunks, setup),
        cmocka_unit_test_setup(test_fits, setup),
        cmocka_unit_test_setup(test_copy, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
