/* Model -> messages.c: for every struct an image of its defaults, its fields as table rows, and its schema; then the
 * APIs. The layout of the tables is protocol/codec_table.h. */
#include "model.h"

#include <string.h>

static void write_initial(FILE *out, const struct structure *s);

/* The initializer of one member, if it is not all zero bytes. */
static void write_initial_field(FILE *out, const struct field *f)
{
    bool null = f->initial && !strcmp(f->initial, "null");
    if (f->array) {
        if (null)
            fprintf(out, " .%s_count = -1,", f->name);
    } else if (f->type == TYPE_STRING) {
        if (f->initial && !null)
            fprintf(out, " .%s = { %s, %zu },", f->name, f->initial, strlen(f->initial) - 2);
        else if (!null)
            fprintf(out, " .%s = { \"\", 0 },", f->name);
    } else if (f->type == TYPE_BYTES || f->type == TYPE_RECORDS) {
        if (!null)
            fprintf(out, " .%s = { (const uint8_t *)\"\", 0 },", f->name);
    } else if (f->type == TYPE_STRUCT) {
        if (!is_pointer(f)) {
            fprintf(out, " .%s = {", f->name);
            write_initial(out, f->structure);
            fputs(" },", out);
        }
    } else if (f->initial && !strcmp(f->initial, "-9223372036854775808")) {
        fprintf(out, " .%s = INT64_MIN,", f->name);
    } else if (f->initial) {
        fprintf(out, " .%s = %s%s,", f->name, f->initial, f->type == TYPE_INT64 ? "LL" : "");
    }
}

static void write_initial(FILE *out, const struct structure *s)
{
    for (size_t i = 0; i < s->field_count; i++)
        write_initial_field(out, &s->fields[i]);
    fputs(" .tags = { NULL, 0, 0 }", out);
}

static void write_field(FILE *out, const struct structure *s, const struct field *f)
{
    fprintf(out, "    { \"%s\", \"%s%s%s\", ", f->name, s->path, s->path[0] ? "." : "", f->name);
    if (f->structure)
        fprintf(out, "&%s_schema, ", f->structure->c_name);
    else
        fputs("NULL, ", out);
    fprintf(out, "offsetof(struct %s, %s), ", s->c_name, f->name);
    if (f->array)
        fprintf(out, "offsetof(struct %s, %s_count), ", s->c_name, f->name);
    else
        fputs("0, ", out);
    fprintf(out, "%s, 0%s%s%s%s, ", types[f->type].constant, f->array ? " | KCI_FIELD_ARRAY" : "",
            f->ignorable ? " | KCI_FIELD_IGNORABLE" : "", f->secret ? " | KCI_FIELD_SECRET" : "",
            is_pointer(f) ? " | KCI_FIELD_POINTER" : "");
    fprintf(out, "%d, %d, %d, %d, %d, %d, %d },\n", f->versions.lo, f->versions.hi, f->nulls.lo, f->nulls.hi,
            f->tagged.lo, f->tagged.hi, f->tag);
}

static void write_structure(FILE *out, struct structure *s)
{
    const struct message *m = s->message;
    size_t tagged = 0;
    fprintf(out, "static const struct %s %s_initial = {", s->c_name, s->c_name);
    write_initial(out, s);
    fputs(" };\n", out);
    for (size_t i = 0; i < s->field_count; i++)
        tagged += s->fields[i].tag >= 0;
    if (s->field_count) {
        fprintf(out, "static const struct kci_field %s_fields[] = {\n", s->c_name);
        for (size_t i = 0; i < s->field_count; i++)
            write_field(out, s, &s->fields[i]);
        fputs("};\n", out);
    }
    fprintf(out, "static const uint16_t %s_min[] = {", s->c_name);
    for (int v = m->versions.lo; v <= m->versions.hi; v++)
        fprintf(out, "%s %d", v == m->versions.lo ? "" : ",", range_has(s->versions, v) ? wire_min(s, v) : 0);
    fputs(" };\n", out);
    fprintf(out, "const struct kci_schema %s_schema = {\n    \"%s\", \"%s%s(tags)\", &%s_initial, ", s->c_name, s->name,
            s->path, s->path[0] ? "." : "", s->c_name);
    if (s->field_count)
        fprintf(out, "%s_fields, ", s->c_name);
    else
        fputs("NULL, ", out);
    fprintf(out, "%s_min, sizeof(struct %s), offsetof(struct %s, tags), %zu, %zu, %d, %d, %d\n};\n\n", s->c_name,
            s->c_name, s->c_name, s->field_count, tagged, m->versions.lo, m->versions.hi, m->flexible_from);
}

void write_source(const struct model *model, FILE *out)
{
    fputs("/* Generated from the schema files; see protocol/codec_table.h. */\n#include \"protocol/messages.h\"\n\n"
          "#include \"protocol/codec_table.h\"\n\n",
          out);
    for (size_t i = 0; i < model->message_count; i++) {
        const struct message *m = model->messages[i];
        for (size_t k = 0; k < m->structure_count; k++)
            write_structure(out, m->structures[k]);
        write_structure(out, m->root);
    }
    fputs("const struct kci_api kci_apis[] = {\n", out);
    for (size_t i = 0; i < model->api_count; i++) {
        const struct api *api = &model->apis[i];
        const struct message *q = api->request;
        fprintf(out, "    { %d, \"%s\", %d, %d, %s%d, &%s_schema, &%s_schema },\n", api->key, api->name, q->versions.lo,
                q->versions.hi, "", q->flexible_from, q->root->c_name, api->response->root->c_name);
    }
    fprintf(out, "};\nconst size_t kci_api_count = %zu;\n", model->api_count);
}
