/* CRC-32C by the processor's own instructions. */
#ifndef KCI_BASE_CRC32C_HARDWARE_H
#define KCI_BASE_CRC32C_HARDWARE_H

#include "base/bytes.h"

typedef uint32_t (*kci_crc32c_function)(uint32_t crc, const void *data, size_t size);

/* The fastest version that runs here and its name, or NULL (*kind untouched) when there is none. */
kci_crc32c_function kci_crc32c_hardware_find(const char **kind);
/* The same for the version of that name only, for tests of what is not the fastest here. */
kci_crc32c_function kci_crc32c_hardware_named(const char *kind);

#endif
