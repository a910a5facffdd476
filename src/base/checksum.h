/* CRC-32C (record batches v2) with the processor's instruction on x86-64 and arm64 and a table elsewhere, chosen once
 * at run time; CRC-32 (message sets v0/v1, consistent partitioner); murmur2 (Java's default partitioner). */
#ifndef KCI_BASE_CHECKSUM_H
#define KCI_BASE_CHECKSUM_H

#include "base/bytes.h"

/* Extend a finished CRC-32C (0 to begin) by size bytes: crc(a||b) == extend(crc(a), b). Any alignment. */
uint32_t kci_crc32c(uint32_t crc, const void *data, size_t size);
/* The table version, for comparison in tests. */
uint32_t kci_crc32c_table(uint32_t crc, const void *data, size_t size);
/* "avx512", "sse4.2", "arm64" or "table": what kci_crc32c uses here. */
const char *kci_crc32c_kind(void);
/* Extend a finished CRC-32 (IEEE, 0 to begin). */
uint32_t kci_crc32(uint32_t crc, const void *data, size_t size);
/* Kafka's murmur2, seed 0x9747b28c; the signed result of Java as its 32 bits. */
uint32_t kci_murmur2(const void *data, size_t size);

#endif
