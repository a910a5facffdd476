/* Regular expressions over short names, matched in time linear in the name: for topics that are subscribed by pattern.
 *
 *    x  \x        the byte x; \. \\ \[ and so on for those that mean something; \n \t \r
 *    .            any byte but a line feed
 *    [abc] [^a-z] one of these, none of these; \d \w \s and their opposites \D \W \S also within
 *    (a|b) (?:a)  either, grouped; a prefix (?i) ignores case
 *    a* a+ a? a{2} a{2,} a{2,5}     repeated; a ? behind it (lazy) changes nothing, since the whole name must match
 *    ^ $          begin and end of the name
 *
 * The common ground of Java's and RE2's syntax.  Look-ahead, look-behind and back references are refused: they cannot
 * be matched in linear time. */
#ifndef KCI_BASE_PATTERN_H
#define KCI_BASE_PATTERN_H

#include "base/alloc.h"
#include "base/bytes.h"

#define KCI_PATTERN_BYTES_MAX        1000  /* of a pattern; topic names have 249 at most */
#define KCI_PATTERN_INSTRUCTIONS_MAX 20000 /* of a compiled one: bounds the work per byte of a name */

struct kci_pattern;

/* Yours; NULL: `why` says what is wrong and where, or "out of memory". */
struct kci_pattern *kci_pattern_compile(const struct kci_alloc *alloc, const char *text, char *why, size_t why_size);
/* Does the whole name match? Uses memory of the pattern: one thread at a time. */
bool kci_pattern_match(struct kci_pattern *pattern, struct kci_str name);
void kci_pattern_destroy(struct kci_pattern *pattern); /* NULL is fine */

#endif
