/* A batch: its header equals that of the protocol's writer, compression keeps what is smaller, side arrays remember. */
#include "producer/batch.h"

#include "base/prng.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#include <stdio.h>

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct kci_pool pool;

static int setup(void **state)
{
    (void)state;
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    kci_pool_init(&pool, &alloc, NULL, 4 << 20);
    return 0;
}

static void end(void)
{
    assert_int_equal(kci_pool_used_bytes(&pool), 0);
    kci_pool_destroy(&pool);
    assert_int_equal(memory.live_blocks, 0);
}

/* A sealed batch of `count` records with values of `size` bytes. */
static struct kci_batch *make(int32_t count, const char *value, size_t size)
{
    struct kci_chunk *chunk;
    struct kci_rope rope;
    uint32_t data = kci_pool_chunk_data(&pool);
    kc_record record = KC_RECORD_INIT;
    record.value = (kc_bytes){ value, size };
    assert_int_equal(kci_pool_take(&pool, 1, KCI_POOL_FAIR, &chunk), KCI_POOL_OK);
    struct kci_batch *batch = kci_batch_begin(chunk, data, &rope.at, &rope.end);
    rope.chunk = chunk;
    rope.chunk_data = data;
    batch->bytes = KCI_BATCH_HEADER_BYTES;
    for (int32_t i = 0; i < count; i++) {
        size_t need = kci_encode_size(&record, i % 7, i), left = (size_t)(rope.end - rope.at);
        if (need > left) {
            uint32_t more = (uint32_t)((need - left + data - 1) / data);
            assert_int_equal(kci_pool_take(&pool, more, KCI_POOL_FAIR, &rope.chunk->next), KCI_POOL_OK);
            batch->chunk_count += more;
        }
        kci_encode_across(&rope, &record, i % 7, i);
        batch->bytes += (uint32_t)need;
    }
    rope.chunk->end = (uint32_t)(rope.at - rope.chunk->data);
    batch->last = rope.chunk;
    batch->count = count;
    batch->base_timestamp_ms = 1700000000000;
    batch->max_timestamp_ms = 1700000000000 + (count > 6 ? 6 : count - 1);
    kci_batch_move(batch, KCI_BATCH_SEALED);
    return batch;
}

static uint8_t *whole(const struct kci_batch *batch, size_t *size)
{
    static uint8_t bytes[4 << 20];
    struct kci_iov pieces[256];
    size_t count = kci_batch_pieces(batch, pieces);
    *size = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes + *size, pieces[i].data, pieces[i].size);
        *size += pieces[i].size;
    }
    return bytes;
}

/* The same batch by the protocol's writer: byte for byte. */
static void test_equals_the_protocol_writer(void **state)
{
    (void)state;
    for (int32_t count = 1; count < 3000; count = count * 3 + 1) {
        struct kci_batch *batch = make(count, "some value of a record", 22);
        batch->sequenced = true;
        batch->producer_id = 77;
        batch->producer_epoch = 3;
        batch->base_sequence = 1000;
        kci_batch_finish_header(batch);
        static struct kci_record records[3000];
        for (int32_t i = 0; i < count; i++)
            records[i] = (struct kci_record){ .timestamp_ms = 1700000000000 + i % 7,
                                              .value = { (const uint8_t *)"some value of a record", 22 } };
        struct kci_batch_header header = {
            .leader_epoch = -1, .magic = 2, .producer_id = 77, .producer_epoch = 3, .base_sequence = 1000
        };
        struct kci_writer w = kci_writer_of(&alloc, 4 << 20);
        assert_int_equal(kci_batch_write(&w, &header, records, (size_t)count, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
        size_t size;
        uint8_t *bytes = whole(batch, &size);
        assert_int_equal(size, w.size);
        assert_int_equal(size, batch->bytes);
        assert_memory_equal(bytes, w.data, size);
        kci_writer_destroy(&w);
        kci_batch_free(batch, &pool, &alloc);
    }
    end();
}

/* Compression gives chunks back and keeps the records; what does not shrink stays plain. */
static void test_compression(void **state)
{
    static char noise[30000];
    struct kci_compressor *compressor;
    (void)state;
    struct kci_prng prng;
    kci_prng_seed(&prng, 1);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)kci_prng_next(&prng);
    struct kci_writer scratch = kci_writer_of(&alloc, 1 << 20);
    compressor = kci_compressor_new(&alloc);
    for (int codec = KCI_CODEC_GZIP; codec < KCI_CODEC_COUNT; codec++) {
        if (!kci_codec_built_in(codec))
            continue;
        struct kci_batch *batch = make(5000, "some value of a record", 22);
        uint32_t before = batch->chunk_count;
        kci_batch_compress(batch, &pool, compressor, codec, KCI_LEVEL_DEFAULT, &scratch);
        assert_int_equal(batch->attributes, codec);
        assert_true(batch->chunk_count < before);
        assert_int_equal(kci_pool_used_bytes(&pool), batch->chunk_count * pool.chunk_bytes);
        kci_batch_finish_header(batch);
        size_t size;
        uint8_t *bytes = whole(batch, &size);
        struct kci_batch_iterator it;
        struct kci_record_view view;
        assert_int_equal(size, batch->bytes);
        assert_true(kci_batch_crc_ok(bytes, size));
        assert_int_equal(kci_batch_open(&it, bytes, size, &alloc, 4 << 20), KCI_BATCH_OK);
        int32_t n = 0;
        while (kci_batch_next(&it, &view) > 0) {
            assert_int_equal(view.timestamp_ms, 1700000000000 + n % 7);
            n++;
        }
        assert_int_equal(n, 5000);
        kci_batch_close(&it);
        kci_batch_free(batch, &pool, &alloc);

        batch = make(1, noise, sizeof noise);
        kci_batch_compress(batch, &pool, compressor, codec, KCI_LEVEL_DEFAULT, &scratch);
        assert_int_equal(batch->attributes, KCI_CODEC_NONE);
        assert_true(batch->bytes > sizeof noise);
        kci_batch_free(batch, &pool, &alloc);
    }
    kci_compressor_destroy(compressor);
    kci_writer_destroy(&scratch);
    end();
}

/* Timestamps are read back from the records, across chunks. */
static void test_walk(void **state)
{
    static char value[5000];
    (void)state;
    struct kci_batch *batch = make(40, value, sizeof value);
    struct kci_batch_walk walk = kci_batch_walk_begin(batch);
    assert_true(batch->chunk_count > 10);
    for (int32_t i = 0; i < 40; i++)
        assert_int_equal(kci_batch_walk_timestamp(&walk), i % 7);
    kci_batch_free(batch, &pool, &alloc);
    end();
}

/* A side array begins where the first entry does, and spans chunks. */
static void test_side(void **state)
{
    struct kci_side side = { 0 };
    (void)state;
    for (int32_t i = 100; i < 20000; i++) {
        assert_int_equal(kci_side_reserve(&side, &pool, KCI_POOL_FAIR), KCI_POOL_OK);
        kci_side_add(&side, i, (uint64_t)i * 3);
    }
    struct kci_side_reader reader = kci_side_read(&side);
    for (int32_t i = 0; i < 20010; i++)
        assert_int_equal(kci_side_next(&reader, i, 7), i < 100 || i >= 20000 ? 7 : (uint64_t)i * 3);
    for (struct kci_chunk *chunk = side.first, *next; chunk; chunk = next) {
        next = chunk->next;
        kci_pool_give(&pool, chunk, chunk, 1);
    }
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_equals_the_protocol_writer, setup),
        cmocka_unit_test_setup(test_compression, setup),
        cmocka_unit_test_setup(test_walk, setup),
        cmocka_unit_test_setup(test_side, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
