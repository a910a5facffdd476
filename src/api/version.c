/* The version of the library. */
#include <kclient/kclient.h>

const char *kc_version(void)
{
    return KC_VERSION_TEXT;
}
