/* Frames come out of a byte stream whole, however the stream was cut; bad sizes are noticed before memory is taken for
 * them; headers are those of Kafka's versions 1 and 2 (requests), 0 and 1 (responses). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"
#include "protocol/codec_table.h"
#include "protocol/frame.h"
#include "protocol/messages.h"
#include "support/test_alloc.h"

#define STREAM_BYTES ((size_t)600 << 10)
#define FRAMES_MAX   4000

/* A stream of frames with sizes of all kinds; frame i has bytes of value i. */
struct stream {
    uint8_t bytes[STREAM_BYTES];
    size_t size;
    uint32_t sizes[FRAMES_MAX];
    size_t count;
};

static void make_stream(struct stream *s, struct kci_prng *prng)
{
    static const uint32_t scales[] = { 1, 10, 100, 5000, 16 << 10, 70 << 10, 200 << 10 };
    s->size = s->count = 0;
    for (;;) {
        uint32_t size = (uint32_t)kci_prng_below(prng, scales[kci_prng_below(prng, 7)] + 1);
        if (s->count == FRAMES_MAX || s->size + 4 + size > STREAM_BYTES)
            return;
        kci_put32(s->bytes + s->size, size);
        memset(s->bytes + s->size + 4, (int)(s->count & 0xff), size);
        s->size += 4 + size;
        s->sizes[s->count++] = size;
    }
}

static void check_frame(const struct stream *s, size_t index, struct kci_frame *frame)
{
    assert_true(index < s->count);
    assert_int_equal(frame->size, s->sizes[index]);
    for (uint32_t i = 0; i < frame->size; i++)
        if (frame->data[i] != (uint8_t)index)
            fail_msg("frame %zu, byte %u", index, i);
    kci_frame_release(frame);
}

/* Receive the stream in pieces of up to piece_max bytes; returns the number of frames that came out. */
static size_t receive(const struct stream *s, struct kci_splitter *splitter, struct kci_prng *prng, size_t piece_max)
{
    size_t fed = 0, frames = 0;
    while (fed < s->size) {
        size_t room, size = 1 + kci_prng_below(prng, piece_max);
        void *space = kci_splitter_space(splitter, &room);
        assert_non_null(space);
        assert_true(room > 0);
        size = size < room ? size : room;
        size = size < s->size - fed ? size : s->size - fed;
        memcpy(space, s->bytes + fed, size);
        kci_splitter_received(splitter, size);
        fed += size;
        struct kci_frame *frame;
        int more;
        while ((more = kci_splitter_next(splitter, &frame)) == 1)
            check_frame(s, frames++, frame);
        assert_int_equal(more, 0);
    }
    return frames;
}

static void test_a_stream_cut_anywhere_gives_the_same_frames(void **unused)
{
    (void)unused;
    static const size_t pieces[] = { 1, 3, 50, 4096, 65536, 1 << 20 };
    struct stream *s = malloc(sizeof *s);
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct test_alloc state = { 0 };
        struct kci_alloc alloc = test_alloc_counting(&state);
        struct kci_splitter splitter = kci_splitter_of(&alloc, KCI_FRAME_BYTES_MAX);
        struct kci_prng prng;
        kci_prng_seed(&prng, seed);
        make_stream(s, &prng);
        assert_int_equal(receive(s, &splitter, &prng, pieces[seed % 6]), s->count);
        kci_splitter_destroy(&splitter);
        assert_int_equal(state.live_blocks, 0);
    }
    free(s);
}

static void feed(struct kci_splitter *s, const void *bytes, size_t size)
{
    size_t room;
    void *space = kci_splitter_space(s, &room);
    assert_non_null(space);
    assert_true(room >= size);
    memcpy(space, bytes, size);
    kci_splitter_received(s, size);
}

static void test_sizes_that_are_no_sizes(void **unused)
{
    (void)unused;
    struct test_alloc state = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&state);
    struct kci_frame *frame = NULL;

    struct kci_splitter s = kci_splitter_of(&alloc, 1000);
    feed(&s, "\xff\xff\xff\xfe", 4);
    assert_int_equal(kci_splitter_next(&s, &frame), -1);
    assert_int_equal(s.bad_size, -2);
    assert_int_equal(kci_splitter_next(&s, &frame), -1); /* and so it stays */
    kci_splitter_destroy(&s);

    s = kci_splitter_of(&alloc, 1000);
    feed(&s, "\0\0\x03\xe9", 4); /* 1,001 */
    assert_int_equal(kci_splitter_next(&s, &frame), -1);
    assert_int_equal(s.bad_size, 1001);
    kci_splitter_destroy(&s);

    /* a frame of just the limit is one */
    static const uint8_t largest[4 + 1000] = { 0, 0, 0x03, 0xe8 };
    s = kci_splitter_of(&alloc, 1000);
    feed(&s, largest, sizeof largest);
    assert_int_equal(kci_splitter_next(&s, &frame), 1);
    assert_int_equal(frame->size, 1000);
    kci_frame_release(frame);
    frame = NULL;
    kci_splitter_destroy(&s);

    /* someone speaks HTTP: the first bytes say so, and nothing was allocated for a frame of 1,347,375,956 bytes */
    s = kci_splitter_of(&alloc, KCI_FRAME_BYTES_MAX);
    uint8_t first[5] = { 0 };
    feed(&s, "POST / HTTP/1.1\r\n", 17);
    assert_int_equal(kci_splitter_next(&s, &frame), -1);
    assert_int_equal(kci_splitter_peek(&s, first, 4), 4);
    assert_string_equal((const char *)first, "POST");
    assert_true(state.largest <= 64 << 10);
    kci_splitter_destroy(&s);
    assert_null(frame);
    assert_int_equal(state.live_blocks, 0);
}

/* Who hangs up in the middle of a frame can be told how far it was. */
static void test_how_much_of_a_frame_came(void **unused)
{
    (void)unused;
    static const uint8_t zeros[40000];
    struct test_alloc state = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&state);
    struct kci_frame *frame = NULL;
    size_t there, total;
    struct kci_splitter s = kci_splitter_of(&alloc, KCI_FRAME_BYTES_MAX);
    assert_false(kci_splitter_partial(&s, &there, &total));
    feed(&s, "\0\0", 2);
    assert_int_equal(kci_splitter_next(&s, &frame), 0);
    assert_true(kci_splitter_partial(&s, &there, &total));
    assert_int_equal(there, 2);
    assert_int_equal(total, 4);
    feed(&s,
         "\0\x0a"
         "abc",
         5);
    assert_int_equal(kci_splitter_next(&s, &frame), 0);
    assert_true(kci_splitter_partial(&s, &there, &total));
    assert_int_equal(there, 7);
    assert_int_equal(total, 14);
    feed(&s, "defghij", 7);
    assert_int_equal(kci_splitter_next(&s, &frame), 1);
    kci_frame_release(frame);
    assert_false(kci_splitter_partial(&s, &there, &total));
    feed(&s, "\0\0\x9c\x40", 4); /* 40,000: in a block of its own */
    feed(&s, zeros, 100);
    assert_int_equal(kci_splitter_next(&s, &frame), 0);
    assert_true(kci_splitter_partial(&s, &there, &total));
    assert_int_equal(there, 104);
    assert_int_equal(total, 40004);
    kci_splitter_destroy(&s);
    assert_int_equal(state.live_blocks, 0);
}

static void test_a_frame_of_nothing(void **unused)
{
    (void)unused;
    struct test_alloc state = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&state);
    struct kci_splitter s = kci_splitter_of(&alloc, 1000);
    struct kci_frame *frame;
    assert_int_equal(kci_splitter_next(&s, &frame), 0);
    feed(&s, "\0\0\0\0\0\0\0", 7);
    assert_int_equal(kci_splitter_next(&s, &frame), 1);
    assert_int_equal(frame->size, 0);
    assert_int_equal(kci_splitter_next(&s, &(struct kci_frame *){ NULL }), 0);
    kci_frame_release(frame);
    kci_frame_release(NULL);
    kci_splitter_destroy(&s);
    kci_splitter_destroy(NULL);
    assert_int_equal(state.live_blocks, 0);
}

/* Whichever allocation fails, the splitter says so, stays whole, and gives the frame when it is asked again. */
static void test_out_of_memory(void **unused)
{
    (void)unused;
    struct test_alloc state = { 0 };
    static uint8_t bytes[4 + 40000];
    kci_put32(bytes, 40000);
    TEST_ALLOC_EACH_FAILURE(&state)
    {
        struct kci_alloc alloc = test_alloc_counting(&state);
        struct kci_splitter s = kci_splitter_of(&alloc, KCI_FRAME_BYTES_MAX);
        struct kci_frame *frame = NULL;
        size_t fed = 0, room;
        while (!frame) {
            void *space = kci_splitter_space(&s, &room);
            if (!space)
                continue; /* the next allocation succeeds */
            size_t size = sizeof bytes - fed < room ? sizeof bytes - fed : room;
            size = size < 30000 ? size : 30000;
            memcpy(space, bytes + fed, size);
            kci_splitter_received(&s, size);
            fed += size;
            if (kci_splitter_next(&s, &frame) == -1) {
                assert_int_equal(s.bad_size, 0);
                kci_splitter_next(&s, &frame);
            }
        }
        assert_int_equal(frame->size, 40000);
        kci_frame_release(frame);
        kci_splitter_destroy(&s);
    }
}

static void test_a_frame_lives_until_its_last_reference(void **unused)
{
    (void)unused;
    struct test_alloc state = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&state);
    struct kci_frame *frame = kci_frame_new(&alloc, 10);
    assert_ptr_equal(kci_frame_ref(frame), frame);
    kci_frame_release(frame);
    assert_int_equal(state.live_blocks, 1);
    kci_frame_release(frame);
    assert_int_equal(state.live_blocks, 0);
}

static void check_written(struct kci_writer *w, const char *bytes, size_t size)
{
    assert_false(w->failed);
    assert_int_equal(w->size, size);
    assert_memory_equal(w->data, bytes, size);
    w->size = 0;
}

static void test_request_headers(void **unused)
{
    (void)unused;
    uint8_t buffer[100];
    struct kci_writer w = kci_writer_fixed(buffer, sizeof buffer);
    const struct kci_api *api = kci_api_find(KCI_API_API_VERSIONS);
    struct kci_request_header header = { 18, 2, 0x01020304, kci_str_of("ab") }, read;

    kci_request_header_write(&w, api, &header);
    kci_frame_finish(&w, 0, 0);
    check_written(&w,
                  "\0\0\0\x0c\0\x12\0\x02\x01\x02\x03\x04\0\x02"
                  "ab",
                  16);
    header.version = 3; /* flexible: tags follow, and the client id is as it ever was */
    kci_request_header_write(&w, api, &header);
    kci_frame_finish(&w, 0, 1000);
    check_written(&w,
                  "\0\0\x03\xf5\0\x12\0\x03\x01\x02\x03\x04\0\x02"
                  "ab\0",
                  17);
    struct kci_reader r = kci_reader_of(buffer + 4, 13);
    assert_true(kci_request_header_read(&r, &read));
    assert_int_equal(kci_reader_left(&r), 0);
    assert_int_equal(read.api_key, 18);
    assert_int_equal(read.version, 3);
    assert_int_equal(read.correlation, 0x01020304);
    assert_true(kci_str_equal(read.client_id, header.client_id));

    header = (struct kci_request_header){ 17, 1, 7, { NULL, 0 } }; /* SaslHandshake was never flexible */
    kci_request_header_write(&w, kci_api_find(17), &header);
    check_written(&w, "\0\0\0\0\0\x11\0\x01\0\0\0\x07\xff\xff", 14);
    r = kci_reader_of("\0\x11\0\x01\0\0\0\x07\xff\xff", 10);
    assert_true(kci_request_header_read(&r, &read));
    assert_null(read.client_id.data);

    /* an API that we do not know has the header of old; unknown tags are skipped where tags are */
    r = kci_reader_of("\x7f\0\0\x63\0\0\0\x07\0\0\x05", 11);
    assert_true(kci_request_header_read(&r, &read));
    assert_int_equal(kci_reader_left(&r), 1);
    r = kci_reader_of("\0\x12\0\x03\0\0\0\x07\0\0\x02\x05\x01z\x07\0body", 20);
    assert_true(kci_request_header_read(&r, &read));
    assert_int_equal(kci_reader_left(&r), 4);
}

static void test_request_headers_that_are_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        { "", 0 },
        { "\0\x12\0\x03\0\0\0\x07\0\0", 10 },       /* no tags */
        { "\0\x12\0\x03\0\0\0\x07\xff\xfe\0", 11 }, /* client id of -2 bytes */
        { "\0\x12\0\x03\0\0\0\x07\0\x09"
          "ab\0",
          13 },                                                   /* longer than the frame */
        { "\0\x12\0\x03\0\0\0\x07\0\0\xff\xff\xff\xff\x0f", 15 }, /* that many tags */
        { "\0\x12\0\x03\0\0\0\x07\0\0\x02\x05\0\x05\0", 15 },     /* the same tag twice */
        { "\0\x12\0\x03\0\0\0\x07\0\0\x01\x05\x7f\0", 14 },       /* a tag longer than the frame */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct kci_reader r = kci_reader_of(bad[i].bytes, bad[i].size);
        struct kci_request_header header;
        assert_false(kci_request_header_read(&r, &header));
    }
}

/* A header may carry tags, but not more of them than a message. */
static void test_request_headers_with_many_tags(void **unused)
{
    (void)unused;
    uint8_t *bytes = malloc(20 + 5 * (KCI_CODEC_TAGS_MAX + 1));
    for (uint32_t extra = 0; extra < 2; extra++) {
        memcpy(bytes, "\0\x12\0\x03\0\0\0\x07\0\0", 10);
        size_t size = 10 + kci_put_uvarint(bytes + 10, KCI_CODEC_TAGS_MAX + extra);
        for (uint32_t tag = 0; tag < KCI_CODEC_TAGS_MAX + extra; tag++) {
            size += kci_put_uvarint(bytes + size, tag);
            bytes[size++] = 0;
        }
        struct kci_reader r = kci_reader_of(bytes, size);
        struct kci_request_header header;
        assert_int_equal(kci_request_header_read(&r, &header), extra == 0);
    }
    free(bytes);
}

static void test_response_headers(void **unused)
{
    (void)unused;
    uint8_t buffer[100];
    struct kci_writer w = kci_writer_fixed(buffer, sizeof buffer);
    int32_t correlation;

    kci_response_header_write(&w, kci_api_find(KCI_API_METADATA), 9, 5);
    check_written(&w, "\0\0\0\0\0\0\0\x05\0", 9);
    kci_response_header_write(&w, kci_api_find(KCI_API_METADATA), 8, 5);
    check_written(&w, "\0\0\0\0\0\0\0\x05", 8);
    kci_response_header_write(&w, kci_api_find(KCI_API_API_VERSIONS), 4, 5); /* KIP-511: never tags */
    check_written(&w, "\0\0\0\0\0\0\0\x05", 8);
    kci_response_header_write(&w, NULL, 4, 5);
    check_written(&w, "\0\0\0\0\0\0\0\x05", 8);

    struct kci_reader r = kci_reader_of("\0\0\0\x05\x01\x09\x02zzbody", 13);
    assert_true(kci_response_header_read(&r, kci_api_find(KCI_API_METADATA), 9, &correlation));
    assert_int_equal(correlation, 5);
    assert_int_equal(kci_reader_left(&r), 4);
    r = kci_reader_of("\0\0\0\x05", 4);
    assert_false(kci_response_header_read(&r, kci_api_find(KCI_API_METADATA), 9, &correlation));
    r = kci_reader_of("\0\0\0\x05", 4);
    assert_true(kci_response_header_read(&r, kci_api_find(KCI_API_API_VERSIONS), 4, &correlation));
}

static void test_what_does_not_fit_is_a_failure(void **unused)
{
    (void)unused;
    static const char text[INT16_MAX + 1];
    uint8_t buffer[12];
    struct kci_writer w = kci_writer_fixed(buffer, sizeof buffer);
    struct kci_request_header header = { 18, 3, 1, kci_str_of("somebody") };
    kci_request_header_write(&w, kci_api_find(18), &header);
    assert_true(w.failed);
    kci_frame_finish(&w, 0, 0);

    struct test_alloc state = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&state);
    w = kci_writer_of(&alloc, 1 << 20);
    header.client_id = (struct kci_str){ text, sizeof text };
    kci_request_header_write(&w, kci_api_find(18), &header);
    assert_true(w.failed);
    kci_writer_destroy(&w);
    w = kci_writer_of(&alloc, 1 << 20);
    kci_response_header_write(&w, kci_api_find(18), 0, 1);
    kci_frame_finish(&w, 0, INT32_MAX); /* the header is in the size as well */
    assert_true(w.failed);
    kci_writer_destroy(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stream_cut_anywhere_gives_the_same_frames),
        cmocka_unit_test(test_sizes_that_are_no_sizes),
        cmocka_unit_test(test_how_much_of_a_frame_came),
        cmocka_unit_test(test_a_frame_of_nothing),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_a_frame_lives_until_its_last_reference),
        cmocka_unit_test(test_request_headers),
        cmocka_unit_test(test_request_headers_that_are_refused),
        cmocka_unit_test(test_request_headers_with_many_tags),
        cmocka_unit_test(test_response_headers),
        cmocka_unit_test(test_what_does_not_fit_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
