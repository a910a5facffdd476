/* NAME[:PARTITIONS[:RF[:key=value,...]]], the way in which command line and C API name a topic to make. */
#ifndef MB_TOPIC_SPEC_H
#define MB_TOPIC_SPEC_H

#include <stddef.h>
#include <stdint.h>

#define MB_TOPIC_SPEC_CONFIGS_MAX 32   /* more are refused */
#define MB_TOPIC_SPEC_MAX         2048 /* bytes of the whole text with the NUL */

struct mb_topic_spec {
    char buffer[MB_TOPIC_SPEC_MAX];                 /* the text, cut into pieces */
    const char *name;                               /* into buffer, like the configs */
    int32_t partitions;                             /* -1: the broker's default (num.partitions) */
    int16_t replication_factor;                     /* -1: the broker's default (default.replication.factor) */
    const char *configs[MB_TOPIC_SPEC_CONFIGS_MAX]; /* "key=value" */
    size_t config_count;
};

/* Cut `size` bytes of text apart. NULL, or what is wrong with it. */
const char *mb_topic_spec_parse(struct mb_topic_spec *out, const char *text, size_t size);

#endif
