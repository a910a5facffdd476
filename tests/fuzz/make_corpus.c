/* make_corpus FOLDER: seeds for the harnesses, the same ones every time.
 *
 *   FOLDER/requests/<Api>_v<version>, FOLDER/responses/...   the oldest and the newest version of each, well filled
 *   FOLDER/frames/...                                        streams of small frames */
#include "fuzz/harness.h"
#include "protocol/frame.h"
#include "protocol/messages.h"
#include "support/random_message.h"

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
    return 0;
}
