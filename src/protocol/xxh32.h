/* XXH32 with seed 0: the checksum inside LZ4 frames. */
#ifndef KCI_PROTOCOL_XXH32_H
#define KCI_PROTOCOL_XXH32_H

#include "base/bytes.h"

uint32_t kci_xxh32(const void *data, size_t size);

#endif
