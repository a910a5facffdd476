/* The page docs/apis.md: APIs x releases, from api_table.c and persona.c.  A test compares the page with this text, so
 * that it never tells of what is not served. */
#include "mockbroker/api_page.h"

#include "mockbroker/core/cluster.h"

static const char *range_text(struct mb_api_range range, char *text, size_t size)
{
    if (range.max < range.min)
        return "";
    if (range.max == range.min)
        snprintf(text, size, "%d", range.min);
    else
        snprintf(text, size, "%d-%d", range.min, range.max);
    return text;
}

static void print_row(FILE *stream, const struct mb_persona_api *api)
{
    char text[32];
    const struct mb_api_row *row = mb_api_row(api->key);
    struct mb_api_row clipped;
    fprintf(stream, "| %d | %s | %s |", api->key, api->name,
            row ? range_text((struct mb_api_range){ row->version_min, row->version_max }, text, sizeof text)
                : "not served");
    for (size_t i = 0; row && i < MB_PERSONAS; i++) {
        bool shown = mb_persona_clip(i, row, &clipped);
        struct mb_api_range range = { 0, -1 };
        if (shown)
            range = (struct mb_api_range){ clipped.version_min, clipped.version_max };
        fprintf(stream, " %s |", range_text(range, text, sizeof text));
    }
    for (size_t i = 0; !row && i < MB_PERSONAS; i++)
        fprintf(stream, " %s |", api->ranges[i].max < api->ranges[i].min ? "" : "-");
    fprintf(stream, "\n");
}

void mb_api_page_print(FILE *stream)
{
    size_t count;
    const struct mb_persona_api *apis = mb_persona_apis(&count);
    fprintf(stream,
            "# The APIs of mockbroker\n\n"
            "Generated: `mockbroker --apis > docs/apis.md`. The third column is what is served; the others are what\n"
            "`--as-version` advertises when it plays that release: the versions that the release had and that are\n"
            "served. An empty field: the release did not have the API on a client listener. `-`: it had, and it is\n"
            "not served and not advertised here. What is not advertised closes the connection, as Kafka does.\n\n"
            "| key | API | served |");
    for (size_t i = 0; i < MB_PERSONAS; i++)
        fprintf(stream, " %s |", mb_persona_name(i));
    fprintf(stream, "\n|---|---|---|");
    for (size_t i = 0; i < MB_PERSONAS; i++)
        fprintf(stream, "---|");
    fprintf(stream, "\n");
    for (size_t i = 0; i < count; i++)
        print_row(stream, &apis[i]);
    fprintf(stream, "\nDelegation tokens (38 to 41) want a client that has authenticated (`--sasl`), and a secret\n"
                    "(`--config delegation.token.secret.key=...`). Without them clients get, as from Apache Kafka,\n"
                    "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED (64) or DELEGATION_TOKEN_AUTH_DISABLED (61).\n");
}
