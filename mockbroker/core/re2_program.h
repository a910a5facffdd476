/* What a pattern becomes: steps that are read one after the other, with jumps that are relative, so that a piece can be
 * copied and moved.  re2_parse.c and re2_text.c read the pattern, re2.c builds and runs. */
#ifndef MB_CORE_RE2_PROGRAM_H
#define MB_CORE_RE2_PROGRAM_H

#include "mockbroker/core/re2.h"

/* SET takes one byte; SPLIT goes on with the next step and with the one `to` steps away; JUMP with that one only; the
 * others look at where they are.  Behind the last step the pattern is matched. */
enum mb_re2_operation { MB_RE2_SET, MB_RE2_SPLIT, MB_RE2_JUMP, MB_RE2_BEGIN, MB_RE2_END, MB_RE2_EDGE, MB_RE2_NO_EDGE };

struct mb_re2_set { /* of ASCII: no name has anything else, no pattern can match what is not there */
    uint64_t bits[2];
};

struct mb_re2_step {
    uint8_t operation; /* enum mb_re2_operation */
    int32_t to;        /* SPLIT, JUMP: relative to this step */
    struct mb_re2_set set;
};

struct mb_re2 {
    const struct kci_alloc *alloc; /* borrowed */
    struct mb_re2_step *steps;     /* owned */
    size_t count, capacity;
    bool no_memory, too_large; /* building failed */
    /* scratch of matching, owned, count + 1 each; made once the pattern is built */
    int32_t *now, *then, *stack;
    uint32_t *seen; /* the round in which a step was reached last */
    uint32_t round;
};

/* ---- re2.c: building; after a failure nothing happens any more ---- */
void mb_re2_add(struct mb_re2 *re2, enum mb_re2_operation operation, int32_t to, struct mb_re2_set set);
/* The steps from `at` on move one further, and this one comes before them. */
void mb_re2_insert(struct mb_re2 *re2, size_t at, enum mb_re2_operation operation, int32_t to);
/* The steps from `at` on are repeated; maximum -1: without end. */
void mb_re2_repeat(struct mb_re2 *re2, size_t at, int32_t minimum, int32_t maximum);

/* ---- re2_parse.c ---- */
/* NULL, or what is wrong with it. */
const char *mb_re2_parse(struct mb_re2 *re2, struct kci_str pattern);

/* ---- re2_class.c: sets of characters by name ---- */
struct mb_re2_class {
    struct mb_re2_set set;
    bool long_s, kelvin; /* U+017F and U+212A: s and k in another case */
};
void mb_re2_class_range(struct mb_re2_class *set, int32_t low, int32_t high);
void mb_re2_class_merge(struct mb_re2_class *set, const struct mb_re2_class *other);
void mb_re2_class_fold(struct mb_re2_class *set); /* each letter in both cases */
void mb_re2_class_negate(struct mb_re2_class *set);
/* \d \s \w; false: no such class. */
bool mb_re2_class_perl(struct mb_re2_class *set, int32_t letter);
/* [:alpha:] by the name between the colons. */
bool mb_re2_class_posix(struct mb_re2_class *set, const char *name);
/* A category or a script of Unicode; `fold`: what counts as such when case does not matter. */
bool mb_re2_class_unicode(struct mb_re2_class *set, const char *name, bool fold);

#endif
