/* Values for measuring.  A text of words: 256 words of 3 to 10 letters, the first ones much more frequent, as in what
 * people write and log.  Record n has the piece at n * size, round and round: a batch holds nothing twice, since the
 * text is longer than a batch. */
#include "values.h"
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES    (4u << 20) /* larger than any batch, small enough for most caches */
#define WORDS         256
#define WORD_BYTES    10
#define LETTERS_MIN   3
#define LETTERS_RANGE 8

static unsigned next(unsigned *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 16;
}

static void write_words(char *text, size_t size, unsigned *state)
{
    char words[WORDS][WORD_BYTES];
    size_t lengths[WORDS];
    for (size_t i = 0; i < WORDS; i++) {
        lengths[i] = LETTERS_MIN + next(state) % LETTERS_RANGE;
        for (size_t j = 0; j < lengths[i]; j++)
            words[i][j] = (char)('a' + next(state) % 26);
    }
    for (size_t at = 0; at < size;) {
        size_t i = (next(state) % WORDS) * (next(state) % WORDS) / WORDS;
        size_t left = size - at, length = lengths[i] < left ? lengths[i] : left;
        memcpy(text + at, words[i], length);
        at += length;
        if (at < size)
            text[at++] = ' ';
    }
}

bool kct_values_make(struct kct_values *values, size_t size, bool varied)
{
    size_t span = varied ? TEXT_BYTES : 1;
    *values = (struct kct_values){ malloc(size + span), size, span };
    unsigned state = 1;
    if (!values->text)
        return false;
    if (varied)
        write_words(values->text, size + span, &state);
    for (size_t i = 0; !varied && i < size; i++)
        values->text[i] = (char)('a' + next(&state) % 26); /* no pattern */
    return true;
}

kc_bytes kct_values_at(const struct kct_values *values, unsigned long long record)
{
    return (kc_bytes){ values->text + (size_t)(record * values->size % values->span), values->size };
}

void kct_values_free(struct kct_values *values)
{
    free(values->text);
    values->text = NULL;
}
