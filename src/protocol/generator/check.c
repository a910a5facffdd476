/* What the notation cannot say wrong, but a person can: references, names, tags, defaults, sizes. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

static const char *const reserved[] = { "tags",     "auto",    "break",   "case",   "char",     "const",
                                        "continue", "default", "do",      "double", "else",     "enum",
                                        "extern",   "float",   "for",     "goto",   "if",       "inline",
                                        "int",      "long",    "return",  "short",  "signed",   "sizeof",
                                        "static",   "struct",  "switch",  "union",  "void",     "while",
                                        "bool",     "true",    "typedef", "false",  "register", "unsigned" };

static void check_name(const struct structure *s, const struct field *f)
{
    const char *file = s->message->file;
    if (strspn(f->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(f->name))
        complain(file, f->line, "%s: names are small letters, digits and _", f->name);
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (!strcmp(f->name, reserved[i]))
            complain(file, f->line, "%s cannot be the name of a C member", f->name);
    for (const struct field *other = s->fields; other < f; other++)
        if (!strcmp(f->name, other->name))
            complain(file, f->line, "%s is already on line %d", f->name, other->line);
}

static void check_tag(const struct structure *s, const struct field *f)
{
    const char *file = s->message->file;
    if (f->tag < 0)
        return;
    if (f->tagged.lo < s->message->flexible_from)
        complain(file, f->line, "%s: version %d has no tagged fields", f->name, f->tagged.lo);
    for (const struct field *other = s->fields; other < f; other++)
        if (other->tag == f->tag)
            complain(file, f->line, "%s: tag %d is already taken by %s", f->name, f->tag, other->name);
}

static void check_initial(const struct structure *s, const struct field *f)
{
    const char *file = s->message->file, *text = f->initial;
    char *end;
    if (!text)
        return;
    if (!strcmp(text, "null")) {
        if (f->array || f->type == TYPE_STRING || f->type == TYPE_BYTES || f->type == TYPE_RECORDS) {
            if (range_empty(f->nulls))
                complain(file, f->line, "%s is never null", f->name);
            return;
        }
        complain(file, f->line, "%s cannot be null by default (a nullable struct always is)", f->name);
    }
    if (f->array || f->type == TYPE_STRUCT || f->type == TYPE_UUID || f->type == TYPE_BYTES || f->type == TYPE_RECORDS)
        complain(file, f->line, "%s: this type has no such default", f->name);
    if (f->type == TYPE_STRING) {
        size_t size = strlen(text);
        if (size < 3 || text[0] != '"' || text[size - 1] != '"' || strpbrk(text, "\\") ||
            strchr(text + 1, '"') != text + size - 1)
            complain(file, f->line, "%s: a default text is \"text\"; without one it is empty", f->name);
    } else if (f->type == TYPE_BOOL) {
        if (strcmp(text, "true"))
            complain(file, f->line, "%s: the only default to write is true", f->name);
    } else {
        long long value = strtoll(text, &end, 10);
        if (*end || value == 0)
            complain(file, f->line, "%s: \"%s\" is no number other than 0", f->name, text);
    }
}

static void resolve(struct structure *s, struct field *f)
{
    struct message *m = s->message;
    if (f->type != TYPE_STRUCT)
        return;
    struct structure *found = NULL;
    for (size_t i = 0; i < m->structure_count; i++)
        if (!strcmp(m->structures[i]->name, f->struct_name))
            found = m->structures[i];
    if (!found)
        complain(m->file, f->line, "%s has no fields and no `struct %s`", f->name, f->struct_name);
    if (!found->shared && found != f->structure)
        complain(m->file, f->line, "%s belongs to line %d; share it with `struct`", found->name, found->line);
    f->structure = found;
    found->used = true;
}

/* The decoder recurses as deep as structs are nested: a circle of shared ones must not exist. */
static void check_depth(const struct structure *s, int depth)
{
    if (depth > DEPTH_MAX)
        complain(s->message->file, s->line, "%s is nested more than %d deep, or within itself", s->name, DEPTH_MAX);
    for (size_t i = 0; i < s->field_count; i++)
        if (s->fields[i].structure)
            check_depth(s->fields[i].structure, depth + 1);
}

static void check_structure(struct structure *s)
{
    for (size_t i = 0; i < s->field_count; i++) {
        struct field *f = &s->fields[i];
        resolve(s, f);
        check_name(s, f);
        check_tag(s, f);
        check_initial(s, f);
        if (!range_empty(f->nulls) && !f->array && f->type != TYPE_STRING && f->type != TYPE_BYTES &&
            f->type != TYPE_RECORDS && f->type != TYPE_STRUCT)
            complain(s->message->file, f->line, "%s: this type cannot be null", f->name);
    }
}

static int field_min(const struct field *f, int version, bool flexible)
{
    const struct type_row *row = &types[f->type];
    if (f->array)
        return flexible ? 1 : 4;
    if (f->type == TYPE_STRUCT)
        return is_pointer(f) && range_has(f->nulls, version) ? 1 : wire_min(f->structure, version);
    return row->wire_bytes ? row->wire_bytes : flexible ? 1 : row->length_bytes;
}

int wire_min(const struct structure *s, int version)
{
    bool flexible = version >= s->message->flexible_from;
    int size = flexible ? 1 : 0;
    for (size_t i = 0; i < s->field_count; i++) {
        const struct field *f = &s->fields[i];
        if (range_has(f->versions, version) && !range_has(f->tagged, version))
            size += field_min(f, version, flexible);
    }
    return size;
}

/* A struct of no bytes would let a few bytes of input claim any number of elements. */
static void check_sizes(const struct structure *s)
{
    for (size_t i = 0; i < s->field_count; i++) {
        const struct field *f = &s->fields[i];
        for (int v = f->versions.lo; f->array && f->type == TYPE_STRUCT && v <= f->versions.hi; v++)
            if (wire_min(f->structure, v) == 0)
                complain(s->message->file, f->line, "an element of %s has no bytes in version %d", f->name, v);
    }
}

static int by_key(const void *a, const void *b)
{
    return ((const struct api *)a)->key - ((const struct api *)b)->key;
}

void check_model(struct model *model)
{
    for (size_t i = 0; i < model->message_count; i++) {
        struct message *m = model->messages[i];
        check_structure(m->root);
        for (size_t k = 0; k < m->structure_count; k++)
            check_structure(m->structures[k]);
        check_depth(m->root, 1);
        for (size_t k = 0; k < m->structure_count; k++)
            if (!m->structures[k]->used)
                complain(m->file, m->structures[k]->line, "no field has the type %s", m->structures[k]->name);
        check_sizes(m->root);
        for (size_t k = 0; k < m->structure_count; k++)
            check_sizes(m->structures[k]);
    }
    if (model->api_count)
        qsort(model->apis, model->api_count, sizeof *model->apis, by_key);
    for (size_t i = 0; i < model->api_count; i++) {
        struct api *api = &model->apis[i];
        if (!api->request || !api->response)
            complain(api->name, 0, "has no request or no response");
        if (i && api[-1].key == api->key)
            complain(api->request->file, 0, "key %d is %s already", api->key, api[-1].name);
    }
}
