/* Durations as Java writes them: ISO 8601, days to seconds. */
#ifndef KCI_API_DURATION_H
#define KCI_API_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "P1DT2H30M4.5S" into milliseconds: each part may be left out, but not all; letters of either case. false: not a
 * duration, negative, or longer than a hundred years. */
bool kci_duration_parse(const char *text, int64_t *ms);
/* The other way round, in seconds: "PT9004.5S". Returns text. */
char *kci_duration_text(int64_t ms, char *text, size_t size);

#endif
