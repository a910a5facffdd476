/* Intrusive doubly linked list: the node lives in the element, the list head is a node of its own. */
#ifndef KCI_BASE_LIST_H
#define KCI_BASE_LIST_H

#include "base/bytes.h"

struct kci_list {
    struct kci_list *next, *prev; /* NULL, NULL: not in a list (node) or never initialised (head) */
};

/* The element of type `type` whose member `member` is at `node`. */
#define KCI_CONTAINER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void kci_list_init(struct kci_list *head)
{
    head->next = head->prev = head;
}
static inline bool kci_list_empty(const struct kci_list *head)
{
    return head->next == head || head->next == NULL;
}
static inline bool kci_list_linked(const struct kci_list *node)
{
    return node->next != NULL;
}
static inline void kci_list_insert_after(struct kci_list *at, struct kci_list *node)
{
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
}
static inline void kci_list_push(struct kci_list *head, struct kci_list *node) /* at the end */
{
    kci_list_insert_after(head->prev, node);
}
static inline void kci_list_push_front(struct kci_list *head, struct kci_list *node)
{
    kci_list_insert_after(head, node);
}
static inline void kci_list_remove(struct kci_list *node) /* fine when not linked */
{
    if (node->next) {
        node->prev->next = node->next;
        node->next->prev = node->prev;
        node->next = node->prev = NULL;
    }
}
static inline struct kci_list *kci_list_first(const struct kci_list *head) /* NULL when empty */
{
    return kci_list_empty(head) ? NULL : head->next;
}
static inline struct kci_list *kci_list_pop(struct kci_list *head) /* NULL when empty */
{
    struct kci_list *node = kci_list_first(head);
    if (node)
        kci_list_remove(node);
    return node;
}
/* Walk; the body may remove the current node. */
#define KCI_LIST_EACH(node, head)                                                                                      \
    for (struct kci_list *node = (head)->next, *node##_next = node ? node->next : NULL; node && node != (head);        \
         node = node##_next, node##_next = node->next)

#endif
