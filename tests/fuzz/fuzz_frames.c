/* A byte stream in pieces of any size gives the frames that it gives in one piece; and headers may be anything.
 *
 * Input: seed of the pieces u8 | stream.  Frames may be up to 64 KiB, so that small inputs reach every branch. */
#include "base/prng.h"
#include "fuzz/harness.h"
#include "protocol/frame.h"

#define FRAME_BYTES_MAX ((uint32_t)64 << 10)

/* The plain truth about the stream: the frame at `at`, as kci_splitter_next would say it. */
static int expected_next(const uint8_t *stream, size_t size, size_t at, uint32_t *frame_size)
{
    if (size - at < 4)
        return 0;
    *frame_size = kci_be32(stream + at);
    if (*frame_size > FRAME_BYTES_MAX)
        return -1;
    return size - at - 4 >= *frame_size;
}

static void read_headers(const struct kci_frame *frame)
{
    struct kci_reader r = kci_reader_of(frame->data, frame->size);
    struct kci_request_header header;
    int32_t correlation;
    bool ok = kci_request_header_read(&r, &header);
    must(ok == !r.failed && header.client_id.size <= frame->size, "a header lies within its frame");
    for (size_t i = 0; i < kci_api_count; i++) {
        r = kci_reader_of(frame->data, frame->size);
        ok = kci_response_header_read(&r, &kci_apis[i], kci_apis[i].version_max, &correlation);
        must(ok == !r.failed, "a failure is sticky");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kci_splitter s = kci_splitter_of(&fuzz_alloc, FRAME_BYTES_MAX);
    struct kci_prng prng;
    if (size < 1)
        return 0;
    kci_prng_seed(&prng, data[0]);
    size_t piece_max = (size_t)1 << kci_prng_below(&prng, 17), fed = 0, at = 0;
    const uint8_t *stream = data + 1;
    size--;
    int more = 0;
    while (fed < size && more != -1) {
        size_t room, piece = 1 + kci_prng_below(&prng, piece_max);
        void *space = kci_splitter_space(&s, &room);
        must(space && room > 0, "there is always room for more");
        piece = piece < room ? piece : room;
        piece = piece < size - fed ? piece : size - fed;
        memcpy(space, stream + fed, piece);
        kci_splitter_received(&s, piece);
        fed += piece;
        struct kci_frame *frame;
        uint32_t expected_size = 0;
        do {
            int expected = expected_next(stream, fed, at, &expected_size);
            more = kci_splitter_next(&s, &frame);
            must(more == expected, "frames come when they are complete");
            if (more == 1) {
                must(frame->size == expected_size, "with their size");
                must(!frame->size || memcmp(frame->data, stream + at + 4, frame->size) == 0, "and their bytes");
                read_headers(frame);
                kci_frame_release(frame);
                at += 4 + expected_size;
            }
        } while (more == 1);
    }
    kci_splitter_destroy(&s);
    return 0;
}
