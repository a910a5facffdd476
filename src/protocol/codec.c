/* What both directions of the codec share: the table of APIs, defaults, sizes.  Everything is looked up in the
 * generated tables (codec_table.h); nothing here knows any particular message.
 *
 *   codec_decode.c   bytes -> struct        codec_encode.c   struct -> bytes        codec_json.c   struct -> text */
#include "protocol/codec_table.h"

const struct kci_api *kci_api_find(int16_t key)
{
    size_t low = 0, high = kci_api_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kci_apis[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < kci_api_count && kci_apis[low].key == key ? &kci_apis[low] : NULL;
}

const struct kci_api *kci_api_find_name(struct kci_str name)
{
    for (size_t i = 0; i < kci_api_count; i++)
        if (kci_str_equal(kci_str_of(kci_apis[i].name), name))
            return &kci_apis[i];
    return NULL;
}

size_t kci_schema_size(const struct kci_schema *schema)
{
    return schema->size;
}

const char *kci_schema_name(const struct kci_schema *schema)
{
    return schema->name;
}

void kci_codec_init(const struct kci_schema *schema, void *message)
{
    memcpy(message, schema->initial, schema->size);
}

/* Sizes by type: in memory, and fewest bytes on the wire in old and in flexible versions. */
static const struct {
    uint8_t memory, wire, wire_flexible;
} sizes[] = {
    [KCI_TYPE_BOOL] = { sizeof(bool), 1, 1 },
    [KCI_TYPE_INT8] = { 1, 1, 1 },
    [KCI_TYPE_INT16] = { 2, 2, 2 },
    [KCI_TYPE_INT32] = { 4, 4, 4 },
    [KCI_TYPE_INT64] = { 8, 8, 8 },
    [KCI_TYPE_UINT16] = { 2, 2, 2 },
    [KCI_TYPE_UINT32] = { 4, 4, 4 },
    [KCI_TYPE_FLOAT64] = { 8, 8, 8 },
    [KCI_TYPE_UUID] = { 16, 16, 16 },
    [KCI_TYPE_STRING] = { sizeof(struct kci_str), 2, 1 },
    [KCI_TYPE_BYTES] = { sizeof(struct kci_bytes), 4, 1 },
    [KCI_TYPE_RECORDS] = { sizeof(struct kci_bytes), 4, 1 },
};

size_t kci_field_size(const struct kci_field *f)
{
    return f->type == KCI_TYPE_STRUCT ? f->structure->size : sizes[f->type].memory;
}

size_t kci_field_wire_min(const struct kci_field *f, int16_t version, bool flexible)
{
    if (f->type == KCI_TYPE_STRUCT)
        return f->structure->wire_min[version - f->structure->version_min];
    return flexible ? sizes[f->type].wire_flexible : sizes[f->type].wire;
}

/* Text and bytes: a field that is never null says "empty" also with NULL, because that is how it is written. */
static bool view_is_default(const struct kci_field *f, const void *now_data, size_t now_size, const void *initial_data,
                            size_t initial_size)
{
    if (f->null_min <= f->null_max && (now_data == NULL) != (initial_data == NULL))
        return false;
    return now_size == initial_size && (now_size == 0 || memcmp(now_data, initial_data, now_size) == 0);
}

static bool structure_is_default(const struct kci_schema *schema, const void *structure)
{
    const struct kci_tags *tags = (const void *)((const char *)structure + schema->tags_offset);
    for (size_t i = 0; i < schema->field_count; i++)
        if (!kci_field_is_default(&schema->fields[i], schema, structure))
            return false;
    return tags->count == 0;
}

bool kci_field_is_default(const struct kci_field *f, const struct kci_schema *schema, const void *structure)
{
    const void *now = (const char *)structure + f->offset;
    const void *initial = (const char *)schema->initial + f->offset;
    if (f->flags & KCI_FIELD_ARRAY)
        return kci_field_count(f, structure) == kci_field_count(f, schema->initial);
    if (f->flags & KCI_FIELD_POINTER)
        return *(void *const *)now == NULL;
    switch (f->type) {
    case KCI_TYPE_STRUCT:
        return structure_is_default(f->structure, now);
    case KCI_TYPE_STRING: {
        const struct kci_str *a = now, *b = initial;
        return view_is_default(f, a->data, a->size, b->data, b->size);
    }
    case KCI_TYPE_BYTES:
    case KCI_TYPE_RECORDS: {
        const struct kci_bytes *a = now, *b = initial;
        return view_is_default(f, a->data, a->size, b->data, b->size);
    }
    default:
        return memcmp(now, initial, sizes[f->type].memory) == 0;
    }
}
