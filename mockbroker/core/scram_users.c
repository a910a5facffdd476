/* A list of credentials, one per user and mechanism.  What Kafka stores is derived from the salted password; here it
 * is kept as it came, so that the core needs no hash. */
#include "mockbroker/core/scram_users.h"

void mb_scram_users_init(struct mb_scram_users *users, const struct kci_alloc *alloc)
{
    users->alloc = alloc;
    users->count = 0;
    kci_list_init(&users->all);
}

void mb_scram_users_clear(struct mb_scram_users *users)
{
    struct kci_list *node;
    while ((node = kci_list_first(&users->all)) != NULL)
        mb_scram_users_remove(users, KCI_CONTAINER(node, struct mb_scram_credential, link));
}

struct mb_scram_credential *mb_scram_users_find(const struct mb_scram_users *users, struct kci_str name,
                                                int8_t mechanism)
{
    KCI_LIST_EACH(node, &users->all)
    {
        struct mb_scram_credential *credential = KCI_CONTAINER(node, struct mb_scram_credential, link);
        if ((!mechanism || credential->mechanism == mechanism) && kci_str_equal(kci_str_of(credential->name), name))
            return credential;
    }
    return NULL;
}

bool mb_scram_users_set(struct mb_scram_users *users, struct kci_str name, int8_t mechanism, int32_t iterations,
                        struct kci_bytes salt, struct kci_bytes salted_password)
{
    struct mb_scram_credential *credential = mb_scram_users_find(users, name, mechanism);
    if (!credential && users->count < MB_SCRAM_USERS_MAX) {
        credential = kci_alloc_zero(users->alloc, 1, sizeof *credential);
        if (credential) {
            memcpy(credential->name, name.data, name.size);
            credential->mechanism = mechanism;
            kci_list_push(&users->all, &credential->link);
            users->count++;
        }
    }
    if (!credential)
        return false;
    credential->iterations = iterations;
    memcpy(credential->salt, salt.data, salt.size);
    credential->salt_size = salt.size;
    memcpy(credential->salted_password, salted_password.data, salted_password.size);
    credential->salted_password_size = salted_password.size;
    return true;
}

void mb_scram_users_remove(struct mb_scram_users *users, struct mb_scram_credential *credential)
{
    kci_list_remove(&credential->link);
    users->count--;
    kci_alloc_free(users->alloc, credential);
}
