/* The schema notation -> model.  schema/README.md describes the notation for people; in short, line by line:
 *
 *   api NAME KEY versions RANGE flexible RANGE|none      two messages, NAMERequest and NAMEResponse, follow as
 *   request | response                                   their fields, indented by two spaces
 *   message NAME versions RANGE flexible RANGE|none      one message that is no API
 *   struct NAME                                          fields shared by several fields of the message
 *   FIELD: [[]]TYPE[?] [vRANGE] [null vRANGE] [tag N [vRANGE]] [= VALUE] [ignorable] [secret]
 *
 * The fields of a nested struct follow its field, indented by two more.  `?`: null wherever the field exists.  A range
 * is 3, 3-5 or 3+; what is left out is inherited.  Everything after # is a comment. */
#include "model.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 16 /* words of one line */

struct parser {
    struct model *model;
    const char *file;
    int line;
    struct range versions; /* of the api or message */
    int flexible_from;
    struct api *api;                       /* NULL in a `message` file */
    struct message *message;               /* whose fields are being read; NULL: none yet */
    struct structure *open[DEPTH_MAX + 1]; /* by depth: who owns a field of that depth */
    char *words[WORDS_MAX];
    size_t word_count;
};

static int number_at(struct parser *p, const char *text, char **end)
{
    long value = strtol(text, end, 10);
    if (*end == text || value < 0 || value >= VERSION_OPEN)
        complain(p->file, p->line, "a version number is expected at \"%s\"", text);
    return (int)value;
}

/* "3", "3-5", "3+"; clipped above to `outer`. */
static struct range range_of(struct parser *p, const char *text, struct range outer)
{
    char *end;
    struct range r;
    r.lo = r.hi = number_at(p, text, &end);
    if (*end == '-')
        r.hi = number_at(p, end + 1, &end);
    else if (*end == '+') {
        r.hi = outer.hi;
        end++;
    }
    if (*end || range_empty(r) || !range_within(r, outer))
        complain(p->file, p->line, "\"%s\" is no range within versions %d-%d", text, outer.lo, outer.hi);
    return r;
}

static struct structure *structure_new(struct parser *p, const char *name, struct range versions)
{
    struct structure *s = take(sizeof *s);
    *s = (struct structure){ .name = name, .message = p->message, .versions = versions, .line = p->line, .path = "" };
    return s;
}

static struct structure *structure_add(struct parser *p, const char *name, struct range versions)
{
    struct message *m = p->message;
    for (size_t i = 0; i < m->structure_count; i++)
        if (!strcmp(m->structures[i]->name, name))
            complain(p->file, p->line, "%s is described twice; share it with `struct %s`", name, name);
    struct structure *s = structure_new(p, name, versions);
    s->c_name = text_of("%s__%s", m->root->c_name, snake_of(name, false));
    m->structures = grow(m->structures, m->structure_count, sizeof *m->structures);
    m->structures[m->structure_count++] = s;
    return s;
}

static struct message *message_new(struct parser *p, const char *name)
{
    struct message *m = take(sizeof *m);
    *m = (struct message){ .file = p->file, .name = name, .versions = p->versions, .flexible_from = p->flexible_from };
    p->message = m;
    m->root = structure_new(p, name, p->versions);
    m->root->c_name = text_of("kci_%s", snake_of(name, false));
    p->model->messages = grow(p->model->messages, p->model->message_count, sizeof *p->model->messages);
    p->model->messages[p->model->message_count++] = m;
    memset(p->open, 0, sizeof p->open);
    p->open[1] = m->root;
    return m;
}

/* `versions RANGE flexible RANGE|none`, from word `at` on. */
static void head_versions(struct parser *p, size_t at)
{
    char **w = p->words;
    if (p->word_count != at + 4 || strcmp(w[at], "versions") || strcmp(w[at + 2], "flexible"))
        complain(p->file, p->line, "expected: versions RANGE flexible RANGE|none");
    p->versions = range_of(p, w[at + 1], (struct range){ 0, VERSION_OPEN });
    if (p->versions.hi == VERSION_OPEN)
        complain(p->file, p->line, "the versions of a message must end");
    p->flexible_from =
        strcmp(w[at + 3], "none") ? range_of(p, w[at + 3], (struct range){ 0, VERSION_OPEN }).lo : VERSION_OPEN;
}

static void head_line(struct parser *p)
{
    char **w = p->words;
    if (!strcmp(w[0], "api") && p->word_count > 3) {
        char *end;
        head_versions(p, 3);
        p->model->apis = grow(p->model->apis, p->model->api_count, sizeof *p->model->apis);
        p->api = &p->model->apis[p->model->api_count++];
        *p->api = (struct api){ .name = w[1], .key = number_at(p, w[2], &end) };
        p->message = NULL;
    } else if (!strcmp(w[0], "message") && p->word_count > 2) {
        head_versions(p, 2);
        p->api = NULL;
        message_new(p, w[1]);
    } else if (p->api && p->word_count == 1 && !strcmp(w[0], "request") && !p->api->request) {
        p->api->request = message_new(p, text_of("%sRequest", p->api->name));
    } else if (p->api && p->word_count == 1 && !strcmp(w[0], "response") && !p->api->response) {
        p->api->response = message_new(p, text_of("%sResponse", p->api->name));
    } else {
        complain(p->file, p->line, "expected api, message, request or response, once each");
    }
}

/* "[]Name?" -> array, type, struct name; true when it ends with `?`. */
static bool field_type(struct parser *p, struct field *f, char *text)
{
    size_t size = strlen(text);
    bool nullable = size && text[size - 1] == '?';
    if (nullable)
        text[size - 1] = 0;
    f->array = !strncmp(text, "[]", 2);
    text += f->array ? 2 : 0;
    for (f->type = 0; f->type < TYPE_STRUCT; f->type++)
        if (!strcmp(text, types[f->type].notation))
            return nullable;
    if (!isupper((unsigned char)text[0]))
        complain(p->file, p->line, "\"%s\" is no type", text);
    f->struct_name = text;
    return nullable;
}

/* The words after the type. */
static void field_attributes(struct parser *p, struct field *f, bool nullable, struct range outer)
{
    size_t i = 2, n = p->word_count;
    char **w = p->words;
    if (i < n && w[i][0] == 'v' && isdigit((unsigned char)w[i][1]))
        f->versions = range_of(p, w[i++] + 1, outer);
    if (nullable)
        f->nulls = f->versions;
    while (i < n) {
        if (!strcmp(w[i], "null") && i + 1 < n && w[i + 1][0] == 'v') {
            f->nulls = range_of(p, w[i + 1] + 1, f->versions);
            i += 2;
        } else if (!strcmp(w[i], "tag") && i + 1 < n) {
            char *end;
            f->tag = number_at(p, w[i + 1], &end);
            f->tagged = f->versions;
            i += 2;
            if (i < n && w[i][0] == 'v')
                f->tagged = range_of(p, w[i++] + 1, f->versions);
        } else if (!strcmp(w[i], "=") && i + 1 < n) {
            f->initial = w[i + 1];
            i += 2;
        } else if (!strcmp(w[i], "ignorable")) {
            f->ignorable = true;
            i++;
        } else if (!strcmp(w[i], "secret")) {
            f->secret = true;
            i++;
        } else {
            complain(p->file, p->line, "\"%s\" is not understood here", w[i]);
        }
    }
}

static void field_line(struct parser *p, size_t depth)
{
    struct structure *owner = depth <= DEPTH_MAX ? p->open[depth] : NULL;
    if (!owner)
        complain(p->file, p->line, "nothing above this line has fields at this indentation");
    memset(&p->open[depth + 1], 0, (DEPTH_MAX - depth) * sizeof p->open[0]);
    if (!strcmp(p->words[0], "struct") && p->word_count == 2 && depth == 1) {
        struct structure *s = structure_add(p, p->words[1], p->versions);
        s->shared = true;
        s->path = s->name;
        p->open[depth + 1] = s;
        return;
    }
    size_t size = strlen(p->words[0]);
    if (p->word_count < 2 || size < 2 || p->words[0][size - 1] != ':')
        complain(p->file, p->line, "expected: name: type");
    p->words[0][size - 1] = 0;
    owner->fields = grow(owner->fields, owner->field_count, sizeof *owner->fields);
    struct field *f = &owner->fields[owner->field_count++];
    *f = (struct field){ .name = p->words[0], .versions = owner->versions, .line = p->line, .tag = -1 };
    f->nulls = f->tagged = (struct range){ 1, 0 };
    bool nullable = field_type(p, f, p->words[1]);
    field_attributes(p, f, nullable, owner->versions);
}

/* The first field below a field of struct type: what follows describes that struct. */
static void open_struct(struct parser *p, size_t depth)
{
    struct structure *parent = depth > 1 && depth <= DEPTH_MAX ? p->open[depth - 1] : NULL;
    if (!parent || p->open[depth] || !parent->field_count)
        return;
    struct field *f = &parent->fields[parent->field_count - 1];
    if (f->type != TYPE_STRUCT)
        return;
    f->structure = structure_add(p, f->struct_name, f->versions);
    f->structure->path = text_of("%s%s%s", parent->path, parent->path[0] ? "." : "", f->name);
    p->open[depth] = f->structure;
}

static void split(struct parser *p, char *line)
{
    p->word_count = 0;
    for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
        if (word[0] == '#')
            break;
        if (p->word_count == WORDS_MAX)
            complain(p->file, p->line, "more than %d words", WORDS_MAX);
        p->words[p->word_count++] = text_of("%s", word);
    }
}

void parse_file(struct model *model, const char *path)
{
    struct parser p = { .model = model, .file = path };
    char line[512];
    FILE *in = fopen(path, "r");
    if (!in)
        complain(path, 0, "cannot be opened");
    while (fgets(line, sizeof line, in)) {
        p.line++;
        if (!strchr(line, '\n') || strchr(line, '\t') || strchr(line, '\r'))
            complain(path, p.line, "a line is less than 500 characters, ends with a newline and has no tab");
        size_t indent = strspn(line, " ");
        split(&p, line);
        if (!p.word_count)
            continue;
        if (indent % 2)
            complain(path, p.line, "indentation is two spaces a level");
        open_struct(&p, indent / 2);
        if (indent == 0)
            head_line(&p);
        else if (p.message)
            field_line(&p, indent / 2);
        else
            complain(path, p.line, "fields belong to a request, response or message");
    }
    fclose(in);
}
