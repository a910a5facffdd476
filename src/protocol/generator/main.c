/* schema_generator OUT.h OUT.c FILE.schema...     typed structs and field tables
 * schema_generator --dump FILE.schema...          the same facts as JSON on stdout, to compare with Kafka's definitions
 */
#include "model.h"

#include <string.h>

static FILE *create(const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out)
        complain(path, 0, "cannot be written");
    return out;
}

static void finish(FILE *out, const char *path)
{
    if (ferror(out) | fclose(out))
        complain(path, 0, "cannot be written");
}

int main(int count, char **arguments)
{
    struct model model = { 0 };
    bool dump = count > 1 && !strcmp(arguments[1], "--dump");
    int first = dump ? 2 : 3;
    if (count <= first) {
        fputs("usage: schema_generator OUT.h OUT.c FILE.schema... | --dump FILE.schema...\n", stderr);
        return 2;
    }
    for (int i = first; i < count; i++)
        parse_file(&model, arguments[i]);
    check_model(&model);
    if (dump) {
        write_dump(&model, stdout);
        return ferror(stdout) ? 1 : 0;
    }
    FILE *header = create(arguments[1]);
    write_header(&model, header);
    finish(header, arguments[1]);
    FILE *source = create(arguments[2]);
    write_source(&model, source);
    finish(source, arguments[2]);
    return 0;
}
