/* Struct -> one line of JSON, for the journal of a broker, for logs and for tests.
 *
 *   numbers, booleans   as such (NaN and infinities as null)
 *   uuid                as Kafka prints it, base64url: 22 characters
 *   string              text; bytes that are no UTF-8 as U+FFFD
 *   bytes               hex of the first 64, then "...(N bytes)"
 *   records             {"bytes":N,"batches":[{"records":..,"codec":"lz4",..}]}: the headers of the first batches, no records
 *   tagged fields       only when set; "unknown_tags":N counts those that the schema does not know
 *   secret fields       "(secret)", set or not, so that no log ever holds a password or a token */
#include "protocol/codec_table.h"
#include "protocol/compress.h"
#include "protocol/records.h"

#include <math.h>
#include <stdio.h>

#define HEX_BYTES_MAX 64 /* of a bytes field that are shown */
#define BATCHES_MAX   16 /* of a records field that are shown */

static void write_struct(const struct kci_schema *schema, int16_t version, const char *structure, struct kci_writer *w);

static void write_text(struct kci_writer *w, const char *text)
{
    kci_writer_bytes(w, text, strlen(text));
}

/* Bytes of the UTF-8 sequence at p (at most `left` of them are there), or 0 if it is not one. */
static size_t utf8_size(const uint8_t *p, size_t left)
{
    size_t size = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if (size == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))) /* over-long, surrogate */
        return 0;
    if (size == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)))
        return 0;
    return size;
}

static void write_string(struct kci_writer *w, const struct kci_str *text)
{
    if (!text->data) {
        write_text(w, "null");
        return;
    }
    kci_writer_i8(w, '"');
    const uint8_t *p = (const uint8_t *)text->data;
    for (size_t i = 0; i < text->size && !w->failed;) {
        size_t size = utf8_size(p + i, text->size - i);
        char escape[8];
        if (size == 0) {
            write_text(w, "\\ufffd");
            size = 1;
        } else if (p[i] == '"' || p[i] == '\\') {
            snprintf(escape, sizeof escape, "\\%c", p[i]);
            write_text(w, escape);
        } else if (p[i] < 0x20 || p[i] == 0x7f) {
            snprintf(escape, sizeof escape, "\\u%04x", p[i]);
            write_text(w, escape);
        } else {
            kci_writer_bytes(w, p + i, size);
        }
        i += size;
    }
    kci_writer_i8(w, '"');
}

static void write_hex(struct kci_writer *w, const struct kci_bytes *bytes)
{
    static const char digits[] = "0123456789abcdef";
    if (!bytes->data) {
        write_text(w, "null");
        return;
    }
    kci_writer_i8(w, '"');
    for (size_t i = 0; i < bytes->size && i < HEX_BYTES_MAX; i++) {
        kci_writer_i8(w, digits[bytes->data[i] >> 4]);
        kci_writer_i8(w, digits[bytes->data[i] & 15]);
    }
    if (bytes->size > HEX_BYTES_MAX) {
        char rest[40];
        snprintf(rest, sizeof rest, "...(%zu bytes)", bytes->size);
        write_text(w, rest);
    }
    kci_writer_i8(w, '"');
}

static void write_uuid(struct kci_writer *w, const struct kci_uuid *id)
{
    char text[KCI_UUID_TEXT_SIZE];
    kci_uuid_print(text, id);
    kci_writer_i8(w, '"');
    write_text(w, text);
    kci_writer_i8(w, '"');
}

static void write_double(struct kci_writer *w, double value)
{
    char text[40] = "null";
    if (isfinite(value))
        snprintf(text, sizeof text, "%.17g", value);
    write_text(w, text);
}

static void write_integer(struct kci_writer *w, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    write_text(w, text);
}

/* What tells one batch from another, and a retry from a batch that was made anew: its CRC. */
static void write_batch(struct kci_writer *w, const struct kci_batch_header *batch, size_t size)
{
    char text[400];
    snprintf(text, sizeof text,
             "{\"base_offset\":%lld,\"bytes\":%zu,\"records\":%d,\"codec\":\"%s\",\"crc\":%u,\"producer_id\":%lld,"
             "\"producer_epoch\":%d,\"base_sequence\":%d,\"transactional\":%s,\"control\":%s}",
             (long long)batch->base_offset, size, (int)batch->record_count,
             kci_codec_name(batch->attributes & KCI_BATCH_CODEC_MASK), (unsigned)batch->crc,
             (long long)batch->producer_id, (int)batch->producer_epoch, (int)batch->base_sequence,
             batch->attributes & KCI_BATCH_TRANSACTIONAL ? "true" : "false",
             batch->attributes & KCI_BATCH_CONTROL ? "true" : "false");
    write_text(w, text);
}

static void write_batches(struct kci_writer *w, const struct kci_bytes *bytes)
{
    struct kci_reader r = kci_reader_of(bytes->data, bytes->size);
    struct kci_batch_header batch;
    size_t size;
    int shown = 0;
    for (; shown < BATCHES_MAX && kci_batch_peek(&r, &batch, &size) == KCI_BATCH_OK && batch.magic == 2; shown++) {
        write_text(w, shown ? "," : ",\"batches\":[");
        write_batch(w, &batch, size);
        kci_reader_take(&r, size);
    }
    if (shown)
        kci_writer_i8(w, ']');
}

static void write_records(struct kci_writer *w, const struct kci_bytes *bytes)
{
    if (!bytes->data) {
        write_text(w, "null");
        return;
    }
    write_text(w, "{\"bytes\":");
    write_integer(w, (int64_t)bytes->size);
    write_batches(w, bytes);
    kci_writer_i8(w, '}');
}

static void write_value(const struct kci_field *f, int16_t version, const void *value, struct kci_writer *w)
{
    switch ((enum kci_type)f->type) {
    case KCI_TYPE_BOOL:
        write_text(w, *(const bool *)value ? "true" : "false");
        break;
    case KCI_TYPE_INT8:
        write_integer(w, *(const int8_t *)value);
        break;
    case KCI_TYPE_INT16:
        write_integer(w, *(const int16_t *)value);
        break;
    case KCI_TYPE_INT32:
        write_integer(w, *(const int32_t *)value);
        break;
    case KCI_TYPE_INT64:
        write_integer(w, *(const int64_t *)value);
        break;
    case KCI_TYPE_UINT16:
        write_integer(w, *(const uint16_t *)value);
        break;
    case KCI_TYPE_UINT32:
        write_integer(w, *(const uint32_t *)value);
        break;
    case KCI_TYPE_FLOAT64:
        write_double(w, *(const double *)value);
        break;
    case KCI_TYPE_UUID:
        write_uuid(w, value);
        break;
    case KCI_TYPE_STRING:
        write_string(w, value);
        break;
    case KCI_TYPE_BYTES:
        write_hex(w, value);
        break;
    case KCI_TYPE_RECORDS:
        write_records(w, value);
        break;
    case KCI_TYPE_STRUCT:
        write_struct(f->structure, version, value, w);
        break;
    }
}

static void write_array(const struct kci_field *f, int16_t version, const char *structure, struct kci_writer *w)
{
    const char *elements = *(const char *const *)(const void *)(structure + f->offset);
    int32_t count = kci_field_count(f, structure);
    size_t size = kci_field_size(f);
    if (count < 0) {
        write_text(w, "null");
        return;
    }
    kci_writer_i8(w, '[');
    for (int32_t i = 0; i < count && !w->failed; i++) {
        if (i)
            kci_writer_i8(w, ',');
        write_value(f, version, elements + (size_t)i * size, w);
    }
    kci_writer_i8(w, ']');
}

static void write_field(const struct kci_field *f, int16_t version, const char *structure, struct kci_writer *w)
{
    const char *at = structure + f->offset;
    kci_writer_i8(w, '"');
    write_text(w, f->name);
    write_text(w, "\":");
    if (f->flags & KCI_FIELD_SECRET)
        write_text(w, "\"(secret)\"");
    else if (f->flags & KCI_FIELD_ARRAY)
        write_array(f, version, structure, w);
    else if (!(f->flags & KCI_FIELD_POINTER))
        write_value(f, version, at, w);
    else if (*(const void *const *)(const void *)at)
        write_value(f, version, *(const void *const *)(const void *)at, w);
    else
        write_text(w, "null");
}

static void write_struct(const struct kci_schema *schema, int16_t version, const char *structure, struct kci_writer *w)
{
    const struct kci_tags *tags = (const void *)(structure + schema->tags_offset);
    const char *separator = "";
    kci_writer_i8(w, '{');
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct kci_field *f = &schema->fields[i];
        if (!kci_field_exists(f, version) ||
            (kci_field_tagged(f, version) && kci_field_is_default(f, schema, structure)))
            continue;
        write_text(w, separator);
        separator = ",";
        write_field(f, version, structure, w);
    }
    if (tags->count) {
        write_text(w, separator);
        write_text(w, "\"unknown_tags\":");
        write_integer(w, tags->count);
    }
    kci_writer_i8(w, '}');
}

bool kci_codec_json(const struct kci_schema *schema, int16_t version, const void *message, struct kci_writer *w)
{
    write_struct(schema, version, message, w);
    return !w->failed;
}
