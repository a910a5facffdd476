/* What the files of the embedding library share. */
#ifndef MB_EMBED_H
#define MB_EMBED_H

#include "mockbroker/mockbroker.h"
#include "mockbroker/shell.h"

struct kc_mock {
    struct mb_shell *shell;
    void (*log)(void *context, int level, const char *text); /* the user's; NULL: none */
    void *log_context;
};

#endif
