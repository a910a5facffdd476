/* Bounded text; see text.h.  Nothing here fails: a text that is too long is worth more cut than not at all. */
#include "cluster/text.h"

#include <stdarg.h>
#include <stdio.h>

struct kci_text kci_text_of(char *data, size_t size)
{
    data[0] = '\0';
    return (struct kci_text){ data, size, 0 };
}

void kci_text_add(struct kci_text *text, const char *format, ...)
{
    static const char cut[] = "...";
    size_t room = text->size - text->used;
    va_list args;
    if (room <= 1)
        return;
    va_start(args, format);
    int size = vsnprintf(text->data + text->used, room, format, args);
    va_end(args);
    if (size < 0)
        return;
    if ((size_t)size < room) {
        text->used += (size_t)size;
        return;
    }
    text->used = text->size - 1;
    if (text->size > sizeof cut)
        memcpy(text->data + text->size - sizeof cut, cut, sizeof cut);
}

void kci_text_span(struct kci_text *text, int64_t us)
{
    int64_t ms = us > 0 ? us / 1000 : 0;
    if (ms < 1000)
        kci_text_add(text, "%d ms", (int)ms);
    else if (ms < 10 * 60 * 1000)
        kci_text_add(text, "%d.%d s", (int)(ms / 1000), (int)(ms % 1000 / 100));
    else
        kci_text_add(text, "%lld min", (long long)(ms / (60 * 1000)));
}

void kci_text_foreign(struct kci_text *text, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        kci_text_add(text, "%c", data[i] >= 0x20 && data[i] < 0x7f ? data[i] : '.');
}
