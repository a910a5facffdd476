/* The rules of a cluster, in a list: tests have few.  What is checked, and what is not, follows KRaft's controller: an
 * operation that makes no sense for a resource is stored, a host is any text. */
#include "mockbroker/core/acl.h"

#include <stdio.h>

void mb_acls_init(struct mb_acls *acls, const struct kci_alloc *alloc)
{
    acls->alloc = alloc;
    acls->count = 0;
    kci_list_init(&acls->all);
}

void mb_acls_remove(struct mb_acls *acls, struct mb_acl *acl)
{
    kci_list_remove(&acl->link);
    acls->count--;
    kci_alloc_free(acls->alloc, acl);
}

void mb_acls_clear(struct mb_acls *acls)
{
    struct kci_list *node;
    while ((node = kci_list_first(&acls->all)) != NULL)
        mb_acls_remove(acls, KCI_CONTAINER(node, struct mb_acl, link));
}

static bool in_range(int8_t value, int8_t min, int8_t max)
{
    return value >= min && value <= max;
}

const char *mb_acl_check(const struct mb_acl_of *of, char *text, size_t text_size)
{
    if (of->type == MB_ACL_CLUSTER && !kci_str_equal(of->name, kci_str_of(MB_ACL_CLUSTER_NAME)))
        return "The only valid name for the CLUSTER resource is " MB_ACL_CLUSTER_NAME;
    if (of->name.size == 0)
        return "Invalid empty resource name";
    if (!in_range(of->type, MB_ACL_TOPIC, MB_ACL_USER))
        return "Invalid resourceType";
    if (!in_range(of->pattern, MB_ACL_LITERAL, MB_ACL_PREFIXED))
        return "Invalid patternType";
    if (!in_range(of->operation, MB_ACL_ALL, MB_ACL_OPERATION_MAX))
        return "Invalid operation";
    if (!in_range(of->permission, MB_ACL_DENY, MB_ACL_ALLOW))
        return "Invalid permissionType";
    if (of->name.size > MB_ACL_TEXT_BYTES || of->principal.size > MB_ACL_TEXT_BYTES ||
        of->host.size > MB_ACL_TEXT_BYTES)
        return "A name, principal or host of more than 2048 bytes";
    if (of->principal.size == 0 || !memchr(of->principal.data, ':', of->principal.size)) {
        snprintf(text, text_size,
                 "Could not parse principal from `%.*s` (no colon is present separating the principal type from the "
                 "principal name)",
                 (int)(of->principal.size < 100 ? of->principal.size : 100),
                 of->principal.data ? of->principal.data : "");
        return text;
    }
    return NULL;
}

const char *mb_acl_filter_check(const struct mb_acl_of *filter)
{
    if (!in_range(filter->type, MB_ACL_TYPE_ANY, MB_ACL_USER))
        return "Unknown resource type in the filter.";
    if (!in_range(filter->pattern, MB_ACL_PATTERN_ANY, MB_ACL_PREFIXED))
        return "Unknown pattern type in the filter.";
    if (!in_range(filter->operation, MB_ACL_OPERATION_ANY, MB_ACL_OPERATION_MAX))
        return "Unknown operation in the filter.";
    if (!in_range(filter->permission, MB_ACL_PERMISSION_ANY, MB_ACL_ALLOW))
        return "Unknown permission type in the filter.";
    return NULL;
}

static bool equal(const struct mb_acl_of *a, const struct mb_acl_of *b)
{
    return a->type == b->type && a->pattern == b->pattern && a->operation == b->operation &&
           a->permission == b->permission && kci_str_equal(a->name, b->name) &&
           kci_str_equal(a->principal, b->principal) && kci_str_equal(a->host, b->host);
}

static struct kci_str put(char **at, struct kci_str text)
{
    struct kci_str copy = { *at, text.size };
    if (text.size)
        memcpy(*at, text.data, text.size);
    *at += text.size + 1; /* a NUL between them: the block is zeroed */
    return copy;
}

bool mb_acls_add(struct mb_acls *acls, const struct mb_acl_of *of)
{
    KCI_LIST_EACH(node, &acls->all)
    {
        if (equal(&KCI_CONTAINER(node, struct mb_acl, link)->of, of))
            return true;
    }
    if (acls->count == MB_ACLS_MAX)
        return false;
    size_t texts = of->name.size + of->principal.size + of->host.size + 3;
    struct mb_acl *acl = kci_alloc_zero(acls->alloc, 1, sizeof *acl + texts);
    if (!acl)
        return false;
    char *at = (char *)(acl + 1);
    acl->of = *of;
    acl->of.name = put(&at, of->name);
    acl->of.principal = put(&at, of->principal);
    acl->of.host = put(&at, of->host);
    kci_list_push(&acls->all, &acl->link);
    acls->count++;
    return true;
}

static bool is_star(struct kci_str name)
{
    return name.size == 1 && name.data[0] == '*';
}

bool mb_acl_covers(const struct mb_acl_of *acl, int8_t type, struct kci_str name)
{
    if (acl->type != type)
        return false;
    if (acl->pattern == MB_ACL_PREFIXED)
        return name.size >= acl->name.size && memcmp(name.data, acl->name.data, acl->name.size) == 0;
    return is_star(acl->name) || kci_str_equal(acl->name, name);
}

static bool pattern_matches(const struct mb_acl_of *acl, const struct mb_acl_of *filter)
{
    bool same_name = !filter->name.data || kci_str_equal(acl->name, filter->name);
    if (filter->pattern == MB_ACL_MATCH)
        return !filter->name.data || mb_acl_covers(acl, acl->type, filter->name);
    return same_name && (filter->pattern == MB_ACL_PATTERN_ANY || filter->pattern == acl->pattern);
}

bool mb_acl_matches(const struct mb_acl_of *acl, const struct mb_acl_of *filter)
{
    return (filter->type == MB_ACL_TYPE_ANY || filter->type == acl->type) && pattern_matches(acl, filter) &&
           (!filter->principal.data || kci_str_equal(acl->principal, filter->principal)) &&
           (!filter->host.data || kci_str_equal(acl->host, filter->host)) &&
           (filter->operation == MB_ACL_OPERATION_ANY || filter->operation == acl->operation) &&
           (filter->permission == MB_ACL_PERMISSION_ANY || filter->permission == acl->permission);
}
