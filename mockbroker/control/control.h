/* The control plane: HTTP and JSON over a shell.  Its own thread speaks HTTP; what it is asked to do runs on the
 * broker's. */
#ifndef MB_CONTROL_CONTROL_H
#define MB_CONTROL_CONTROL_H

#include "mockbroker/shell.h"

struct mb_control;

/* Listen on host:port (port 0: a free one). 0, or -1 with the reason in text. */
int mb_control_start(struct mb_control **out, struct mb_shell *shell, const char *host, uint16_t port, char *text,
                     size_t text_size);
/* NULL is fine. Before the shell is stopped. */
void mb_control_stop(struct mb_control *control);
/* "http://127.0.0.1:8090" */
const char *mb_control_url(const struct mb_control *control);

#endif
