/* Cuts a topic's description into its parts.  Only the form is checked here; whether the name, the counts and the
 * configs are good is the broker's decision, the same as for a CreateTopics request. */
#include "mockbroker/topic_spec.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The part up to the next ':', which is overwritten; *rest is behind it, or NULL at the end. */
static char *next_part(char **rest)
{
    char *part = *rest, *colon = part ? strchr(part, ':') : NULL;
    if (colon)
        *colon = '\0';
    *rest = colon ? colon + 1 : NULL;
    return part;
}

static bool parse_count(const char *text, long max, long *out)
{
    char *end;
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out >= 1 && *out <= max;
}

/* A comma separates configs, and the items of a value: what has no '=' continues the value before it
 * ("cleanup.policy=compact,delete"). */
static const char *parse_configs(struct mb_topic_spec *out, char *text)
{
    while (text) {
        char *comma = strchr(text, ',');
        const char *equals = strchr(text, '=');
        if (!equals || equals == text || (comma && comma < equals))
            return "a config is key=value";
        if (out->config_count == MB_TOPIC_SPEC_CONFIGS_MAX)
            return "too many configs";
        out->configs[out->config_count++] = text;
        while (comma) { /* the last comma before the next '=' ends this config */
            char *after = comma + 1, *further = strchr(after, ',');
            const char *next = strchr(after, '=');
            if (next && (!further || next < further))
                break;
            comma = further;
        }
        if (comma)
            *comma++ = '\0';
        text = comma;
    }
    return NULL;
}

const char *mb_topic_spec_parse(struct mb_topic_spec *out, const char *text, size_t size)
{
    long count;
    memset(out, 0, sizeof *out);
    out->partitions = out->replication_factor = -1;
    if (size >= sizeof out->buffer)
        return "too long";
    memcpy(out->buffer, text, size);
    char *rest = out->buffer;
    out->name = next_part(&rest);
    if (out->name[0] == '\0')
        return "the name is missing";
    const char *partitions = next_part(&rest), *factor = next_part(&rest);
    if (partitions && !parse_count(partitions, INT32_MAX, &count))
        return "the number of partitions is a whole number from 1";
    if (partitions)
        out->partitions = (int32_t)count;
    if (factor && !parse_count(factor, INT16_MAX, &count))
        return "the replication factor is a whole number from 1";
    if (factor)
        out->replication_factor = (int16_t)count;
    return rest && rest[0] ? parse_configs(out, rest) : NULL;
}
