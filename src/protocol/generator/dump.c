/* Model -> JSON: every message with its fields, as Kafka's own definitions would be read; tests/wire compares the two.
 */
#include "model.h"

static void write_range(FILE *out, const char *name, struct range r)
{
    if (!range_empty(r))
        fprintf(out, ",\"%s\":[%d,%d]", name, r.lo, r.hi);
}

static void write_fields(FILE *out, const struct structure *s)
{
    fputs("[", out);
    for (size_t i = 0; i < s->field_count; i++) {
        const struct field *f = &s->fields[i];
        fprintf(out, "%s\n{\"name\":\"%s\",\"line\":%d,\"type\":\"%s\",\"array\":%s,\"ignorable\":%s", i ? "," : "",
                f->name, f->line, f->structure ? f->structure->name : types[f->type].notation,
                f->array ? "true" : "false", f->ignorable ? "true" : "false");
        write_range(out, "versions", f->versions);
        write_range(out, "null", f->nulls);
        write_range(out, "tagged", f->tagged);
        if (f->tag >= 0)
            fprintf(out, ",\"tag\":%d", f->tag);
        if (f->initial && f->initial[0] == '"')
            fprintf(out, ",\"default\":%s", f->initial);
        else if (f->initial)
            fprintf(out, ",\"default\":\"%s\"", f->initial);
        fputs("}", out);
    }
    fputs("]", out);
}

static void write_message(FILE *out, const struct message *m)
{
    fprintf(out, "{\"name\":\"%s\",\"file\":\"%s\",\"versions\":[%d,%d]", m->name, m->file, m->versions.lo,
            m->versions.hi);
    if (m->flexible_from != VERSION_OPEN)
        fprintf(out, ",\"flexible_from\":%d", m->flexible_from);
    fputs(",\"fields\":", out);
    write_fields(out, m->root);
    fputs(",\"structs\":{", out);
    for (size_t i = 0; i < m->structure_count; i++) {
        fprintf(out, "%s\n\"%s\":", i ? "," : "", m->structures[i]->name);
        write_fields(out, m->structures[i]);
    }
    fputs("}}", out);
}

void write_dump(const struct model *model, FILE *out)
{
    fputs("{\"apis\":[", out);
    for (size_t i = 0; i < model->api_count; i++)
        fprintf(out, "%s\n{\"name\":\"%s\",\"key\":%d}", i ? "," : "", model->apis[i].name, model->apis[i].key);
    fputs("],\"messages\":[", out);
    for (size_t i = 0; i < model->message_count; i++) {
        fputs(i ? ",\n" : "\n", out);
        write_message(out, model->messages[i]);
    }
    fputs("]}\n", out);
}
