/* Struct -> bytes; the formats are drawn in codec_decode.c.
 *
 * Invariants: what is written can be read again by our decoder and by Kafka's; so a null where the version knows none,
 * a string over 32,767 bytes, or a value that the version cannot express and that is not ignorable is a failure and not
 * a guess (Kafka: UnsupportedVersionException).  Failure is sticky in the writer.  One exception serves convenience:
 * strings and bytes that are never null may be left NULL and are written empty. */
#include "protocol/codec_table.h"

struct encoder {
    struct kci_writer *w;
    int16_t version;
    bool flexible;
};

static bool encode_struct(struct encoder *e, const struct kci_schema *schema, const char *structure);

static bool fail(struct encoder *e)
{
    e->w->failed = true;
    return false;
}

/* The length of a string (width 2), or of bytes or an array (4); -1: null. */
static inline void write_length(struct encoder *e, int width, int64_t length)
{
    if (e->flexible)
        kci_writer_uvarint(e->w, (uint32_t)(length + 1));
    else if (width == 2)
        kci_writer_i16(e->w, (int16_t)length);
    else
        kci_writer_i32(e->w, (int32_t)length);
}

static bool encode_view(struct encoder *e, const struct kci_field *f, int width, const void *data, size_t size)
{
    if (!data && kci_field_nullable(f, e->version)) {
        write_length(e, width, -1);
    } else {
        size = data ? size : 0;
        if (size > (width == 2 ? (size_t)KCI_CODEC_STRING_BYTES_MAX : (size_t)INT32_MAX))
            return fail(e);
        write_length(e, width, (int64_t)size);
        kci_writer_bytes(e->w, data, size);
    }
    return !e->w->failed;
}

static inline bool encode_value(struct encoder *e, const struct kci_field *f, const void *value)
{
    switch ((enum kci_type)f->type) {
    case KCI_TYPE_BOOL:
        kci_writer_i8(e->w, *(const bool *)value);
        break;
    case KCI_TYPE_INT8:
        kci_writer_i8(e->w, *(const int8_t *)value);
        break;
    case KCI_TYPE_INT16:
    case KCI_TYPE_UINT16:
        kci_writer_i16(e->w, *(const int16_t *)value);
        break;
    case KCI_TYPE_INT32:
    case KCI_TYPE_UINT32:
        kci_writer_i32(e->w, *(const int32_t *)value);
        break;
    case KCI_TYPE_INT64:
    case KCI_TYPE_FLOAT64: { /* the same eight bytes */
        int64_t bits;
        memcpy(&bits, value, sizeof bits);
        kci_writer_i64(e->w, bits);
        break;
    }
    case KCI_TYPE_UUID:
        kci_writer_bytes(e->w, value, sizeof(struct kci_uuid));
        break;
    case KCI_TYPE_STRING: {
        const struct kci_str *text = value;
        return encode_view(e, f, 2, text->data, text->size);
    }
    case KCI_TYPE_BYTES:
    case KCI_TYPE_RECORDS: {
        const struct kci_bytes *bytes = value;
        return encode_view(e, f, 4, bytes->data, bytes->size);
    }
    case KCI_TYPE_STRUCT:
        return encode_struct(e, f->structure, value);
    }
    return !e->w->failed;
}

static bool encode_array(struct encoder *e, const struct kci_field *f, const char *structure)
{
    const char *elements = *(const char *const *)(const void *)(structure + f->offset);
    int32_t count = kci_field_count(f, structure);
    if (count < 0) {
        if (count < -1 || !kci_field_nullable(f, e->version))
            return fail(e);
        write_length(e, 4, -1);
        return !e->w->failed;
    }
    if (count > 0 && !elements)
        return fail(e);
    write_length(e, 4, count);
    if (f->type == KCI_TYPE_INT32) {
        uint8_t *p = kci_writer_room(e->w, (size_t)count * 4);
        for (int32_t i = 0; p && i < count; i++)
            kci_put32(p + 4 * (size_t)i, (uint32_t)((const int32_t *)(const void *)elements)[i]);
        return p != NULL || !e->w->failed;
    }
    size_t size = kci_field_size(f);
    for (int32_t i = 0; i < count; i++)
        if (!encode_value(e, f, elements + (size_t)i * size))
            return false;
    return !e->w->failed;
}

static bool encode_pointer(struct encoder *e, const struct kci_field *f, const void *pointed)
{
    if (kci_field_nullable(f, e->version))
        kci_writer_i8(e->w, pointed ? 1 : -1);
    else if (!pointed)
        return fail(e);
    return pointed ? encode_struct(e, f->structure, pointed) : !e->w->failed;
}

static bool encode_field(struct encoder *e, const struct kci_field *f, const char *structure)
{
    if (f->flags & KCI_FIELD_ARRAY)
        return encode_array(e, f, structure);
    if (f->flags & KCI_FIELD_POINTER)
        return encode_pointer(e, f, *(const void *const *)(const void *)(structure + f->offset));
    return encode_value(e, f, structure + f->offset);
}

/* The size of a tagged field is known once it is written: leave one byte, which nearly always will do, and else move.
 */
static bool encode_known_tag(struct encoder *e, const struct kci_field *f, const char *structure)
{
    kci_writer_uvarint(e->w, (uint32_t)f->tag);
    size_t start = e->w->size;
    kci_writer_i8(e->w, 0);
    if (!encode_field(e, f, structure))
        return false;
    uint8_t prefix[5];
    size_t size = e->w->size - start - 1;
    if (size > INT32_MAX)
        return fail(e);
    size_t extra = kci_put_uvarint(prefix, (uint32_t)size) - 1;
    if (extra && !kci_writer_room(e->w, extra))
        return false;
    if (extra)
        memmove(e->w->data + start + 1 + extra, e->w->data + start + 1, size);
    memcpy(e->w->data + start, prefix, 1 + extra);
    return true;
}

/* The set tagged field with the lowest tag above `last`, or NULL. */
static const struct kci_field *next_known_tag(struct encoder *e, const struct kci_schema *schema, const char *structure,
                                              int64_t last)
{
    const struct kci_field *best = NULL;
    if (schema->tag_count == 0)
        return NULL;
    for (const struct kci_field *f = schema->fields, *end = f + schema->field_count; f < end; f++)
        if (f->tag > last && kci_field_tagged(f, e->version) && (!best || f->tag < best->tag) &&
            !kci_field_is_default(f, schema, structure))
            best = f;
    return best;
}

/* Known and unknown tags in one rising sequence.  The unknown ones are checked, because the program may have made them.
 */
static bool encode_tags(struct encoder *e, const struct kci_schema *schema, const char *structure)
{
    const struct kci_tags *tags = (const void *)(structure + schema->tags_offset);
    uint32_t known = 0;
    for (const struct kci_field *f = next_known_tag(e, schema, structure, -1); f;
         f = next_known_tag(e, schema, structure, f->tag))
        known++;
    kci_writer_uvarint(e->w, known + tags->count);
    if (known + tags->count == 0)
        return !e->w->failed;
    const struct kci_field *f = next_known_tag(e, schema, structure, -1);
    struct kci_reader unknown = kci_reader_of(tags->count ? tags->data : (const uint8_t *)"", tags->size);
    int64_t last = -1;
    for (uint32_t i = 0; i < tags->count; i++) {
        const uint8_t *start = unknown.at;
        uint32_t tag = kci_reader_uvarint(&unknown);
        kci_reader_take(&unknown, kci_reader_uvarint(&unknown));
        for (; f && f->tag < (int64_t)tag; f = next_known_tag(e, schema, structure, f->tag))
            if (!encode_known_tag(e, f, structure))
                return false;
        if (unknown.failed || (int64_t)tag <= last || (f && (uint32_t)f->tag == tag))
            return fail(e);
        last = tag;
        kci_writer_bytes(e->w, start, (size_t)(unknown.at - start));
    }
    if (kci_reader_left(&unknown))
        return fail(e);
    for (; f; f = next_known_tag(e, schema, structure, f->tag))
        if (!encode_known_tag(e, f, structure))
            return false;
    return !e->w->failed;
}

static bool encode_struct(struct encoder *e, const struct kci_schema *schema, const char *structure)
{
    for (const struct kci_field *f = schema->fields, *end = f + schema->field_count; f < end; f++) {
        if (!kci_field_exists(f, e->version)) {
            if (!(f->flags & KCI_FIELD_IGNORABLE) && !kci_field_is_default(f, schema, structure))
                return fail(e);
        } else if (!kci_field_tagged(f, e->version) && !encode_field(e, f, structure)) {
            return false;
        }
    }
    if (e->flexible)
        return encode_tags(e, schema, structure);
    return ((const struct kci_tags *)(const void *)(structure + schema->tags_offset))->count == 0 || fail(e);
}

bool kci_codec_encode(const struct kci_schema *schema, int16_t version, const void *message, struct kci_writer *w)
{
    struct encoder e = { w, version, version >= schema->flexible_from };
    if (!kci_field_in(schema->version_min, schema->version_max, version))
        return fail(&e);
    return encode_struct(&e, schema, message) && !w->failed;
}
