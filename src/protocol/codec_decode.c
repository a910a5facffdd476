/* Bytes -> struct: one walk down the field table, straight through the reader.
 *
 *                  versions that are not flexible     flexible versions
 *   string         i16 size, bytes; -1 null           uvarint size + 1, bytes; 0 null
 *   bytes, records i32 size, bytes; -1 null           uvarint size + 1, bytes; 0 null
 *   []T            i32 count, elements; -1 null       uvarint count + 1, elements; 0 null
 *   T? (struct)    i8 < 0 null, else the fields       the same
 *   struct         its fields                         its fields, then tags
 *   tags                                              uvarint count, then [uvarint tag][uvarint size][bytes], tags rise
 *
 * Invariants: a count is compared with the bytes that are left before anything is taken from the arena, and the arena
 * has its own limit, so input of n bytes costs at most min(limit, n * struct size) of memory.  Recursion is as deep as
 * the schema is nested.  The first bad field is reported, by its path; the caller judges trailing bytes. */
#include "protocol/codec_table.h"

struct decoder {
    struct kci_reader *r;
    struct kci_arena *arena;
    const char *bad; /* path of the first bad field, NULL so far */
    int16_t version;
    bool flexible;
};

static bool decode_struct(struct decoder *d, const struct kci_schema *schema, char *structure);

static bool fail(struct decoder *d, const char *path)
{
    if (!d->bad)
        d->bad = path;
    return false;
}

/* The length of a string (`width` 2), or of bytes or an array (4): -1 is null; -2 is malformed. */
static inline int64_t read_length(struct decoder *d, int width)
{
    int64_t length;
    if (d->flexible)
        length = (int64_t)kci_reader_uvarint(d->r) - 1;
    else
        length = width == 2 ? kci_reader_i16(d->r) : kci_reader_i32(d->r);
    return d->r->failed || length < -1 ? -2 : length;
}

/* A view of the next string or bytes; NULL with *size 0 is null. */
static bool decode_view(struct decoder *d, const struct kci_field *f, int width, const void **data, size_t *size)
{
    int64_t length = read_length(d, width);
    *data = NULL;
    *size = 0;
    if (length == -1)
        return kci_field_nullable(f, d->version) || fail(d, f->path);
    if (length < 0 || (width == 2 && length > KCI_CODEC_STRING_BYTES_MAX))
        return fail(d, f->path);
    *data = kci_reader_take(d->r, (size_t)length);
    *size = (size_t)length;
    return *data || fail(d, f->path);
}

/* One value that is neither array nor nullable struct, into `out`. */
static inline bool decode_value(struct decoder *d, const struct kci_field *f, void *out)
{
    const void *data;
    size_t size;
    switch ((enum kci_type)f->type) {
    case KCI_TYPE_BOOL:
        *(bool *)out = kci_reader_i8(d->r) != 0;
        break;
    case KCI_TYPE_INT8:
        *(int8_t *)out = kci_reader_i8(d->r);
        break;
    case KCI_TYPE_INT16:
    case KCI_TYPE_UINT16:
        *(int16_t *)out = kci_reader_i16(d->r);
        break;
    case KCI_TYPE_INT32:
    case KCI_TYPE_UINT32:
        *(int32_t *)out = kci_reader_i32(d->r);
        break;
    case KCI_TYPE_INT64:
    case KCI_TYPE_FLOAT64: { /* the same eight bytes */
        int64_t bits = kci_reader_i64(d->r);
        memcpy(out, &bits, sizeof bits);
        break;
    }
    case KCI_TYPE_UUID:
        data = kci_reader_take(d->r, sizeof(struct kci_uuid));
        if (data)
            memcpy(out, data, sizeof(struct kci_uuid));
        break;
    case KCI_TYPE_STRING:
        if (!decode_view(d, f, 2, &data, &size))
            return false;
        *(struct kci_str *)out = (struct kci_str){ data, size };
        return true;
    case KCI_TYPE_BYTES:
    case KCI_TYPE_RECORDS:
        if (!decode_view(d, f, 4, &data, &size))
            return false;
        *(struct kci_bytes *)out = (struct kci_bytes){ data, size };
        return true;
    case KCI_TYPE_STRUCT:
        return decode_struct(d, f->structure, out);
    }
    return !d->r->failed || fail(d, f->path);
}

static bool decode_elements(struct decoder *d, const struct kci_field *f, char *out, size_t count, size_t size)
{
    if (f->type == KCI_TYPE_INT32) { /* replica lists and partition lists: most arrays by far */
        const uint8_t *p = kci_reader_take(d->r, count * 4);
        if (!p)
            return fail(d, f->path);
        for (size_t i = 0; i < count; i++)
            ((int32_t *)(void *)out)[i] = (int32_t)kci_be32(p + 4 * i);
        return true;
    }
    for (size_t i = 0; i < count; i++)
        if (!decode_value(d, f, out + i * size))
            return false;
    return true;
}

static bool decode_array(struct decoder *d, const struct kci_field *f, char *structure)
{
    void **elements = (void **)(void *)(structure + f->offset);
    int32_t *count = (int32_t *)(void *)(structure + f->count_offset);
    int64_t length = read_length(d, 4);
    *elements = NULL;
    *count = -1;
    if (length == -1)
        return kci_field_nullable(f, d->version) || fail(d, f->path);
    size_t wire_min = kci_field_wire_min(f, d->version, d->flexible), size = kci_field_size(f);
    if (length < 0 || length > INT32_MAX || (size_t)length > kci_reader_left(d->r) / wire_min)
        return fail(d, f->path);
    *count = (int32_t)length;
    if (length == 0)
        return true;
    *elements = kci_arena_array(d->arena, (size_t)length, size);
    if (!*elements) {
        *count = 0;
        return fail(d, "(memory limit)");
    }
    return decode_elements(d, f, *elements, (size_t)length, size);
}

static bool decode_pointer(struct decoder *d, const struct kci_field *f, void **out)
{
    *out = NULL;
    if (kci_field_nullable(f, d->version)) {
        int8_t present = kci_reader_i8(d->r);
        if (d->r->failed)
            return fail(d, f->path);
        if (present < 0)
            return true;
    }
    *out = kci_arena_take(d->arena, f->structure->size);
    return *out ? decode_struct(d, f->structure, *out) : fail(d, "(memory limit)");
}

static bool decode_field(struct decoder *d, const struct kci_field *f, char *structure)
{
    if (f->flags & KCI_FIELD_ARRAY)
        return decode_array(d, f, structure);
    if (f->flags & KCI_FIELD_POINTER)
        return decode_pointer(d, f, (void **)(void *)(structure + f->offset));
    return decode_value(d, f, structure + f->offset);
}

/* Keep [data, data + size) among the unknown tags: a view as long as they lie side by side, a copy when a known tag is
 * between them (which happens at most once per known tag). */
static bool keep_unknown(struct decoder *d, struct kci_tags *tags, const uint8_t *data, size_t size)
{
    if (tags->count == 0) {
        tags->data = data;
    } else if (tags->data + tags->size != data) {
        uint8_t *copy = kci_arena_take(d->arena, tags->size + size);
        if (!copy)
            return fail(d, "(memory limit)");
        memcpy(copy, tags->data, tags->size);
        memcpy(copy + tags->size, data, size);
        tags->data = copy;
    }
    tags->size += (uint32_t)size;
    tags->count++;
    return true;
}

static const struct kci_field *find_tag(const struct kci_schema *schema, uint32_t tag, int16_t version)
{
    if (schema->tag_count == 0)
        return NULL;
    for (const struct kci_field *f = schema->fields, *end = f + schema->field_count; f < end; f++)
        if (f->tag >= 0 && (uint32_t)f->tag == tag && kci_field_tagged(f, version))
            return f;
    return NULL;
}

/* The bytes of a known tag hold the field and nothing else. */
static bool decode_known_tag(struct decoder *d, const struct kci_field *f, const uint8_t *data, size_t size,
                             char *structure)
{
    struct kci_reader *outer = d->r, inner = kci_reader_of(data, size);
    d->r = &inner;
    bool ok = decode_field(d, f, structure) && (kci_reader_left(&inner) == 0 || fail(d, f->path));
    d->r = outer;
    return ok;
}

static bool decode_tags(struct decoder *d, const struct kci_schema *schema, char *structure)
{
    struct kci_tags *tags = (struct kci_tags *)(void *)(structure + schema->tags_offset);
    uint32_t count = kci_reader_uvarint(d->r);
    int64_t last = -1;
    if (d->r->failed || count > KCI_CODEC_TAGS_MAX || count > kci_reader_left(d->r) / 2)
        return fail(d, schema->tags_path);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *start = d->r->at;
        uint32_t tag = kci_reader_uvarint(d->r);
        uint32_t size = kci_reader_uvarint(d->r);
        const uint8_t *data = kci_reader_take(d->r, size);
        if (!data || tag > INT32_MAX || (int64_t)tag <= last)
            return fail(d, schema->tags_path);
        last = tag;
        const struct kci_field *f = find_tag(schema, tag, d->version);
        bool ok = f ? decode_known_tag(d, f, data, size, structure)
                    : keep_unknown(d, tags, start, (size_t)(d->r->at - start));
        if (!ok)
            return false;
    }
    return true;
}

static bool decode_struct(struct decoder *d, const struct kci_schema *schema, char *structure)
{
    memcpy(structure, schema->initial, schema->size);
    for (const struct kci_field *f = schema->fields, *end = f + schema->field_count; f < end; f++) {
        if (!kci_field_exists(f, d->version) || kci_field_tagged(f, d->version))
            continue;
        if (!decode_field(d, f, structure))
            return false;
    }
    return !d->flexible || decode_tags(d, schema, structure);
}

bool kci_codec_decode(const struct kci_schema *schema, int16_t version, struct kci_reader *r, struct kci_arena *arena,
                      void *message, const char **bad_field)
{
    struct decoder d = { r, arena, NULL, version, version >= schema->flexible_from };
    bool ok = kci_field_in(schema->version_min, schema->version_max, version) || fail(&d, "(version)");
    if (ok)
        ok = decode_struct(&d, schema, message);
    else
        kci_codec_init(schema, message);
    if (!ok)
        r->failed = true;
    if (bad_field)
        *bad_field = d.bad;
    return ok;
}
