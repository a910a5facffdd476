/* The tables that the generator writes and the walker reads.  Only the codec and the generated source see this;
 * everyone else holds a `const struct kci_schema *` and knows nothing of it.
 *
 * A range min..max of versions with min > max is empty ("never null", "never tagged"). */
#ifndef KCI_PROTOCOL_CODEC_TABLE_H
#define KCI_PROTOCOL_CODEC_TABLE_H

#include "protocol/codec.h"

enum kci_type {
    KCI_TYPE_BOOL,
    KCI_TYPE_INT8,
    KCI_TYPE_INT16,
    KCI_TYPE_INT32,
    KCI_TYPE_INT64,
    KCI_TYPE_UINT16,
    KCI_TYPE_UINT32,
    KCI_TYPE_FLOAT64,
    KCI_TYPE_UUID,
    KCI_TYPE_STRING,
    KCI_TYPE_BYTES,
    KCI_TYPE_RECORDS, /* bytes that hold record batches */
    KCI_TYPE_STRUCT,
};

enum {
    KCI_FIELD_ARRAY = 1,     /* pointer at `offset`, int32_t count at `count_offset` */
    KCI_FIELD_IGNORABLE = 2, /* may be set and silently left out of versions that lack it */
    KCI_FIELD_SECRET = 4,    /* never shown in JSON */
    KCI_FIELD_POINTER = 8,   /* nullable struct: a pointer to it at `offset` */
};

struct kci_field {
    const char *name;                   /* "leader_epoch" */
    const char *path;                   /* "topics.partitions.leader_epoch", for complaints */
    const struct kci_schema *structure; /* of the struct or of the array's elements, else NULL */
    uint16_t offset, count_offset;      /* bytes from the start of the struct */
    uint8_t type;                       /* enum kci_type; of the elements for an array */
    uint8_t flags;                      /* KCI_FIELD_* */
    int16_t version_min, version_max;   /* in which the field exists */
    int16_t null_min, null_max;         /* in which it may be null */
    int16_t tagged_min, tagged_max;     /* in which it is among the tagged fields */
    int16_t tag;                        /* its number there; -1: never tagged */
};

struct kci_schema {
    const char *name;               /* Kafka's: "OffsetFetchRequestGroup" */
    const char *tags_path;          /* "topics.partitions.(tags)", for complaints */
    const void *initial;            /* an image of the struct with its defaults */
    const struct kci_field *fields; /* in wire order */
    const uint16_t *wire_min;       /* fewest bytes on the wire, by version - version_min */
    uint16_t size;                  /* bytes of the C struct */
    uint16_t tags_offset;           /* of its struct kci_tags */
    uint16_t field_count;
    uint16_t tag_count;               /* fields that are tagged in some version */
    int16_t version_min, version_max; /* of the whole message */
    int16_t flexible_from;            /* INT16_MAX: never */
};

static inline bool kci_field_in(int16_t min, int16_t max, int16_t version)
{
    return version >= min && version <= max;
}
static inline bool kci_field_exists(const struct kci_field *f, int16_t version)
{
    return kci_field_in(f->version_min, f->version_max, version);
}
static inline bool kci_field_tagged(const struct kci_field *f, int16_t version)
{
    return kci_field_in(f->tagged_min, f->tagged_max, version);
}
static inline bool kci_field_nullable(const struct kci_field *f, int16_t version)
{
    return kci_field_in(f->null_min, f->null_max, version);
}
static inline int32_t kci_field_count(const struct kci_field *f, const void *structure)
{
    return *(const int32_t *)(const void *)((const char *)structure + f->count_offset);
}
/* Bytes of one element in memory, and fewest bytes on the wire (in versions that are flexible or not). */
size_t kci_field_size(const struct kci_field *f);
size_t kci_field_wire_min(const struct kci_field *f, int16_t version, bool flexible);
/* Does the member at `structure + offset` hold its default? */
bool kci_field_is_default(const struct kci_field *f, const struct kci_schema *schema, const void *structure);

#define KCI_CODEC_STRING_BYTES_MAX INT16_MAX /* Kafka's bound, also where the length is a varint */
#define KCI_CODEC_TAGS_MAX         10000     /* tagged fields of one struct that we read; as brokers since 4.4 */

#endif
