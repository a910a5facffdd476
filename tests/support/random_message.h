/* Valid messages with random contents, for any schema and version: every field that the version has takes all its
 * shapes (null, empty, short, longer than a one-byte varint can say), tagged fields come and go, and unknown tags lie
 * before, between and behind the known ones. */
#ifndef TEST_SUPPORT_RANDOM_MESSAGE_H
#define TEST_SUPPORT_RANDOM_MESSAGE_H

#include "base/arena.h"
#include "base/prng.h"
#include "protocol/codec_table.h"

#include <assert.h>

struct random_message {
    struct kci_prng prng;
    struct kci_arena *arena; /* everything that the message points to */
    int16_t version;
    size_t elements_max; /* of an array */
};

static inline void random_struct(struct random_message *m, const struct kci_schema *schema, void *structure);

static inline size_t random_size(struct random_message *m)
{
    return kci_prng_chance(&m->prng, 1, 20) ? 120 + kci_prng_below(&m->prng, 200) : kci_prng_below(&m->prng, 12);
}

/* `text` keeps to letters. */
static inline void *random_bytes(struct random_message *m, size_t size, bool text)
{
    uint8_t *bytes = kci_arena_take(m->arena, size);
    assert(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(text ? 'a' + kci_prng_below(&m->prng, 26) : kci_prng_next(&m->prng));
    return bytes;
}

static inline void random_value(struct random_message *m, const struct kci_field *f, void *out, bool nullable)
{
    static const size_t widths[] = {
        [KCI_TYPE_INT8] = 1,   [KCI_TYPE_INT16] = 2,  [KCI_TYPE_INT32] = 4, [KCI_TYPE_INT64] = 8,
        [KCI_TYPE_UINT16] = 2, [KCI_TYPE_UINT32] = 4, [KCI_TYPE_UUID] = 16
    };
    bool null = nullable && kci_prng_chance(&m->prng, 1, 4);
    size_t size = random_size(m);
    switch ((enum kci_type)f->type) {
    case KCI_TYPE_BOOL:
        *(bool *)out = kci_prng_chance(&m->prng, 1, 2);
        break;
    case KCI_TYPE_FLOAT64:
        *(double *)out = (double)kci_prng_below(&m->prng, 1000) / 8;
        break;
    case KCI_TYPE_STRING:
        *(struct kci_str *)out =
            null ? (struct kci_str){ NULL, 0 } : (struct kci_str){ random_bytes(m, size, true), size };
        break;
    case KCI_TYPE_BYTES:
    case KCI_TYPE_RECORDS:
        *(struct kci_bytes *)out =
            null ? (struct kci_bytes){ NULL, 0 } : (struct kci_bytes){ random_bytes(m, size, false), size };
        break;
    case KCI_TYPE_STRUCT:
        random_struct(m, f->structure, out);
        break;
    default:
        memcpy(out, random_bytes(m, widths[f->type], false), widths[f->type]);
    }
}

static inline void random_field(struct random_message *m, const struct kci_field *f, char *structure)
{
    bool nullable = kci_field_nullable(f, m->version), null = nullable && kci_prng_chance(&m->prng, 1, 4);
    if (f->flags & KCI_FIELD_ARRAY) {
        size_t count = kci_prng_below(&m->prng, m->elements_max + 1), size = kci_field_size(f);
        char *elements = null ? NULL : kci_arena_array(m->arena, count, size);
        assert(null || elements);
        for (size_t i = 0; !null && i < count; i++)
            random_value(m, f, elements + i * size, false);
        *(int32_t *)(void *)(structure + f->count_offset) = null ? -1 : (int32_t)count;
        *(void **)(void *)(structure + f->offset) = elements;
    } else if (f->flags & KCI_FIELD_POINTER) {
        void *pointed = null ? NULL : kci_arena_take(m->arena, f->structure->size);
        if (pointed)
            random_struct(m, f->structure, pointed);
        *(void **)(void *)(structure + f->offset) = pointed;
    } else {
        random_value(m, f, structure + f->offset, nullable);
    }
}

/* Tags that the schema does not know: some of the first dozen numbers, so that they fall between known ones. */
static inline void random_tags(struct random_message *m, const struct kci_schema *schema, struct kci_tags *tags)
{
    uint8_t raw[12 * 8];
    struct kci_writer w = kci_writer_fixed(raw, sizeof raw);
    uint32_t count = 0;
    for (uint32_t tag = 0; tag < 12; tag++) {
        bool known = false;
        for (size_t i = 0; i < schema->field_count; i++)
            known |= (uint32_t)schema->fields[i].tag == tag;
        if (known || !kci_prng_chance(&m->prng, 1, 3))
            continue;
        size_t size = kci_prng_below(&m->prng, 5);
        kci_writer_uvarint(&w, tag);
        kci_writer_uvarint(&w, (uint32_t)size);
        kci_writer_bytes(&w, random_bytes(m, size, false), size);
        count++;
    }
    assert(!w.failed);
    uint8_t *data = kci_arena_take(m->arena, w.size);
    assert(data);
    memcpy(data, raw, w.size);
    *tags = (struct kci_tags){ data, (uint32_t)w.size, count };
}

static inline void random_struct(struct random_message *m, const struct kci_schema *schema, void *structure)
{
    memcpy(structure, schema->initial, schema->size);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct kci_field *f = &schema->fields[i];
        bool left_out = kci_field_tagged(f, m->version) && kci_prng_chance(&m->prng, 1, 2);
        if (kci_field_exists(f, m->version) && !left_out)
            random_field(m, f, structure);
    }
    if (m->version >= schema->flexible_from && kci_prng_chance(&m->prng, 1, 4))
        random_tags(m, schema, (struct kci_tags *)(void *)((char *)structure + schema->tags_offset));
}

#endif
