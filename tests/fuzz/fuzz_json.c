/* JSON as it comes to mockbroker over HTTP, from a file or through the C API: whatever the text, the reader stays
 * within it, and what it accepts means the same when it is read again, in pieces or as it is written back. */
#include "fuzz/harness.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/fault.h"
#include "support/test_alloc.h"

#define TEXT_BYTES_MAX  ((size_t)8 << 10)
#define ARENA_BYTES_MAX ((size_t)4 << 20)

/* The tree of a text that our own side made; it must be accepted. */
static const struct mb_json *again(struct kci_arena *arena, struct kci_str text)
{
    char why[200];
    const struct mb_json *tree = mb_json_parse(arena, text, why, sizeof why);
    must(tree != NULL, "what was accepted is accepted again");
    return tree;
}

static bool same(const struct mb_json *a, const struct mb_json *b)
{
    return mb_json_includes(a, b) && mb_json_includes(b, a);
}

/* What is no UTF-8 is written as U+FFFD, so that it does not come back. */
static bool replaced;
static void put_string(struct kci_writer *w, struct kci_str text)
{
    size_t before = w->size;
    mb_json_put_string(w, text);
    for (size_t i = before; i + 6 <= w->size; i++)
        replaced |= memcmp(w->data + i, "\\ufffd", 6) == 0;
}

static void write_back(struct kci_writer *w, const struct mb_json *value)
{
    const char *const brackets = value->kind == MB_JSON_ARRAY ? "[]" : "{}";
    char open[2] = { brackets[0], 0 }, close[2] = { brackets[1], 0 };
    switch (value->kind) {
    case MB_JSON_STRING:
        put_string(w, value->text);
        return;
    case MB_JSON_ARRAY:
    case MB_JSON_OBJECT:
        mb_json_put(w, open);
        for (const struct mb_json *at = value->members; at; at = at->next) {
            if (at != value->members)
                mb_json_put(w, ",");
            if (value->kind == MB_JSON_OBJECT) {
                put_string(w, at->key);
                mb_json_put(w, ":");
            }
            write_back(w, at);
        }
        mb_json_put(w, close);
        return;
    default:
        if (value->kind == MB_JSON_NUMBER && value->whole)
            mb_json_put_integer(w, value->integer);
        else
            kci_writer_bytes(w, value->raw.data, value->raw.size);
    }
}

/* Counts are true, sources lie in the text in their order, depth is bounded. */
static void visit(const struct mb_json *value, const char *begin, const char *end, int depth)
{
    size_t count = 0;
    const char *at = value->raw.data;
    must(depth <= MB_JSON_DEPTH_MAX, "the depth is bounded");
    must(value->raw.data >= begin && value->raw.data + value->raw.size <= end,
         "the source of a value lies in the text");
    for (const struct mb_json *m = value->members; m; m = m->next, count++) {
        must(m->raw.data >= at, "members come in their order");
        visit(m, at, value->raw.data + value->raw.size, depth + 1);
        at = m->raw.data + m->raw.size;
    }
    must(count == value->count, "the count is that of the members");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    char why[200] = "";
    if (size > TEXT_BYTES_MAX)
        return 0;
    struct kci_arena arena = kci_arena_of(&alloc, ARENA_BYTES_MAX);
    struct kci_writer w = kci_writer_of(&alloc, 16 * TEXT_BYTES_MAX);
    struct kci_str text = { (const char *)data, size };
    const struct mb_json *tree = mb_json_parse(&arena, text, why, sizeof why);
    must(tree || why[0], "a refusal has a reason");
    if (tree) {
        struct mb_cluster cluster = { .broker_count = 3 };
        struct mb_faults faults = { .cluster = &cluster };
        struct mb_fault fault = { .faults = &faults };
        visit(tree, text.data, text.data + text.size, 0);
        must(same(tree, again(&arena, tree->raw)), "the source of a value is the value");
        replaced = false;
        write_back(&w, tree);
        must(!w.failed, "what is written is bounded by what was read");
        const struct mb_json *back = again(&arena, (struct kci_str){ (const char *)w.data, w.size });
        must(replaced || same(tree, back), "written back, it is the same");
        mb_fault_parse(&fault, tree, why, sizeof why);
    }
    kci_writer_destroy(&w);
    w = kci_writer_of(&alloc, 16 * TEXT_BYTES_MAX); /* any bytes can be put into a string; it is read but for NUL */
    mb_json_put_string(&w, text);
    if (!memchr(data, 0, size))
        must(again(&arena, (struct kci_str){ (const char *)w.data, w.size })->kind == MB_JSON_STRING,
             "a string is a string");
    kci_writer_destroy(&w);
    kci_arena_destroy(&arena);
    must(memory.live_blocks == 0, "nothing is left");
    return 0;
}
