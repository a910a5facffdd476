/* What the schema files say, as the generator holds it in memory.  The generator is a build tool: it allocates with
 * malloc, frees everything at its end, and leaves with a message that names file and line at the first thing it does
 * not understand.
 *
 *   model.h, model.c   the model, names, complaints        header.c   model -> messages.h (structs)
 *   parse.c            notation -> model                   source.c   model -> messages.c (tables)
 *   check.c            references, ranges, tags, sizes     dump.c     model -> JSON, for comparison with Kafka's own
 */
#ifndef GENERATOR_MODEL_H
#define GENERATOR_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define VERSION_OPEN 32767 /* "and all later ones" */
#define DEPTH_MAX    12    /* nesting of structs; Kafka's deepest is 5 */

/* Versions lo .. hi; lo > hi: none. */
struct range {
    int lo, hi;
};

enum type {
    TYPE_BOOL,
    TYPE_INT8,
    TYPE_INT16,
    TYPE_INT32,
    TYPE_INT64,
    TYPE_UINT16,
    TYPE_UINT32,
    TYPE_FLOAT64,
    TYPE_UUID,
    TYPE_STRING,
    TYPE_BYTES,
    TYPE_RECORDS,
    TYPE_STRUCT,
    TYPE_COUNT
};

/* One row per type. */
struct type_row {
    const char *notation; /* as the schema files spell it */
    const char *c_type;   /* of a member */
    const char *constant; /* in codec_table.h */
    int wire_bytes;       /* fixed size on the wire; 0: it varies */
    int length_bytes;     /* size of the length prefix in versions that are not flexible */
};
extern const struct type_row types[TYPE_COUNT];

struct structure;

struct field {
    const char *name; /* snake case, as in C */
    enum type type;   /* of the element, for an array */
    bool array, ignorable, secret;
    const char *struct_name;     /* Kafka's name, for TYPE_STRUCT */
    struct structure *structure; /* resolved by check.c */
    struct range versions;       /* in which the field exists, clipped to its parent's */
    struct range nulls;          /* in which it may be null */
    struct range tagged;         /* in which it is a tagged field */
    int tag;                     /* -1: never tagged */
    const char *initial;         /* default as written, NULL: the type's zero */
    int line;                    /* in the file */
};

struct structure {
    const char *name;   /* Kafka's name */
    const char *c_name; /* kci_offset_fetch_request__offset_fetch_request_group */
    const char *path;   /* dotted names that lead to it, "" for a message, "Name" for a shared struct */
    struct message *message;
    struct range versions; /* in which it can occur */
    bool shared;           /* declared with `struct`, used by name */
    bool used;             /* some field has this type */
    bool emitted;          /* for the writers: members first */
    struct field *fields;
    size_t field_count;
    int line;
};

struct message {
    const char *file;      /* where it is described */
    const char *name;      /* "OffsetFetchRequest" */
    struct range versions; /* always closed */
    int flexible_from;     /* VERSION_OPEN: never */
    struct structure *root;
    struct structure **structures; /* nested and shared ones, in order of appearance */
    size_t structure_count;
};

struct api {
    const char *name; /* "OffsetFetch" */
    int key;
    struct message *request, *response;
};

struct model {
    struct api *apis; /* by rising key after check_model */
    size_t api_count;
    struct message **messages; /* all, those of APIs included */
    size_t message_count;
};

/* model.c */
void *take(size_t size);                                    /* zeroed; freed at exit */
void *grow(void *array, size_t count, size_t element_size); /* room for one more than `count` */
char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *snake_of(const char *camel, bool upper);
_Noreturn void complain(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool range_empty(struct range r);
bool range_has(struct range r, int version);
bool range_within(struct range inner, struct range outer);
bool is_pointer(const struct field *field); /* a nullable struct */

void parse_file(struct model *model, const char *path);
void check_model(struct model *model);
int wire_min(const struct structure *structure, int version); /* fewest bytes that one can take */
void write_header(const struct model *model, FILE *out);
void write_source(const struct model *model, FILE *out);
void write_dump(const struct model *model, FILE *out);

#endif
