/* Names, ranges, and how the generator complains. */
#include "model.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const struct type_row types[TYPE_COUNT] = {
    [TYPE_BOOL] = { "bool", "bool", "KCI_TYPE_BOOL", 1, 0 },
    [TYPE_INT8] = { "int8", "int8_t", "KCI_TYPE_INT8", 1, 0 },
    [TYPE_INT16] = { "int16", "int16_t", "KCI_TYPE_INT16", 2, 0 },
    [TYPE_INT32] = { "int32", "int32_t", "KCI_TYPE_INT32", 4, 0 },
    [TYPE_INT64] = { "int64", "int64_t", "KCI_TYPE_INT64", 8, 0 },
    [TYPE_UINT16] = { "uint16", "uint16_t", "KCI_TYPE_UINT16", 2, 0 },
    [TYPE_UINT32] = { "uint32", "uint32_t", "KCI_TYPE_UINT32", 4, 0 },
    [TYPE_FLOAT64] = { "float64", "double", "KCI_TYPE_FLOAT64", 8, 0 },
    [TYPE_UUID] = { "uuid", "struct kci_uuid", "KCI_TYPE_UUID", 16, 0 },
    [TYPE_STRING] = { "string", "struct kci_str", "KCI_TYPE_STRING", 0, 2 },
    [TYPE_BYTES] = { "bytes", "struct kci_bytes", "KCI_TYPE_BYTES", 0, 4 },
    [TYPE_RECORDS] = { "records", "struct kci_bytes", "KCI_TYPE_RECORDS", 0, 4 },
    [TYPE_STRUCT] = { NULL, NULL, "KCI_TYPE_STRUCT", 0, 0 },
};

/* Every block there is, newest first. */
static union block {
    union block *older;
    max_align_t aligned;
} * blocks;

static void free_blocks(void)
{
    while (blocks) {
        union block *older = blocks->older;
        free(blocks);
        blocks = older;
    }
}

void *take(size_t size)
{
    union block *block = calloc(1, sizeof *block + size);
    if (!block || (!blocks && atexit(free_blocks))) {
        fputs("schema_generator: out of memory\n", stderr);
        exit(1);
    }
    block->older = blocks;
    blocks = block;
    return block + 1;
}

void *grow(void *array, size_t count, size_t element_size)
{
    if (count & (count - 1)) /* capacity is the next power of two */
        return array;
    void *grown = take((count ? 2 * count : 1) * element_size);
    if (count)
        memcpy(grown, array, count * element_size);
    return grown;
}

char *text_of(const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = take((size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

/* A new word begins at a capital after a small letter or digit, and at the last capital of a run: "KRaftIDs" ->
 * k_raft_ids. */
char *snake_of(const char *camel, bool upper)
{
    char *snake = take(2 * strlen(camel) + 1), *at = snake;
    for (size_t i = 0; camel[i]; i++) {
        unsigned char c = (unsigned char)camel[i];
        bool after_small = i && !isupper((unsigned char)camel[i - 1]);
        bool before_small = i && islower((unsigned char)camel[i + 1]);
        if (isupper(c) && (after_small || before_small))
            *at++ = '_';
        *at++ = (char)(upper ? toupper(c) : tolower(c));
    }
    *at = 0;
    return snake;
}

void complain(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

bool range_empty(struct range r)
{
    return r.lo > r.hi;
}

bool range_has(struct range r, int version)
{
    return version >= r.lo && version <= r.hi;
}

bool range_within(struct range inner, struct range outer)
{
    return inner.lo >= outer.lo && inner.hi <= outer.hi;
}

bool is_pointer(const struct field *field)
{
    return field->type == TYPE_STRUCT && !field->array && !range_empty(field->nulls);
}
