/* Typed structs <-> bytes, for every API and version, by one walker over generated field tables.
 *
 * From `schema/<api>.schema` (our notation, request and response together) the generator makes, at build time:
 *   protocol/messages.h   typed structs         struct kci_offset_fetch_request { struct kci_str group_id; ... };
 *   protocol/messages.c   field tables          const struct kci_schema kci_offset_fetch_request_schema;
 *
 * Names are derived from Kafka's own and never invented: a message `OffsetFetchRequest` is `struct
 * kci_offset_fetch_request`, a nested struct `OffsetFetchRequestGroup` in it is `struct
 * kci_offset_fetch_request_group_...`: precisely "kci_" + snake(message) + "__" + snake(Kafka's struct name), here
 * `struct kci_offset_fetch_request__offset_fetch_request_group`. Field `PartitionIndexes` is member
 * `partition_indexes`.
 *
 * C types: bool, int8/16/32/64 -> the exact-width type; uint16 -> uint16_t; uint32 -> uint32_t; float64 -> double;
 * string -> struct kci_str; bytes and records -> struct kci_bytes; uuid -> struct kci_uuid;
 * []T -> `T *name; int32_t name_count;` with name_count -1 for null (decode and init set it; a zeroed struct is an
 * empty array); a nullable struct -> `T *name` (NULL for null).  Every struct ends with `struct kci_tags tags`: the
 * tagged fields that this schema does not know, kept as raw bytes and written again.
 *
 * Decoded strings, bytes and unknown tags are views into the input; arrays and nullable structs lie in the arena. Every
 * count is checked against the bytes left *and* charged to the arena's limit before anything is allocated. */
#ifndef KCI_PROTOCOL_CODEC_H
#define KCI_PROTOCOL_CODEC_H

#include "base/arena.h"
#include "base/cursor.h"

/* Unknown tagged fields of one struct: `count` times [uvarint tag][uvarint size][bytes], as they came. */
struct kci_tags {
    const uint8_t *data; /* view */
    uint32_t size;       /* bytes */
    uint32_t count;
};

struct kci_schema; /* generated; layout in codec_table.h */

/* Kafka's API keys: KCI_API_PRODUCE = 0 ... generated into messages.h. One row per API: */
struct kci_api {
    int16_t key;
    const char *name;                 /* "OffsetFetch" */
    int16_t version_min, version_max; /* that the schema describes */
    int16_t flexible_from;            /* first flexible version; INT16_MAX: never */
    const struct kci_schema *request, *response;
};
/* The row of an API key, or NULL. */
const struct kci_api *kci_api_find(int16_t key);
const struct kci_api *kci_api_find_name(struct kci_str name);
extern const struct kci_api kci_apis[]; /* all rows, by rising key */
extern const size_t kci_api_count;

/* Bytes of the struct that a schema describes. */
size_t kci_schema_size(const struct kci_schema *schema);
const char *kci_schema_name(const struct kci_schema *schema);
/* Zero the struct and set Kafka's defaults (a member_epoch of -1, a null member_id ...). */
void kci_codec_init(const struct kci_schema *schema, void *message);
/* Append the message as `version` has it. Fields that the version lacks are left out; non-nullable strings and bytes
 * with data NULL are written empty. false: the writer failed, or a field that the version lacks is set and not
 * ignorable. */
bool kci_codec_encode(const struct kci_schema *schema, int16_t version, const void *message, struct kci_writer *w);
/* Read one message. On failure *bad_field (may be NULL) names the first bad field, "topics.partitions.leader_epoch",
 * the tagged fields of a struct, "topics.(tags)", or is "(memory limit)" or "(version)". Trailing bytes are left in the
 * reader for the caller to judge. */
bool kci_codec_decode(const struct kci_schema *schema, int16_t version, struct kci_reader *r, struct kci_arena *arena,
                      void *message, const char **bad_field);
/* The message as one line of JSON, for the journal and for tests; false: the writer failed. */
bool kci_codec_json(const struct kci_schema *schema, int16_t version, const void *message, struct kci_writer *w);

#endif
