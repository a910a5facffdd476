/* A pattern becomes a tree, the tree a program, the program is run over all its threads at once.
 *
 *      text --parse--> nodes: alternatives of sequences of pieces --emit--> SET s | SPLIT x, y | BEGIN | END | MATCH
 *
 * Matching keeps the set of instructions that could come next and moves it along, byte by byte (Thompson's way): no
 * backtracking, so no name can make it slow.  Bounds: the text, the depth of groups, the instructions, and the steps
 * of emitting, because empty groups repeated in one another cost steps without instructions. */
#include "base/pattern.h"

#include <stdarg.h>
#include <stdio.h>

#define DEPTH_MAX  50      /* of groups in groups */
#define REPEAT_MAX 1000    /* as RE2 */
#define STEPS_MAX  1000000 /* of emitting */
#define NONE       UINT16_MAX

enum node_kind { NODE_SET, NODE_GROUP, NODE_REPEAT, NODE_BEGIN, NODE_END };
enum operation { OP_SET, OP_SPLIT, OP_BEGIN, OP_END, OP_MATCH };

struct byte_set {
    uint32_t bits[8];
};

struct node {
    uint8_t kind;              /* enum node_kind */
    bool alternative;          /* begins another alternative of its group */
    uint16_t child;            /* NODE_GROUP: the first of its pieces; NODE_REPEAT: what is repeated; NONE: nothing */
    uint16_t next;             /* in the same group; NONE: the last */
    uint16_t minimum, maximum; /* NODE_REPEAT; maximum NONE: no limit */
    struct byte_set set;
};

struct instruction {
    uint8_t operation; /* enum operation */
    uint16_t x, y;     /* SPLIT: both; else x: the next one */
    uint16_t set;      /* SET: index of the node that has it */
};

struct kci_pattern {
    const struct kci_alloc *alloc;
    struct node *nodes; /* owned; as many as the text has bytes, and one for each repetition, and one more */
    uint16_t node_count;
    struct instruction *code; /* owned */
    uint16_t code_count, code_capacity;
    /* scratch of matching, owned, code_count each */
    uint16_t *now, *then, *stack;
    uint32_t *seen; /* round in which the instruction was reached last */
    uint32_t round;
};

struct parser {
    struct kci_pattern *pattern;
    const char *text, *at;
    bool ignore_case;
    int depth;
    size_t steps;
    char *why;
    size_t why_size;
    bool failed;
};

static void fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct parser *p, const char *format, ...)
{
    va_list arguments;
    if (p->failed)
        return; /* the first one says most */
    p->failed = true;
    va_start(arguments, format);
    vsnprintf(p->why, p->why_size, format, arguments);
    va_end(arguments);
}

/* ---- sets of bytes ---- */

static void add(struct byte_set *set, unsigned byte)
{
    set->bits[byte / 32] |= 1u << byte % 32;
}

static bool has(const struct byte_set *set, unsigned byte)
{
    return set->bits[byte / 32] >> byte % 32 & 1;
}

static void add_range(struct byte_set *set, unsigned from, unsigned to)
{
    for (unsigned byte = from; byte <= to; byte++)
        add(set, byte);
}

static void invert(struct byte_set *set)
{
    for (int i = 0; i < 8; i++)
        set->bits[i] = ~set->bits[i];
}

/* \d and its kin. false: it is none of them. */
static bool class_of(char letter, struct byte_set *out)
{
    *out = (struct byte_set){ { 0 } };
    switch (letter | 0x20) {
    case 'd':
        add_range(out, '0', '9');
        break;
    case 'w':
        add_range(out, '0', '9');
        add_range(out, 'a', 'z');
        add_range(out, 'A', 'Z');
        add(out, '_');
        break;
    case 's':
        add_range(out, '\t', '\r');
        add(out, ' ');
        break;
    default:
        return false;
    }
    if (letter < 'a')
        invert(out);
    return true;
}

static void both_cases(const struct parser *p, struct byte_set *set)
{
    for (unsigned byte = 'a'; p->ignore_case && byte <= 'z'; byte++)
        if (has(set, byte) || has(set, byte - 32)) {
            add(set, byte);
            add(set, byte - 32);
        }
}

/* ---- parsing ---- */

static uint16_t new_node(struct parser *p, enum node_kind kind)
{
    struct node *node = &p->pattern->nodes[p->pattern->node_count];
    *node = (struct node){ .kind = (uint8_t)kind, .child = NONE, .next = NONE };
    return p->pattern->node_count++;
}

/* The byte that an escape outside of classes stands for. */
static unsigned escaped(struct parser *p)
{
    char letter = *p->at ? *p->at++ : 0;
    if (letter == 'n')
        return '\n';
    if (letter == 't')
        return '\t';
    if (letter == 'r')
        return '\r';
    if ((letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'))
        fail(p, "\\%c at position %td is not supported", letter, p->at - p->text - 1);
    else if (!letter)
        fail(p, "the pattern ends behind a \\");
    return (unsigned char)letter;
}

/* Behind the opening bracket. */
static void parse_set(struct parser *p, struct byte_set *set)
{
    bool inverse = *p->at == '^';
    p->at += inverse;
    for (bool first = true; *p->at != ']' || first; first = false) {
        struct byte_set class;
        if (!*p->at || p->failed || (p->at[0] == '[' && p->at[1] == ':')) {
            fail(p, *p->at ? "[: :] at position %td is not supported" : "a [ is not closed (position %td)",
                 p->at - p->text);
            return;
        }
        if (p->at[0] == '\\' && class_of(p->at[1], &class)) {
            for (int i = 0; i < 8; i++)
                set->bits[i] |= class.bits[i];
            p->at += 2;
            continue;
        }
        unsigned from = (unsigned char)*p->at++, to;
        from = from == '\\' ? escaped(p) : from;
        to = from;
        if (p->at[0] == '-' && p->at[1] && p->at[1] != ']') {
            p->at++;
            to = (unsigned char)*p->at++;
            to = to == '\\' ? escaped(p) : to;
        }
        if (to < from)
            fail(p, "a range at position %td goes backwards", p->at - p->text);
        add_range(set, from, to);
    }
    p->at++;
    both_cases(p, set);
    if (inverse)
        invert(set);
}

static uint16_t parse_group(struct parser *p);

static uint16_t parse_atom(struct parser *p)
{
    char c = *p->at++;
    if (c == '(') {
        if (p->at[0] == '?' && p->at[1] == ':')
            p->at += 2;
        else if (p->at[0] == '?')
            fail(p, "(?%c at position %td is not supported", p->at[1], p->at - p->text - 1);
        uint16_t group = parse_group(p);
        if (*p->at == ')')
            p->at++;
        else
            fail(p, "a ( is not closed");
        return group;
    }
    if (c == '^' || c == '$')
        return new_node(p, c == '^' ? NODE_BEGIN : NODE_END);
    uint16_t index = new_node(p, NODE_SET);
    struct byte_set *set = &p->pattern->nodes[index].set;
    if (c == '*' || c == '+' || c == '?' || c == '{') {
        fail(p, "nothing to repeat at position %td", p->at - p->text - 1);
    } else if (c == '[') {
        parse_set(p, set);
    } else if (c == '.') {
        add(set, '\n');
        invert(set);
    } else if (c == '\\' && class_of(*p->at, set)) {
        p->at++;
    } else {
        add(set, c == '\\' ? escaped(p) : (unsigned char)c);
        both_cases(p, set);
    }
    return index;
}

static uint16_t number(struct parser *p)
{
    unsigned value = 0;
    const char *begin = p->at;
    while (*p->at >= '0' && *p->at <= '9' && value <= REPEAT_MAX)
        value = value * 10 + (unsigned)(*p->at++ - '0');
    if (p->at == begin || value > REPEAT_MAX)
        fail(p, "a count of 0 to %d is missing at position %td", REPEAT_MAX, begin - p->text);
    return (uint16_t)(value > REPEAT_MAX ? 0 : value);
}

/* How often; false: once. */
static bool parse_count(struct parser *p, uint16_t *minimum, uint16_t *maximum)
{
    char c = *p->at;
    if (c != '*' && c != '+' && c != '?' && c != '{')
        return false;
    p->at++;
    *minimum = c == '+';
    *maximum = c == '?' ? 1 : NONE;
    if (c == '{') {
        *minimum = *maximum = number(p);
        if (*p->at == ',') {
            p->at++;
            *maximum = *p->at == '}' ? NONE : number(p);
        }
        if (*p->at != '}' || *maximum < *minimum)
            fail(p, "{ } at position %td is not a count", p->at - p->text);
        else
            p->at++;
    }
    if (*p->at == '?') /* lazy: the same, when all must match */
        p->at++;
    else if (*p->at == '+')
        fail(p, "possessive repetition at position %td is not supported", p->at - p->text);
    return true;
}

/* Alternatives of sequences, up to ')' or the end. */
static uint16_t parse_group(struct parser *p)
{
    uint16_t group = new_node(p, NODE_GROUP), last = NONE;
    bool alternative = false;
    if (++p->depth > DEPTH_MAX)
        fail(p, "more than %d groups in one another", DEPTH_MAX);
    while (*p->at && *p->at != ')' && !p->failed) {
        uint16_t piece, minimum, maximum;
        if (*p->at == '|') { /* an empty sequence stands for itself, so that "(a|)" matches nothing, too */
            p->at++;
            piece = new_node(p, NODE_GROUP);
            alternative = true;
        } else {
            piece = parse_atom(p);
            if (!p->failed && parse_count(p, &minimum, &maximum)) {
                uint16_t repeat = new_node(p, NODE_REPEAT);
                p->pattern->nodes[repeat].child = piece;
                p->pattern->nodes[repeat].minimum = minimum;
                p->pattern->nodes[repeat].maximum = maximum;
                piece = repeat;
            }
        }
        p->pattern->nodes[piece].alternative = alternative;
        alternative = false;
        if (last == NONE)
            p->pattern->nodes[group].child = piece;
        else
            p->pattern->nodes[last].next = piece;
        last = piece;
    }
    p->depth--;
    return group;
}

/* ---- emitting ---- */

static uint16_t emit(struct parser *p, enum operation operation, uint16_t x, uint16_t y, uint16_t set)
{
    struct kci_pattern *pattern = p->pattern;
    if (pattern->code_count == pattern->code_capacity) {
        uint16_t capacity = pattern->code_capacity ? (uint16_t)(pattern->code_capacity * 2) : 64;
        if (capacity > KCI_PATTERN_INSTRUCTIONS_MAX)
            capacity = KCI_PATTERN_INSTRUCTIONS_MAX;
        struct instruction *code = capacity > pattern->code_count
                                       ? kci_alloc_resize(pattern->alloc, pattern->code, capacity * sizeof *code)
                                       : NULL;
        if (!code) {
            fail(p, capacity > pattern->code_count ? "out of memory" : "the pattern repeats too much");
            return 0;
        }
        pattern->code = code;
        pattern->code_capacity = capacity;
    }
    pattern->code[pattern->code_count] = (struct instruction){ (uint8_t)operation, x, y, set };
    return pattern->code_count++;
}

static uint16_t emit_node(struct parser *p, uint16_t index, uint16_t then);

/* The program of what comes behind is there already, and `then` is where it begins: so code is emitted from the end to
 * the beginning, and each piece returns its entry. */
static uint16_t emit_repeat(struct parser *p, const struct node *node, uint16_t then)
{
    uint16_t entry = then;
    if (node->maximum == NONE) {
        uint16_t split = emit(p, OP_SPLIT, then, then, NONE);
        uint16_t body = emit_node(p, node->child, split);
        if (!p->failed)
            p->pattern->code[split].x = body;
        entry = split;
    }
    for (uint16_t i = node->minimum; node->maximum != NONE && i < node->maximum && !p->failed; i++)
        entry = emit(p, OP_SPLIT, emit_node(p, node->child, entry), then, NONE);
    for (uint16_t i = 0; i < node->minimum && !p->failed; i++)
        entry = emit_node(p, node->child, entry);
    return entry;
}

/* The pieces from `first` up to the next alternative, last one first. */
static uint16_t emit_sequence(struct parser *p, uint16_t first, uint16_t then)
{
    const struct node *nodes = p->pattern->nodes;
    uint16_t pieces[KCI_PATTERN_BYTES_MAX], count = 0;
    for (uint16_t i = first; i != NONE && (i == first || !nodes[i].alternative); i = nodes[i].next)
        pieces[count++] = i;
    while (count && !p->failed)
        then = emit_node(p, pieces[--count], then);
    return then;
}

static uint16_t emit_group(struct parser *p, const struct node *node, uint16_t then)
{
    const struct node *nodes = p->pattern->nodes;
    uint16_t entry = NONE;
    if (node->child == NONE)
        return then;
    /* "|a": the first alternative is empty when the group begins with another one */
    if (nodes[node->child].alternative)
        entry = then;
    for (uint16_t i = node->child; i != NONE && !p->failed; i = nodes[i].next) {
        if (i != node->child && !nodes[i].alternative)
            continue;
        uint16_t one = emit_sequence(p, i, then);
        entry = entry == NONE ? one : emit(p, OP_SPLIT, entry, one, NONE);
    }
    return entry;
}

static uint16_t emit_node(struct parser *p, uint16_t index, uint16_t then)
{
    const struct node *node = &p->pattern->nodes[index];
    if (++p->steps > STEPS_MAX)
        fail(p, "the pattern repeats too much");
    if (p->failed)
        return then;
    switch ((enum node_kind)node->kind) {
    case NODE_SET:
        return emit(p, OP_SET, then, NONE, index);
    case NODE_BEGIN:
        return emit(p, OP_BEGIN, then, NONE, NONE);
    case NODE_END:
        return emit(p, OP_END, then, NONE, NONE);
    case NODE_REPEAT:
        return emit_repeat(p, node, then);
    case NODE_GROUP:
        break;
    }
    return emit_group(p, node, then);
}

/* ---- matching ---- */

/* Add what can be reached from `start` without a byte. */
static size_t reach(struct kci_pattern *p, uint16_t *list, size_t count, uint16_t start, bool begins, bool ends)
{
    size_t depth = 0;
    if (p->seen[start] == p->round)
        return count;
    p->seen[start] = p->round;
    p->stack[depth++] = start;
    while (depth) {
        uint16_t at = p->stack[--depth];
        const struct instruction *i = &p->code[at];
        uint16_t next[2] = { NONE, NONE };
        if (i->operation == OP_SPLIT || (i->operation == OP_BEGIN && begins) || (i->operation == OP_END && ends))
            next[0] = i->x;
        if (i->operation == OP_SPLIT)
            next[1] = i->y;
        if (i->operation == OP_SET || i->operation == OP_MATCH)
            list[count++] = at;
        for (int k = 0; k < 2; k++)
            if (next[k] != NONE && p->seen[next[k]] != p->round) {
                p->seen[next[k]] = p->round;
                p->stack[depth++] = next[k];
            }
    }
    return count;
}

bool kci_pattern_match(struct kci_pattern *p, struct kci_str name)
{
    if (p->round > UINT32_MAX / 2) { /* one for each byte that was ever matched: in time, before it wraps */
        memset(p->seen, 0, p->code_count * sizeof *p->seen);
        p->round = 0;
    }
    p->round++;
    size_t count = reach(p, p->now, 0, (uint16_t)(p->code_count - 1), true, name.size == 0);
    for (size_t n = 0; n < name.size && count; n++) {
        size_t found = 0;
        p->round++;
        for (size_t i = 0; i < count; i++) {
            const struct instruction *code = &p->code[p->now[i]];
            if (code->operation == OP_SET && has(&p->nodes[code->set].set, (unsigned char)name.data[n]))
                found = reach(p, p->then, found, code->x, false, n + 1 == name.size);
        }
        uint16_t *swap = p->now;
        p->now = p->then;
        p->then = swap;
        count = found;
    }
    for (size_t i = 0; i < count; i++)
        if (p->code[p->now[i]].operation == OP_MATCH)
            return true;
    return false;
}

/* ---- life ---- */

void kci_pattern_destroy(struct kci_pattern *p)
{
    if (!p)
        return;
    kci_alloc_free(p->alloc, p->nodes);
    kci_alloc_free(p->alloc, p->code);
    kci_alloc_free(p->alloc, p->now);
    kci_alloc_free(p->alloc, p->then);
    kci_alloc_free(p->alloc, p->stack);
    kci_alloc_free(p->alloc, p->seen);
    kci_alloc_free(p->alloc, p);
}

static void compile(struct parser *p)
{
    struct kci_pattern *pattern = p->pattern;
    if (strncmp(p->at, "(?i)", 4) == 0) {
        p->ignore_case = true;
        p->at += 4;
    }
    uint16_t root = parse_group(p);
    if (*p->at == ')')
        fail(p, "a ) at position %td closes nothing", p->at - p->text);
    uint16_t entry = p->failed ? 0 : emit_node(p, root, emit(p, OP_MATCH, NONE, NONE, NONE));
    if (!p->failed) /* the last instruction is the first one to run */
        emit(p, OP_SPLIT, entry, entry, NONE);
    if (p->failed)
        return;
    pattern->now = kci_alloc_zero(pattern->alloc, pattern->code_count, sizeof *pattern->now);
    pattern->then = kci_alloc_zero(pattern->alloc, pattern->code_count, sizeof *pattern->then);
    pattern->stack = kci_alloc_zero(pattern->alloc, pattern->code_count, sizeof *pattern->stack);
    pattern->seen = kci_alloc_zero(pattern->alloc, pattern->code_count, sizeof *pattern->seen);
    if (!pattern->now || !pattern->then || !pattern->stack || !pattern->seen)
        fail(p, "out of memory");
}

struct kci_pattern *kci_pattern_compile(const struct kci_alloc *alloc, const char *text, char *why, size_t why_size)
{
    size_t size = strlen(text);
    struct kci_pattern *pattern = kci_alloc_zero(alloc, 1, sizeof *pattern);
    struct parser p = { .pattern = pattern, .text = text, .at = text, .why = why, .why_size = why_size };
    if (size > KCI_PATTERN_BYTES_MAX)
        fail(&p, "longer than %d bytes", KCI_PATTERN_BYTES_MAX);
    if (pattern) {
        pattern->alloc = alloc;
        pattern->nodes = p.failed ? NULL : kci_alloc_zero(alloc, 2 * size + 2, sizeof *pattern->nodes);
    }
    if (!pattern || !pattern->nodes)
        fail(&p, "out of memory");
    else
        compile(&p);
    if (p.failed) {
        kci_pattern_destroy(pattern);
        return NULL;
    }
    return pattern;
}
