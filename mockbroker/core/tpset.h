/* Sets of partitions: sorted arrays that are made once and replaced as a whole. */
#ifndef MB_CORE_TPSET_H
#define MB_CORE_TPSET_H

#include "mockbroker/core/modern.h"

const struct mb_tp *mb_tpset_find(const struct mb_tpset *set, const struct mb_tp *tp);
bool mb_tpset_equal(const struct mb_tpset *a, const struct mb_tpset *b); /* epochs do not count */
bool mb_tpset_within(const struct mb_tpset *part, const struct mb_tpset *whole);
bool mb_tpset_overlap(const struct mb_tpset *a, const struct mb_tpset *b);
/* Sort and drop doubles in place. */
void mb_tpset_normalize(struct mb_tpset *set);
/* Places for at most count items, to be filled; count becomes 0. False: no memory. */
bool mb_tpset_reserve(const struct kci_alloc *alloc, struct mb_tpset *set, size_t count);
void mb_tpset_free(const struct kci_alloc *alloc, struct mb_tpset *set);
/* Items of the topic at `at`: as many as follow with the same topic. */
size_t mb_tpset_run(const struct mb_tpset *set, size_t at);

#endif
