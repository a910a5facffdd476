/* What older releases of Kafka advertised on a client listener: --as-version, the property mock.as.version. */
#ifndef MB_CORE_PERSONA_H
#define MB_CORE_PERSONA_H

#include "mockbroker/core/request.h"

enum { MB_PERSONAS = 9 }; /* releases that can be played; the last is the newest */

struct mb_api_range {
    int16_t min, max; /* max < min: not advertised */
};
struct mb_persona_api {
    int16_t key;
    const char *name;
    struct mb_api_range ranges[MB_PERSONAS];
};

/* "2.1", "2.8", ... "4.4". */
const char *mb_persona_name(size_t persona);
/* By release, with or without the third number ("3.9", "3.9.1"). -1: not one that can be played. */
int mb_persona_find(struct kci_str release);
/* All APIs of all personas, by rising key: also those that this broker does not serve. */
const struct mb_persona_api *mb_persona_apis(size_t *count);
/* Of one row of this broker, what the persona advertised. false: nothing. */
bool mb_persona_clip(size_t persona, const struct mb_api_row *row, struct mb_api_row *out);

#endif
