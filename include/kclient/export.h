/* What is visible outside the library. */
#ifndef KCLIENT_EXPORT_H
#define KCLIENT_EXPORT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define KC_EXPORT __attribute__((visibility("default")))
#else
#define KC_EXPORT
#endif

#endif
