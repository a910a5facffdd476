/* Every message in every version, as Apache Kafka's own code writes it: we read it to the last byte and write the same
 * bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/messages.h"
#include "support/test_alloc.h"

#define LINE_BYTES_MAX 8192

struct vector {
    const struct kci_schema *schema;
    int16_t key, version;
    bool request;
    uint8_t bytes[LINE_BYTES_MAX / 2];
    size_t size;
};

static FILE *open_vectors(void)
{
    char path[4096];
    const char *source = getenv("KCLIENT_SOURCE");
    snprintf(path, sizeof path, "%s/tests/wire/vectors.txt", source ? source : ".");
    FILE *in = fopen(path, "r");
    if (!in)
        fail_msg("%s cannot be opened", path);
    return in;
}

/* One line: key, "request" or "response", version, hex. false: a comment. */
static bool parse(const char *line, struct vector *v)
{
    char kind[10];
    int key, version, at = 0;
    if (line[0] == '#')
        return false;
    assert_int_equal(sscanf(line, "%d %9s %d %n", &key, kind, &version, &at), 3);
    v->key = (int16_t)key;
    v->version = (int16_t)version;
    v->request = !strcmp(kind, "request");
    const struct kci_api *api = kci_api_find(v->key);
    assert_non_null(api);
    v->schema = v->request ? api->request : api->response;
    v->size = 0;
    for (unsigned byte; sscanf(line + at, "%2x", &byte) == 1; at += 2)
        v->bytes[v->size++] = (uint8_t)byte;
    return true;
}

static void check(const struct vector *v)
{
    struct test_alloc state = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&state);
    struct kci_arena arena = kci_arena_of(&alloc, 1 << 20);
    struct kci_writer w = kci_writer_of(&alloc, 1 << 20);
    struct kci_reader r = kci_reader_of(v->bytes, v->size);
    const char *bad = NULL, *name = kci_schema_name(v->schema);
    void *message = malloc(kci_schema_size(v->schema));
    if (!kci_codec_decode(v->schema, v->version, &r, &arena, message, &bad))
        fail_msg("%s v%d: %s is refused", name, v->version, bad);
    if (kci_reader_left(&r))
        fail_msg("%s v%d: %zu bytes are left", name, v->version, kci_reader_left(&r));
    if (!kci_codec_encode(v->schema, v->version, message, &w))
        fail_msg("%s v%d: cannot be written", name, v->version);
    if (w.size != v->size || (w.size && memcmp(w.data, v->bytes, w.size) != 0))
        fail_msg("%s v%d: other bytes are written", name, v->version);
    free(message);
    kci_writer_destroy(&w);
    kci_arena_destroy(&arena);
    assert_int_equal(state.live_blocks, 0);
}

static void test_kafkas_bytes_are_read_and_written_again(void **unused)
{
    (void)unused;
    static struct vector v;
    static char line[LINE_BYTES_MAX];
    FILE *in = open_vectors();
    while (fgets(line, sizeof line, in))
        if (parse(line, &v))
            check(&v);
    fclose(in);
}

static void test_no_message_or_version_is_without_a_vector(void **unused)
{
    (void)unused;
    static struct vector v;
    static char line[LINE_BYTES_MAX];
    size_t expected = 0, found = 0;
    for (size_t i = 0; i < kci_api_count; i++)
        expected += 2 * (size_t)(kci_apis[i].version_max - kci_apis[i].version_min + 1);
    FILE *in = open_vectors();
    while (fgets(line, sizeof line, in))
        found += parse(line, &v);
    fclose(in);
    assert_int_equal(found, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kafkas_bytes_are_read_and_written_again),
        cmocka_unit_test(test_no_message_or_version_is_without_a_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
