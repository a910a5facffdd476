/* Patterns of the RE2 syntax: Kafka compiles them with RE2/J, which has no back references and no look-around, and so
 * needs time in proportion to the text whatever the pattern is.
 *
 *      text --re2_parse.c--> steps --match--> all steps that could come next, moved along byte by byte (Thompson's way)
 *
 * Only ASCII can be matched: names of topics have nothing else, nor do sensible transactional ids.  Which of several
 * ways a pattern matches does not matter here, so lazy operators are read and forgotten, and groups capture nothing.
 *
 * Building appends to one array.  A piece is a run of steps whose jumps stay within it or lead right behind it: so it can
 * be moved (insert) and copied (repeat).  The number of steps is bounded, and so is the time. */
#include "mockbroker/core/re2_program.h"

#define TOO_LARGE "expression is too large"

static const struct mb_re2_set nothing;

/* ---- building ---- */

/* Room for `more` steps. */
static bool grow(struct mb_re2 *re2, size_t more)
{
    if (re2->no_memory || re2->too_large)
        return false;
    if (more > MB_RE2_STEPS_MAX || re2->count + more > MB_RE2_STEPS_MAX) {
        re2->too_large = true;
        return false;
    }
    if (re2->count + more <= re2->capacity)
        return true;
    size_t capacity = 2 * (re2->count + more);
    struct mb_re2_step *steps = kci_alloc_resize(re2->alloc, re2->steps, capacity * sizeof *steps);
    re2->no_memory = !steps;
    if (!steps)
        return false;
    re2->steps = steps;
    re2->capacity = capacity;
    return true;
}

void mb_re2_add(struct mb_re2 *re2, enum mb_re2_operation operation, int32_t to, struct mb_re2_set set)
{
    if (grow(re2, 1))
        re2->steps[re2->count++] = (struct mb_re2_step){ .operation = (uint8_t)operation, .to = to, .set = set };
}

void mb_re2_insert(struct mb_re2 *re2, size_t at, enum mb_re2_operation operation, int32_t to)
{
    if (!grow(re2, 1))
        return;
    memmove(&re2->steps[at + 1], &re2->steps[at], (re2->count - at) * sizeof *re2->steps);
    re2->steps[at] = (struct mb_re2_step){ .operation = (uint8_t)operation, .to = to };
    re2->count++;
}

static void copy(struct mb_re2 *re2, size_t from, size_t size)
{
    if (!size || !grow(re2, size))
        return;
    memcpy(&re2->steps[re2->count], &re2->steps[from], size * sizeof *re2->steps);
    re2->count += size;
}

/* x{2,}: x x again?     x{0,}: (x again)?     x{2,4}: x x x? x?     x{0,2}: x? x? */
void mb_re2_repeat(struct mb_re2 *re2, size_t at, int32_t minimum, int32_t maximum)
{
    size_t size = re2->count - at, from = at;
    if (maximum == 0) {
        re2->count = at;
        return;
    }
    if (minimum == 0) {
        mb_re2_insert(re2, at, MB_RE2_SPLIT, (int32_t)size + (maximum < 0 ? 2 : 1));
        from++;
    }
    for (int32_t i = 1; i < minimum && !re2->too_large && !re2->no_memory; i++)
        copy(re2, from, size);
    if (maximum < 0 && minimum == 0)
        mb_re2_add(re2, MB_RE2_JUMP, -(int32_t)size - 1, nothing);
    else if (maximum < 0)
        mb_re2_add(re2, MB_RE2_SPLIT, -(int32_t)size, nothing);
    for (int32_t i = minimum ? minimum : 1; i < maximum && !re2->too_large && !re2->no_memory; i++) {
        mb_re2_add(re2, MB_RE2_SPLIT, (int32_t)size + 1, nothing);
        copy(re2, from, size);
    }
}

struct mb_re2 *mb_re2_compile(const struct kci_alloc *alloc, struct kci_str pattern, const char **why)
{
    struct mb_re2 *re2 = kci_alloc_zero(alloc, 1, sizeof *re2);
    *why = NULL;
    if (!re2)
        return NULL;
    re2->alloc = alloc;
    *why = pattern.size > MB_RE2_BYTES_MAX ? TOO_LARGE : mb_re2_parse(re2, pattern);
    if (!*why && re2->too_large)
        *why = TOO_LARGE;
    size_t places = re2->count + 1;
    if (!*why && !re2->no_memory) {
        re2->now = kci_alloc_new(alloc, places * sizeof *re2->now);
        re2->then = kci_alloc_new(alloc, places * sizeof *re2->then);
        re2->stack = kci_alloc_new(alloc, places * sizeof *re2->stack);
        re2->seen = kci_alloc_zero(alloc, places, sizeof *re2->seen);
    }
    if (re2->now && re2->then && re2->stack && re2->seen)
        return re2;
    mb_re2_free(re2);
    return NULL;
}

void mb_re2_free(struct mb_re2 *re2)
{
    if (!re2)
        return;
    kci_alloc_free(re2->alloc, re2->steps);
    kci_alloc_free(re2->alloc, re2->now);
    kci_alloc_free(re2->alloc, re2->then);
    kci_alloc_free(re2->alloc, re2->stack);
    kci_alloc_free(re2->alloc, re2->seen);
    kci_alloc_free(re2->alloc, re2);
}

/* ---- matching ---- */

static bool is_word(struct kci_str text, size_t at)
{
    char c = at < text.size ? text.data[at] : ' ';
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool holds(const struct mb_re2_step *step, struct kci_str text, size_t at)
{
    bool edge = (at > 0 && is_word(text, at - 1)) != is_word(text, at);
    switch ((enum mb_re2_operation)step->operation) {
    case MB_RE2_BEGIN:
        return at == 0;
    case MB_RE2_END:
        return at == text.size;
    case MB_RE2_EDGE:
        return edge;
    default:
        return !edge; /* MB_RE2_NO_EDGE */
    }
}

/* Reach the step, and all that can be reached from it without taking a byte; each once a round, so nothing goes round
 * for ever and each has a place on the stack. */
static void reach(struct mb_re2 *re2, int32_t first, struct kci_str text, size_t at, int32_t *list, size_t *count)
{
    size_t waiting = 0;
    if (re2->seen[first] != re2->round) {
        re2->seen[first] = re2->round;
        re2->stack[waiting++] = first;
    }
    while (waiting) {
        int32_t i = re2->stack[--waiting];
        if ((size_t)i == re2->count || re2->steps[i].operation == MB_RE2_SET) {
            list[(*count)++] = i;
            continue;
        }
        const struct mb_re2_step *step = &re2->steps[i];
        bool jumps = step->operation == MB_RE2_JUMP || step->operation == MB_RE2_SPLIT;
        int32_t next[2] = { i + 1, i + step->to };
        for (int n = step->operation == MB_RE2_JUMP; n < (jumps ? 2 : holds(step, text, at) ? 1 : 0); n++)
            if (re2->seen[next[n]] != re2->round) {
                re2->seen[next[n]] = re2->round;
                re2->stack[waiting++] = next[n];
            }
    }
}

static void next_round(struct mb_re2 *re2)
{
    if (++re2->round == 0) {
        memset(re2->seen, 0, (re2->count + 1) * sizeof *re2->seen);
        re2->round = 1;
    }
}

static bool takes(const struct mb_re2_step *step, char byte)
{
    uint8_t c = (uint8_t)byte;
    return c < 128 && (step->set.bits[c / 64] >> (c % 64) & 1);
}

bool mb_re2_match(struct mb_re2 *re2, struct kci_str text)
{
    size_t count = 0;
    next_round(re2);
    reach(re2, 0, text, 0, re2->now, &count);
    for (size_t at = 0; at < text.size && count; at++) {
        size_t reached = 0;
        next_round(re2);
        for (size_t i = 0; i < count; i++)
            if ((size_t)re2->now[i] < re2->count && takes(&re2->steps[re2->now[i]], text.data[at]))
                reach(re2, re2->now[i] + 1, text, at + 1, re2->then, &reached);
        int32_t *former = re2->now;
        re2->now = re2->then;
        re2->then = former;
        count = reached;
    }
    for (size_t i = 0; i < count; i++)
        if ((size_t)re2->now[i] == re2->count)
            return true;
    return false;
}

bool mb_re2_matches(const struct kci_alloc *alloc, struct kci_str pattern, struct kci_str text)
{
    const char *why;
    struct mb_re2 *re2 = mb_re2_compile(alloc, pattern, &why);
    bool matches = re2 && mb_re2_match(re2, text);
    mb_re2_free(re2);
    return matches;
}
