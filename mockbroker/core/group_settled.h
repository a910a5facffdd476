/* Answers that wait until what they show cannot be lost any more. */
#ifndef MB_CORE_GROUP_SETTLED_H
#define MB_CORE_GROUP_SETTLED_H

#include "mockbroker/core/group.h"

/* Answer with `response` (of the request's API) once all that the coordinator of the group has is committed, which is
 * mostly at once; with an error if it is lost. `response` and what it points to live as long as the request. */
void mb_group_answer_settled(const struct mb_group *group, struct mb_request *request, const void *response,
                             int64_t now);
/* Would it be answered at once? */
bool mb_group_settled(const struct mb_group *group);

#endif
