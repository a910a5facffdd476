/* How kc prints a record: the value and a newline, a format, JSON, or length-prefixed. */
#ifndef KC_TOOL_OUTPUT_H
#define KC_TOOL_OUTPUT_H

#include "kc.h"

struct kct_output {
    const char *format; /* as in -f; NULL: the value and a newline */
    bool json, prefixed;
};

/* false: there is a percent sign in it without a field behind it. */
bool kct_output_format_ok(const char *format);
/* Write one record to stdout. false: it could not be written. */
bool kct_output_record(const struct kct_output *output, const kc_record_view *view);

#endif
