/* Collecting and returning are two steps, because `done` may do anything: between them the connection machine comes to
 * rest. Meanwhile the calls are in lists of the caller (stage LOST), where another one's `done` can still give them up.
 */
#include "cluster/casualties.h"

#include "cluster/internal.h"

static void lose(struct kci_call *call, struct kci_list *list)
{
    kci_calls_detach(call);
    call->stage = KCI_CALL_LOST;
    kci_list_push(list, &call->link);
}

/* Sent, or partly sent: what was to follow it must not come before its repetition. */
static bool any_lost(const struct kci_casualties *lost)
{
    return !kci_list_empty(&lost->sent) || !kci_list_empty(&lost->unsent);
}

void kci_casualties_collect(struct kci_node *node, bool unreachable, struct kci_casualties *lost)
{
    kci_list_init(&lost->sent);
    kci_list_init(&lost->unsent);
    KCI_LIST_EACH(link, &node->flight)
    {
        struct kci_call *call = KCI_CONTAINER(link, struct kci_call, link);
        if (call != &node->hello)
            lose(call, &lost->sent);
    }
    KCI_LIST_EACH(link, &node->queue)
    {
        struct kci_call *call = KCI_CONTAINER(link, struct kci_call, link);
        if (call == &node->hello)
            continue;
        if (call->stage == KCI_CALL_SENDING)
            lose(call, &lost->unsent);
        else if (call->target < 0)
            kci_calls_wait(node->cluster, call);
        else if (unreachable || (call->in_order && any_lost(lost)))
            lose(call, &lost->unsent);
        else
            kci_outbox_release(node->cluster, call); /* the next connection may speak another version */
    }
}

static void give_back(struct kci_node *node, struct kci_list *list, bool sent, const struct kci_verdict *v, int64_t now)
{
    char text[KCI_EXPLAIN_BYTES];
    for (struct kci_list *link; (link = kci_list_pop(list));) {
        struct kci_call *call = KCI_CONTAINER(link, struct kci_call, link);
        struct kci_text t = kci_text_of(text, sizeof text);
        bool culprit = call == v->culprit;
        kci_text_add(&t, "%s", v->text);
        if (!culprit)
            kci_text_add(&t, "; %s %s", kci_calls_name(call), sent ? "was sent and not answered" : "was not sent");
        kci_calls_fail(node->cluster, call,
                       culprit ? v->culprit_error
                       : sent  ? v->sent_error
                               : v->unsent_error,
                       sent, text, now);
    }
}

void kci_casualties_return(struct kci_node *node, struct kci_casualties *lost, const struct kci_verdict *verdict,
                           int64_t now)
{
    give_back(node, &lost->sent, true, verdict, now);
    give_back(node, &lost->unsent, false, verdict, now);
}
