/* make_corpus FOLDER: seeds for the harnesses, the same ones every time.
 *
 *   FOLDER/requests/<Api>_v<version>, FOLDER/responses/...   the oldest and the newest version of each, well filled
 *   FOLDER/frames/...                                        streams of small frames
 *   FOLDER/fetch/...                                         Fetch responses with batches
 *   FOLDER/records/...                                       batches of every format and codec, and compressed bytes */
#include "fuzz/harness.h"
#include "protocol/frame.h"
#include "protocol/messages.h"
#include "support/random_message.h"
#include "support/records.h"

#include <sys/stat.h>

#define SEED_BYTES_MAX ((size_t)1 << 16)

static void save(const char *folder, const char *kind, const char *name, const struct kci_writer *w)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, kind);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", folder, kind, name);
    FILE *out = fopen(path, "wb");
    must(out && !w->failed, path);
    fwrite(w->data, 1, w->size, out);
    must(fclose(out) == 0, path);
}

static void save_message(const char *folder, const char *kind, const struct kci_api *api,
                         const struct kci_schema *schema, int16_t version)
{
    struct kci_arena arena = kci_arena_of(&fuzz_alloc, 1 << 24);
    struct kci_writer w = kci_writer_of(&fuzz_alloc, SEED_BYTES_MAX);
    struct random_message random = { .arena = &arena, .version = version, .elements_max = 2 };
    void *message = kci_arena_take(&arena, kci_schema_size(schema));
    char name[100];
    kci_prng_seed(&random.prng, (uint64_t)api->key);
    random_struct(&random, schema, message);
    kci_writer_i16(&w, api->key);
    kci_writer_i16(&w, version);
    must(kci_codec_encode(schema, version, message, &w), "a seed can be written");
    snprintf(name, sizeof name, "%s_v%d", api->name, version);
    save(folder, kind, name, &w);
    kci_writer_destroy(&w);
    kci_arena_destroy(&arena);
}

/* The seed of the pieces, then the smallest request of each API with its header. */
static void save_frames(const char *folder, uint8_t pieces)
{
    struct kci_writer w = kci_writer_of(&fuzz_alloc, SEED_BYTES_MAX);
    char name[100];
    kci_writer_i8(&w, (int8_t)pieces);
    for (size_t i = pieces; i < kci_api_count; i += 8) {
        const struct kci_api *api = &kci_apis[i];
        struct kci_request_header header = { api->key, api->version_max, (int32_t)i, kci_str_of("kclient") };
        size_t start = w.size;
        kci_request_header_write(&w, api, &header);
        kci_writer_bytes(&w, "body", i % 5);
        kci_frame_finish(&w, start, 0);
    }
    snprintf(name, sizeof name, "requests_%d", pieces);
    save(folder, "frames", name, &w);
    kci_writer_destroy(&w);
}

/* A batch of magic 2 with keys, headers and nulls; mode 6 lets mutations change its size. */
static void save_batch(const char *folder, int codec)
{
    static const struct kci_record_header headers[] = { { { "trace", 5 }, { (const uint8_t *)"1234", 4 } },
                                                        { { "null", 4 }, { NULL, 0 } } };
    struct kci_record records[5] = { 0 };
    struct kci_batch_header header = test_batch_header();
    struct kci_writer w = kci_writer_of(&fuzz_alloc, SEED_BYTES_MAX);
    char name[100];
    for (int i = 0; i < 5; i++)
        records[i] = (struct kci_record){ 1700000000000 + i * i * 10, test_bytes(i % 2 ? "key" : NULL),
                                          test_bytes(i == 3 ? NULL : "a value, a value, and a value again"), headers,
                                          (size_t)i % 3 };
    header.attributes = (int16_t)codec;
    kci_writer_i8(&w, 6);
    must(kci_batch_write(&w, &header, records, 5, KCI_LEVEL_DEFAULT) == KCI_BATCH_OK, "a seed can be written");
    snprintf(name, sizeof name, "v2_%s", kci_codec_name(codec));
    save(folder, "records", name, &w);
    kci_writer_destroy(&w);
}

/* A set of two messages, as it is or in a wrapper; and the compressed bytes alone. */
static void save_legacy(const char *folder, int8_t magic, int codec)
{
    struct kci_writer set = kci_writer_of(&fuzz_alloc, SEED_BYTES_MAX), w = set, packed = set;
    struct kci_compressor *c = kci_compressor_new(&fuzz_alloc);
    char name[100];
    test_legacy_message(&set, 0, magic, 0, 1000, test_bytes("key"), test_bytes("some value, some value"));
    test_legacy_message(&set, 1, magic, 0, 1001, test_bytes(NULL), test_bytes("some value"));
    kci_writer_i8(&packed, (int8_t)codec);
    kci_compress(c, codec, KCI_LEVEL_DEFAULT, &(struct kci_iov){ set.data, set.size }, 1, &packed);
    kci_writer_i8(&w, codec == KCI_CODEC_NONE ? 5 : 6);
    if (codec == KCI_CODEC_NONE)
        kci_writer_bytes(&w, set.data, set.size);
    else
        test_legacy_message(&w, 1, magic, (int8_t)codec, 1001, test_bytes(NULL),
                            (struct kci_bytes){ packed.data + 1, packed.size - 1 });
    snprintf(name, sizeof name, "v%d_%s", magic, kci_codec_name(codec));
    save(folder, "records", name, &w);
    snprintf(name, sizeof name, "%s_only", kci_codec_name(codec));
    save(folder, "records", name, &packed);
    kci_compressor_destroy(c);
    kci_writer_destroy(&set);
    kci_writer_destroy(&packed);
    kci_writer_destroy(&w);
}

/* A Fetch response with two batches and aborted transactions; see fuzz_fetch.c for the two bytes in front. */
static void save_fetch(const char *folder, int16_t version, int codec)
{
    struct kci_record records[3] = { { 1700000000000, test_bytes("key"), test_bytes("a value, a value"), NULL, 0 },
                                     { 1700000000010, test_bytes(NULL), test_bytes(NULL), NULL, 0 },
                                     { 1700000000020, test_bytes("k"), test_bytes("again a value"), NULL, 0 } };
    struct kci_fetch_response__aborted_transaction aborted = { .producer_id = 7, .first_offset = 2 };
    struct kci_fetch_response__partition_data partition;
    struct kci_fetch_response__fetchable_topic_response topic = { .topic = kci_str_of("t") };
    struct kci_fetch_response response;
    struct kci_batch_header header = test_batch_header();
    struct kci_writer log = kci_writer_of(&fuzz_alloc, SEED_BYTES_MAX), w = kci_writer_of(&fuzz_alloc, SEED_BYTES_MAX);
    char name[100];
    header.attributes = (int16_t)codec;
    kci_batch_write(&log, &header, records, 3, KCI_LEVEL_DEFAULT);
    header.base_offset = 3;
    header.producer_id = 7;
    header.attributes |= KCI_BATCH_TRANSACTIONAL;
    kci_batch_write(&log, &header, records, 3, KCI_LEVEL_DEFAULT);
    kci_codec_init(&kci_fetch_response_schema, &response);
    kci_codec_init(&kci_fetch_response__partition_data_schema, &partition);
    partition.records = (struct kci_bytes){ log.data, log.size };
    partition.aborted_transactions = &aborted;
    partition.aborted_transactions_count = 1;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    topic.topic_id.b[0] = 1;
    response.responses = &topic;
    response.responses_count = 1;
    kci_writer_i8(&w, (int8_t)((version - 4) | 0x20));
    kci_writer_i8(&w, 1);
    must(kci_codec_encode(&kci_fetch_response_schema, version, &response, &w), "a seed can be written");
    snprintf(name, sizeof name, "v%d_%s", version, kci_codec_name(codec));
    save(folder, "fetch", name, &w);
    kci_writer_destroy(&log);
    kci_writer_destroy(&w);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fputs("usage: make_corpus FOLDER\n", stderr);
        return 2;
    }
    mkdir(arguments[1], 0777);
    for (size_t i = 0; i < kci_api_count; i++) {
        const struct kci_api *api = &kci_apis[i];
        save_message(arguments[1], "requests", api, api->request, api->version_min);
        save_message(arguments[1], "requests", api, api->request, api->version_max);
        save_message(arguments[1], "responses", api, api->response, api->version_min);
        save_message(arguments[1], "responses", api, api->response, api->version_max);
    }
    for (uint8_t pieces = 0; pieces < 8; pieces++)
        save_frames(arguments[1], pieces);
    for (int codec = KCI_CODEC_NONE; codec < KCI_CODEC_COUNT; codec++) {
        if (!kci_codec_built_in(codec))
            continue;
        save_batch(arguments[1], codec);
        for (int16_t version = 4; version <= 18; version += 7) /* names, flexible names, ids */
            save_fetch(arguments[1], version == 11 ? 12 : version, codec);
        save_legacy(arguments[1], 0, codec); /* zstd too, though it must be refused there */
        save_legacy(arguments[1], 1, codec);
    }
    return 0;
}
