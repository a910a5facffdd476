/* The grammar of matches, shared by faults and by questions to the journal. */
#ifndef MB_CORE_FAULT_PARSE_H
#define MB_CORE_FAULT_PARSE_H

#include "mockbroker/core/fault.h"

/* Match everything. */
void mb_fault_parse_match_init(struct mb_fault *fault);
/* Take one member of a match into fault->match (fault->faults->cluster is looked at). false: why. */
bool mb_fault_parse_match_member(struct mb_fault *fault, const struct mb_json *member, char *why, size_t why_size);

#endif
