/* Is it UTF-8? RFC 3629: shortest forms only, no surrogates, nothing above U+10FFFF. */
#ifndef KCI_PLUGINS_UTF8_H
#define KCI_PLUGINS_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool kci_utf8_valid(const void *text, size_t size);

#endif
