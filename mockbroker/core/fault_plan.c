/* The way of one request through the faults that it meets.
 *
 *      mb_fault_request: which faults?  -> before: error delay barrier disconnect silence --> handler
 *      mb_fault_answer:  the answer as one block of bytes -> after: the same, and damage  --> connection
 *                                                                         (slowly, in part, not)
 *
 * A request that is held stays the connection's request in work, so whatever is pipelined behind it waits, as behind a
 * broker that is slow.  When its connection ends, the request ends; when its fault is removed, it goes on. */
#include "mockbroker/core/connection.h"
#include "mockbroker/core/fault_target.h"
#include "mockbroker/core/journal.h"

#include <stdio.h>

static void hold(struct mb_fault_plan *plan, struct mb_fault *holder, int64_t until, int64_t now);

/* ---- which faults ---- */

/* Topics that the request means without naming them: those of its fetch session, or all. */
static bool covers(const struct mb_request *request, const struct mb_fault_match *match)
{
    if (request->header.api_key == KCI_API_FETCH)
        return mb_fetch_session_meets(request, match);
    const struct kci_metadata_request *body = request->body;
    return request->header.api_key == KCI_API_METADATA &&
           (body->topics_count < 0 || (body->topics_count == 0 && request->header.version == 0));
}

static bool meets(const struct mb_fault *fault, const struct mb_request *request)
{
    const struct mb_fault_match *match = &fault->match;
    bool names = match->topic[0] || match->group[0] || match->transactional_id[0];
    return fault->armed && fault->action.kind < MB_FAULT_REFUSE && mb_fault_has_api(match, request->header.api_key) &&
           request->header.version >= match->version_min && request->header.version <= match->version_max &&
           (!match->broker || match->broker == request->broker) &&
           (!match->client_id[0] || mb_fault_name_matches(match->client_id, request->header.client_id)) &&
           (!names || mb_target_matches(request, match) || (match->topic[0] && covers(request, match)));
}

/* Does the action work on the request, or on its answer? */
static bool is_before(const struct mb_fault *fault, const struct mb_request *request)
{
    const struct mb_fault_action *action = &fault->action;
    return !action->after && (action->kind == MB_FAULT_ERROR ? !mb_fault_reads_only(request->header.api_key)
                                                             : action->kind <= MB_FAULT_SILENCE);
}

/* What changes nothing is answered by its handler, with the error put in; it need not wait for that, nor make topics.
 */
static void ease(struct mb_request *request)
{
    if (request->header.api_key == KCI_API_FETCH)
        ((struct kci_fetch_request *)request->body)->max_wait_ms = 0;
    if (request->header.api_key == KCI_API_METADATA)
        ((struct kci_metadata_request *)request->body)->allow_auto_topic_creation = false;
}

static struct mb_fault_plan *plan_of(struct mb_request *request)
{
    if (!request->plan) {
        struct mb_faults *faults = mb_faults_of(request->cluster);
        if (!faults)
            return NULL;
        request->plan = kci_alloc_zero(request->cluster->alloc, 1, sizeof *request->plan);
        if (!request->plan)
            return NULL;
        request->plan->request = request;
        request->plan->bytes = kci_writer_of(request->cluster->alloc, MB_RESPONSE_BYTES_MAX);
        kci_list_push(&faults->plans, &request->plan->link);
    }
    return request->plan;
}

static void run_before(struct mb_fault_plan *plan, int64_t now);

bool mb_fault_request(struct mb_request *request, int64_t now)
{
    struct mb_faults *faults = request->cluster->faults;
    if (!request->body) /* a version of ApiVersions that we do not know: nothing to match, nothing to damage */
        return false;
    KCI_LIST_EACH(node, &faults->all)
    {
        struct mb_fault *fault = KCI_CONTAINER(node, struct mb_fault, link);
        if (!meets(fault, request) || !mb_fault_hit(fault))
            continue;
        struct mb_fault_plan *plan = plan_of(request);
        bool before = is_before(fault, request);
        if (plan && before && plan->before_count < MB_FAULT_OF_REQUEST_MAX)
            plan->before[plan->before_count++] = fault;
        else if (plan && !before && plan->after_count < MB_FAULT_OF_REQUEST_MAX)
            plan->after[plan->after_count++] = fault;
        if (fault->action.kind == MB_FAULT_ERROR && !fault->action.after && !before)
            ease(request);
        mb_journal_fault(request, fault->id);
    }
    if (!request->plan)
        return false;
    run_before(request->plan, now);
    return true;
}

void mb_fault_forget(struct mb_request *request)
{
    struct mb_fault_plan *plan = request->plan;
    if (!plan)
        return;
    mb_alarm_stop(request->cluster, &plan->alarm);
    if (plan->holder)
        plan->holder->held--;
    kci_list_remove(&plan->link);
    kci_writer_destroy(&plan->bytes);
    kci_alloc_free(request->cluster->alloc, plan);
    request->plan = NULL;
}

/* ---- before ---- */

static int64_t delay_of(struct mb_fault *fault)
{
    const struct mb_fault_action *action = &fault->action;
    return action->time_us +
           (action->jitter_us ? (int64_t)kci_prng_below(&fault->prng, (uint64_t)action->jitter_us + 1) : 0);
}

static void hang_up(struct mb_fault_plan *plan, const struct mb_fault *fault, const char *what, int64_t now)
{
    char why[120];
    snprintf(why, sizeof why, "fault %d: %s", fault->id, what);
    plan->leaving = true;
    mb_request_hang_up(plan->request, why, now);
}

static const void *empty_answer(struct mb_request *request)
{
    void *response = kci_arena_take(&request->arena, kci_schema_size(request->api->response));
    if (response)
        kci_codec_init(request->api->response, response);
    return response;
}

/* true: the request is answered. `unsaid`: an answer without a place for the error will do. */
static bool refuse(struct mb_fault_plan *plan, const struct mb_fault *fault, bool unsaid, int64_t now)
{
    struct mb_request *request = plan->request;
    if (!mb_fault_refuse_part(plan, fault))
        return false;
    const void *response = plan->refused;
    plan->refused = NULL;
    if (!response && unsaid)
        response = empty_answer(request);
    const struct kci_produce_request *produce = request->body;
    if (!response)
        hang_up(plan, fault, "this request has no place for the error in its answer", now);
    else if (request->header.api_key == KCI_API_PRODUCE && produce->acks == 0)
        hang_up(plan, fault, "a Produce request without an answer failed", now); /* all that Kafka can do */
    else
        mb_request_answer(request, response, now);
    return true;
}

bool mb_fault_refuse_request(struct mb_request *request, const struct mb_fault *fault, int64_t now)
{
    if (plan_of(request))
        return refuse(request->plan, fault, true, now);
    mb_request_hang_up(request, "no memory to refuse a request", now);
    return true;
}

static void run_before(struct mb_fault_plan *plan, int64_t now)
{
    struct mb_request *request = plan->request;
    while (plan->before_next < plan->before_count) {
        struct mb_fault *fault = plan->before[plan->before_next++];
        if (!fault)
            continue;
        switch (fault->action.kind) {
        case MB_FAULT_ERROR:
            if (refuse(plan, fault, false, now))
                return;
            break;
        case MB_FAULT_DELAY:
            hold(plan, NULL, now + delay_of(fault), now);
            return;
        case MB_FAULT_DISCONNECT:
            hang_up(plan, fault, "disconnect before applying", now);
            return;
        default:
            hold(plan, fault, KCI_NEVER, now);
            return;
        }
    }
    mb_request_handle(request, now);
}

/* ---- after ---- */

static void push_slice(struct mb_fault_plan *plan, size_t size, int64_t now)
{
    struct mb_request *request = plan->request;
    struct mb_outgoing *outgoing = kci_alloc_zero(request->cluster->alloc, 1, sizeof *outgoing);
    if (outgoing) {
        outgoing->body = kci_writer_of(request->cluster->alloc, MB_RESPONSE_BYTES_MAX);
        kci_writer_bytes(&outgoing->body, plan->bytes.data + plan->sent, size);
    }
    if (!outgoing || outgoing->body.failed) {
        if (outgoing)
            mb_outgoing_free(request->cluster->alloc, outgoing);
        mb_connection_hang_up(request->connection, "no memory for an answer", now);
        return;
    }
    plan->sent += size;
    mb_connection_push(request->connection, outgoing);
}

/* The whole answer once more behind itself; without memory it comes once. */
static void double_answer(struct mb_fault_plan *plan)
{
    size_t size = plan->bytes.size;
    uint8_t *copy = kci_arena_take(&plan->request->arena, size);
    if (!copy)
        return;
    memcpy(copy, plan->bytes.data, size);
    if (!plan->raw)
        kci_put32(copy + 4, kci_be32(copy + 4) + (uint32_t)plan->twice_by);
    kci_writer_bytes(&plan->bytes, copy, size);
    if (plan->bytes.failed) {
        plan->bytes.size = size;
        plan->bytes.failed = false;
    }
}

static void leave(struct mb_fault_plan *plan, int64_t now)
{
    struct mb_request *request = plan->request;
    if (!plan->leaving) {
        mb_journal_answer(request, plan->bytes.data, plan->bytes.size, now);
        if (plan->twice)
            double_answer(plan);
    }
    size_t left = plan->bytes.size - plan->sent, slice = plan->slice && plan->slice < left ? plan->slice : left;
    plan->leaving = true;
    request->on_close = NULL;
    if (left)
        push_slice(plan, slice, now);
    if (plan->sent == plan->bytes.size || mb_request_abandoned(request)) {
        mb_request_no_answer(request, now);
        return;
    }
    hold(plan, NULL, now + (plan->pace_us ? plan->pace_us : 1),
         now); /* never in the same step: it would be one write */
}

/* Send the first bytes and break off. */
static void break_off(struct mb_fault_plan *plan, const struct mb_fault *fault, int64_t now)
{
    size_t size = fault->action.bytes < 0 ? 0 : (size_t)fault->action.bytes;
    size = size < plan->bytes.size ? size : plan->bytes.size;
    if (size)
        push_slice(plan, size, now);
    hang_up(plan, fault, size ? "disconnect in mid-answer" : "disconnect after applying", now);
}

static bool stamp(struct mb_fault_plan *plan, void *response, void *fault)
{
    return mb_fault_stamp(plan, response, fault);
}

static void run_after(struct mb_fault_plan *plan, int64_t now)
{
    while (plan->after_next < plan->after_count) {
        struct mb_fault *fault = plan->after[plan->after_next++];
        if (!fault)
            continue;
        switch (fault->action.kind) {
        case MB_FAULT_ERROR:
            if (mb_fault_rewrite(plan, stamp, fault))
                break;
            hang_up(plan, fault, "this answer has no place for the error", now);
            return;
        case MB_FAULT_DELAY:
            hold(plan, NULL, now + delay_of(fault), now);
            return;
        case MB_FAULT_DISCONNECT:
            break_off(plan, fault, now);
            return;
        case MB_FAULT_BARRIER:
        case MB_FAULT_SILENCE:
            hold(plan, fault, KCI_NEVER, now);
            return;
        case MB_FAULT_SLOW_WRITE:
            plan->slice = (size_t)fault->action.bytes;
            plan->pace_us = fault->action.time_us;
            break;
        default:
            mb_fault_damage(plan, fault);
            break;
        }
    }
    leave(plan, now);
}

bool mb_fault_answer(struct mb_request *request, struct mb_outgoing *outgoing, int64_t now)
{
    struct mb_fault_plan *plan = request->plan;
    if (plan->leaving || mb_request_abandoned(request) || (plan->after_next == plan->after_count && !plan->refused))
        return false;
    kci_writer_bytes(&plan->bytes, outgoing->body.data, outgoing->body.size);
    for (size_t i = 0; i < outgoing->rope_count; i++)
        kci_writer_bytes(&plan->bytes, outgoing->rope[i].data, outgoing->rope[i].size);
    mb_outgoing_free(request->cluster->alloc, outgoing);
    plan->answering = true;
    bool ok = !plan->bytes.failed && (!plan->refused || mb_fault_rewrite(plan, mb_fault_merge, NULL));
    if (!ok) {
        plan->leaving = true;
        mb_request_hang_up(request, "no memory for an answer", now);
        return true;
    }
    run_after(plan, now);
    return true;
}

/* ---- holding ---- */

void mb_fault_plan_go(struct mb_fault_plan *plan, int64_t now)
{
    if (plan->holder)
        plan->holder->held--;
    plan->holder = NULL;
    plan->request->on_close = NULL;
    mb_alarm_stop(plan->request->cluster, &plan->alarm);
    if (plan->leaving)
        leave(plan, now);
    else if (plan->answering)
        run_after(plan, now);
    else
        run_before(plan, now);
}

static void alarm_fires(void *owner, int64_t now)
{
    mb_fault_plan_go(owner, now);
}

static void connection_closed(struct mb_request *request, int64_t now)
{
    request->on_close = NULL;
    mb_request_no_answer(request, now);
}

static void hold(struct mb_fault_plan *plan, struct mb_fault *holder, int64_t until, int64_t now)
{
    struct mb_request *request = plan->request;
    request->on_close = connection_closed;
    plan->holder = holder;
    if (holder)
        holder->held++;
    plan->alarm.fire = alarm_fires;
    plan->alarm.owner = plan;
    if (until != KCI_NEVER)
        mb_alarm_set(request->cluster, &plan->alarm, until > now ? until : now);
}
