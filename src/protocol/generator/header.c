/* Model -> messages.h: one struct per message and nested struct, members in wire order, versions as comments. */
#include "model.h"

#include <string.h>

static void write_range(FILE *out, const char *before, struct range r, struct range all)
{
    if (r.lo == r.hi)
        fprintf(out, "%sv%d", before, r.lo);
    else if (r.hi == all.hi)
        fprintf(out, "%sv%d+", before, r.lo);
    else
        fprintf(out, "%sv%d-%d", before, r.lo, r.hi);
}

static void write_member(FILE *out, const struct structure *s, const struct field *f)
{
    struct range all = s->message->versions;
    fputs("    ", out);
    if (f->type == TYPE_STRUCT)
        fprintf(out, "struct %s", f->structure->c_name);
    else
        fputs(types[f->type].c_type, out);
    fprintf(out, " %s%s; /*", f->array || is_pointer(f) ? "*" : "", f->name);
    write_range(out, " ", f->versions, all);
    if (!range_empty(f->nulls)) {
        fputs(", null", out);
        if (f->nulls.lo != f->versions.lo || f->nulls.hi != f->versions.hi)
            write_range(out, " ", f->nulls, all);
    }
    if (f->tag >= 0)
        fprintf(out, ", tag %d", f->tag);
    if (f->initial)
        fprintf(out, ", default %s", f->initial);
    fputs(f->ignorable ? ", ignorable */\n" : " */\n", out);
    if (f->array)
        fprintf(out, "    int32_t %s_count;%s\n", f->name, range_empty(f->nulls) ? "" : " /* -1: null */");
}

static void write_structure(FILE *out, struct structure *s)
{
    if (s->emitted)
        return;
    s->emitted = true;
    for (size_t i = 0; i < s->field_count; i++)
        if (s->fields[i].structure)
            write_structure(out, s->fields[i].structure);
    fprintf(out, "struct %s {\n", s->c_name);
    for (size_t i = 0; i < s->field_count; i++)
        write_member(out, s, &s->fields[i]);
    fputs("    struct kci_tags tags;\n};\n", out);
    fprintf(out, "extern const struct kci_schema %s_schema;\n\n", s->c_name);
}

void write_header(const struct model *model, FILE *out)
{
    fputs("/* Generated from the schema files; see protocol/codec.h. */\n#ifndef KCI_PROTOCOL_MESSAGES_H\n"
          "#define KCI_PROTOCOL_MESSAGES_H\n\n#include \"protocol/codec.h\"\n\nenum kci_api_key {\n",
          out);
    for (size_t i = 0; i < model->api_count; i++)
        fprintf(out, "    KCI_API_%s = %d,\n", snake_of(model->apis[i].name, true), model->apis[i].key);
    fputs("};\n\n", out);
    for (size_t i = 0; i < model->message_count; i++) {
        const struct message *m = model->messages[i];
        fprintf(out, "/* ---- %s, versions %d-%d", m->name, m->versions.lo, m->versions.hi);
        if (m->flexible_from != VERSION_OPEN)
            fprintf(out, ", flexible from %d", m->flexible_from);
        fputs(" ---- */\n", out);
        write_structure(out, m->root);
    }
    fputs("#endif\n", out);
}
