/* The console: one page without any outside resource (console.html), which asks the routes of this server and shows
 * what they say.  The page is made a part of the program when it is built. */
#include "mockbroker/control/routes.h"

#include <stdlib.h>
#include <string.h>

extern const char mb_console_page[]; /* generated from console.html */

void mb_control_get_console(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    (void)cluster;
    (void)now;
    size_t size = strlen(mb_console_page) + 1;
    request->text = malloc(size);
    if (!request->text) {
        mb_control_fail(request, 500, NULL, "out of memory");
        return;
    }
    memcpy(request->text, mb_console_page, size);
    request->type = "text/html; charset=utf-8";
    request->status = 200;
}
