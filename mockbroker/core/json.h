/* A strict reader of JSON (RFC 8259) for faults and for questions about the journal: text in, a tree in an arena out.
 * The same reader serves the command line, HTTP, the C API and the simulator, so that one text means one thing
 * everywhere.  Texts are C strings, too: \u0000 is refused. */
#ifndef MB_CORE_JSON_H
#define MB_CORE_JSON_H

#include "base/arena.h"
#include "base/cursor.h"

#define MB_JSON_DEPTH_MAX 64 /* arrays and objects within each other */

enum mb_json_kind { MB_JSON_NULL, MB_JSON_BOOL, MB_JSON_NUMBER, MB_JSON_STRING, MB_JSON_ARRAY, MB_JSON_OBJECT };

struct mb_json {
    enum mb_json_kind kind;
    bool whole;              /* a number without fraction that fits integer */
    bool truth;              /* of a boolean */
    int64_t integer;         /* of a whole number */
    double number;           /* of any number */
    struct kci_str text;     /* of a string, in the arena, with a NUL behind it */
    struct kci_str key;      /* as a member of an object */
    struct kci_str raw;      /* the source of this value: a view into the text that was parsed */
    struct mb_json *members; /* first element or member */
    struct mb_json *next;    /* sibling */
    size_t count;            /* elements or members */
};

/* The tree, or NULL with what is wrong and where (line 1 ..) in why. */
const struct mb_json *mb_json_parse(struct kci_arena *arena, struct kci_str text, char *why, size_t why_size);
/* A member of an object; NULL: none, or no object. */
const struct mb_json *mb_json_get(const struct mb_json *object, const char *key);
/* Is everything that `part` says true of `whole`?  Objects may have more members, arrays must have an element for each
 * of part's in its order, the rest must be equal. */
bool mb_json_includes(const struct mb_json *whole, const struct mb_json *part);

/* Writing. */
void mb_json_put(struct kci_writer *w, const char *text); /* as it is */
void mb_json_put_integer(struct kci_writer *w, int64_t value);
/* Quoted and escaped; bytes that are no UTF-8 as U+FFFD; data NULL: null. */
void mb_json_put_string(struct kci_writer *w, struct kci_str text);

#endif
