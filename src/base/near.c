/* Likeness of names is the number of edits between them (Levenshtein), in one row of memory.  Names beyond
 * KCI_NEAR_BYTES_MAX are not compared, so the time is bounded whatever is typed. */
#include "base/near.h"

static size_t edits(struct kci_str a, const char *b, size_t size)
{
    size_t row[KCI_NEAR_BYTES_MAX + 1];
    for (size_t j = 0; j <= size; j++)
        row[j] = j;
    for (size_t i = 0; i < a.size; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < size; j++) {
            size_t replace = diagonal + (a.data[i] != b[j]);
            diagonal = row[j + 1];
            size_t shift = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            row[j + 1] = replace < shift ? replace : shift;
        }
    }
    return row[size];
}

struct kci_near kci_near_of(struct kci_str name)
{
    return (struct kci_near){ name, NULL, name.size / 3 + 1 };
}

void kci_near_offer(struct kci_near *near, const char *known)
{
    size_t size = strlen(known);
    if (near->name.size > KCI_NEAR_BYTES_MAX || size > KCI_NEAR_BYTES_MAX)
        return;
    size_t distance = edits(near->name, known, size);
    if (distance < near->limit) {
        near->limit = distance;
        near->best = known;
    }
}
