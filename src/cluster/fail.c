/* Fills the caller's kc_error.  Which traits a code has by itself stands in error_text.c; whoever knows more of the
 * case at hand (an answer never came, the transaction is lost) adds to them here. */
#include "cluster/cluster.h"

#include <stdio.h>

kc_err kci_fail(kc_error *error, kc_err code, uint32_t extra_traits, const char *format, ...)
{
    static const char cut[] = "...";
    if (!error)
        return code;
    error->code = code;
    error->traits = kc_err_traits(code) | extra_traits;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    if (size < 0)
        error->text[0] = '\0';
    else if ((size_t)size >= sizeof error->text)
        memcpy(error->text + sizeof error->text - sizeof cut, cut, sizeof cut);
    return code;
}
