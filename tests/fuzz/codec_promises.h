/* What must hold for any bytes that claim to be a message: decoding stays within its memory; what was decoded can be
 * written, is then read completely, and is written the same again; and it can be shown as JSON.
 *
 * Input: api key i16 | version i16 | body.  Keys and versions that do not exist are folded onto some that do. */
#ifndef FUZZ_CODEC_PROMISES_H
#define FUZZ_CODEC_PROMISES_H

#include "fuzz/harness.h"
#include "protocol/messages.h"

#define FUZZ_ARENA_BYTES  ((size_t)1 << 20)
#define FUZZ_WRITER_BYTES ((size_t)64 << 20)

static inline const struct kci_api *fuzz_api(struct kci_reader *r, int16_t *version)
{
    int16_t key = kci_reader_i16(r);
    *version = kci_reader_i16(r);
    if (r->failed)
        return NULL;
    const struct kci_api *api = kci_api_find(key);
    if (!api)
        api = &kci_apis[(uint16_t)key % kci_api_count];
    if (*version < api->version_min || *version > api->version_max)
        *version = (int16_t)(api->version_min + (uint16_t)*version % (api->version_max - api->version_min + 1));
    return api;
}

static inline void codec_promises(const struct kci_schema *schema, int16_t version, struct kci_reader r)
{
    struct kci_arena arena = kci_arena_of(&fuzz_alloc, FUZZ_ARENA_BYTES), again_arena = arena;
    struct kci_writer first = kci_writer_of(&fuzz_alloc, FUZZ_WRITER_BYTES), second = first, json = first;
    void *message = malloc(kci_schema_size(schema)), *again = malloc(kci_schema_size(schema));
    const char *bad;
    must(message && again, "memory");
    bool ok = kci_codec_decode(schema, version, &r, &arena, message, &bad);
    must(ok == (bad == NULL), "a failure names its field");
    must(arena.used <= FUZZ_ARENA_BYTES, "decoding keeps to its memory");
    if (ok) {
        must(kci_codec_encode(schema, version, message, &first), "what was read can be written");
        struct kci_reader written = kci_reader_of(first.size ? first.data : (const uint8_t *)"", first.size);
        must(kci_codec_decode(schema, version, &written, &again_arena, again, &bad), "what was written can be read");
        must(kci_reader_left(&written) == 0, "to the last byte");
        must(kci_codec_encode(schema, version, again, &second), "and written once more");
        must(first.size == second.size && (!first.size || memcmp(first.data, second.data, first.size) == 0),
             "the same");
        must(kci_codec_json(schema, version, message, &json), "and shown");
    }
    free(message);
    free(again);
    kci_arena_destroy(&arena);
    kci_arena_destroy(&again_arena);
    kci_writer_destroy(&first);
    kci_writer_destroy(&second);
    kci_writer_destroy(&json);
}

#endif
