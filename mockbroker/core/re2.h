/* Patterns as Kafka's brokers read them (SubscribedTopicRegex of KIP-848, transactional ids of KIP-1152): the RE2 syntax. */
#ifndef MB_CORE_RE2_H
#define MB_CORE_RE2_H

#include "base/alloc.h"
#include "base/bytes.h"

#define MB_RE2_BYTES_MAX INT16_MAX /* of a pattern: it is a string in a record's key */
#define MB_RE2_STEPS_MAX 100000    /* of what it becomes, counted repetitions written out */

struct mb_re2; /* compiled */

/* NULL: *why says in RE2's words what is wrong with the pattern (UTF-8), or is NULL: no memory. */
struct mb_re2 *mb_re2_compile(const struct kci_alloc *alloc, struct kci_str pattern, const char **why);
/* Is the whole text matched? Costs time in proportion to the text. */
bool mb_re2_match(struct mb_re2 *re2, struct kci_str text);
/* Once; false also where it is no pattern, and where there is no memory. */
bool mb_re2_matches(const struct kci_alloc *alloc, struct kci_str pattern, struct kci_str text);
void mb_re2_free(struct mb_re2 *re2); /* NULL is fine */

#endif
