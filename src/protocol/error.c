/* Error codes -> name, text, flags: the list is dense, so a code is an index. */
#include "protocol/error.h"

/* What the letters of the list mean: a refresh is always followed by another try. */
enum { FLAGS_0 = 0, FLAGS_R = KCI_ERROR_RETRIABLE, FLAGS_M = KCI_ERROR_RETRIABLE | KCI_ERROR_REFRESH };

static const struct {
    int16_t code;
    int16_t flags;
    const char *name, *text;
} rows[] = {
#define ERROR_ROW(number, name, flags, text) { number, FLAGS_##flags, #name, text },
    KCI_ERROR_LIST(ERROR_ROW)
#undef ERROR_ROW
};

/* The index of a code, or -1. */
static int find(int16_t code)
{
    int index = code - rows[0].code;
    return index >= 0 && index < (int)(sizeof rows / sizeof *rows) ? index : -1;
}

const char *kci_error_name(int16_t code)
{
    int index = find(code);
    return index < 0 ? "UNKNOWN_ERROR_CODE" : rows[index].name;
}

const char *kci_error_text(int16_t code)
{
    int index = find(code);
    return index < 0 ? "an error code that this version does not know" : rows[index].text;
}

int kci_error_flags(int16_t code)
{
    int index = find(code);
    return index < 0 ? 0 : rows[index].flags;
}
