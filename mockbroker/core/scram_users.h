/* SCRAM credentials (KIP-554): stored by admin clients, asked for by authentication. */
#ifndef MB_CORE_SCRAM_USERS_H
#define MB_CORE_SCRAM_USERS_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/list.h"

#define MB_SCRAM_USERS_MAX     10000
#define MB_SCRAM_NAME_BYTES    512
#define MB_SCRAM_BYTES_MAX     512 /* of a salt, of a salted password */
#define MB_SCRAM_ITERATION_MIN 4096
#define MB_SCRAM_ITERATION_MAX 16384

enum { MB_SCRAM_SHA_256 = 1, MB_SCRAM_SHA_512 = 2 }; /* the numbers of the protocol */

struct mb_scram_credential {
    struct kci_list link; /* of mb_scram_users.all */
    char name[MB_SCRAM_NAME_BYTES + 1];
    int8_t mechanism;
    int32_t iterations;
    uint8_t salt[MB_SCRAM_BYTES_MAX],
        salted_password[MB_SCRAM_BYTES_MAX]; /* Hi(password, salt, iterations), RFC 5802 */
    size_t salt_size, salted_password_size;
};
struct mb_scram_users {
    const struct kci_alloc *alloc;
    struct kci_list all;
    size_t count;
};

void mb_scram_users_init(struct mb_scram_users *users, const struct kci_alloc *alloc);
void mb_scram_users_clear(struct mb_scram_users *users);
/* mechanism 0: any. NULL: none. */
struct mb_scram_credential *mb_scram_users_find(const struct mb_scram_users *users, struct kci_str name,
                                                int8_t mechanism);
/* Sizes are within their limits (the caller has looked). false: no memory, or too many. */
bool mb_scram_users_set(struct mb_scram_users *users, struct kci_str name, int8_t mechanism, int32_t iterations,
                        struct kci_bytes salt, struct kci_bytes salted_password);
void mb_scram_users_remove(struct mb_scram_users *users, struct mb_scram_credential *credential);

#endif
