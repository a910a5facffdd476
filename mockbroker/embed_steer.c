/* include/mockbroker/mockbroker.h, the part that steers brokers, replicas and groups: each function is one call on the
 * broker's thread. */
#include "mockbroker/embed.h"

#include "mockbroker/core/fault.h"

struct order {
    int16_t (*run)(struct mb_cluster *cluster, const struct order *order, int64_t now);
    struct kci_str topic, group, member;
    int32_t partition, broker, count;
    const int32_t *brokers; /* count of them, borrowed */
    int64_t offset;
    bool flag;  /* unclean, on, move */
    char *text; /* where a reason goes; borrowed */
    size_t text_size;
    int16_t result;
};

static void obey(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct order *order = context;
    order->result = order->run(cluster, order, now);
}

static int give(kc_mock *mock, struct order *order)
{
    return mb_shell_call(mock->shell, obey, order) ? -1 : order->result;
}

static int16_t pause_broker(struct mb_cluster *cluster, const struct order *order, int64_t now)
{
    return order->flag ? mb_cluster_broker_pause(cluster, order->broker, now)
                       : mb_cluster_broker_resume(cluster, order->broker, now);
}

int kc_mock_broker_pause(kc_mock *mock, int32_t broker)
{
    return give(mock, &(struct order){ .run = pause_broker, .broker = broker, .flag = true });
}

int kc_mock_broker_resume(kc_mock *mock, int32_t broker)
{
    return give(mock, &(struct order){ .run = pause_broker, .broker = broker });
}

int kc_mock_broker_add(kc_mock *mock, int32_t *broker)
{
    char text[MB_SHELL_TEXT_MAX];
    int32_t id = 0;
    int error = mb_shell_broker_add(mock->shell, &id, text, sizeof text);
    if (broker && !error)
        *broker = id;
    return error;
}

static int16_t decommission(struct mb_cluster *cluster, const struct order *order, int64_t now)
{
    int32_t moving;
    return mb_cluster_broker_decommission(cluster, order->broker, order->flag, &moving, order->text, order->text_size,
                                          now);
}

int kc_mock_broker_decommission(kc_mock *mock, int32_t broker, int move, char *text, size_t text_size)
{
    char unseen[MB_SHELL_TEXT_MAX] = "";
    bool wanted = text && text_size;
    if (wanted)
        text[0] = '\0';
    return give(mock, &(struct order){ .run = decommission,
                                       .broker = broker,
                                       .flag = move != 0,
                                       .text = wanted ? text : unseen,
                                       .text_size = wanted ? text_size : sizeof unseen });
}

static int16_t elect(struct mb_cluster *cluster, const struct order *order, int64_t now)
{
    return mb_cluster_elect(cluster, order->topic, order->partition, order->flag, now);
}

int kc_mock_elect(kc_mock *mock, const char *topic, int32_t partition, int unclean)
{
    return give(mock, &(struct order){
                          .run = elect, .topic = kci_str_of(topic), .partition = partition, .flag = unclean != 0 });
}

static int16_t reassign(struct mb_cluster *cluster, const struct order *order, int64_t now)
{
    return mb_cluster_reassign(cluster, order->topic, order->partition, order->brokers, order->count, now);
}

static int16_t set_isr(struct mb_cluster *cluster, const struct order *order, int64_t now)
{
    return mb_cluster_set_isr(cluster, order->topic, order->partition, order->brokers, order->count, now);
}

static int give_brokers(kc_mock *mock, struct order order, const char *topic, int32_t partition, const int32_t *brokers,
                        int32_t count)
{
    if (count < 1 || count > MB_SHELL_BROKERS_MAX)
        return KCI_INVALID_REPLICA_ASSIGNMENT;
    order.topic = kci_str_of(topic);
    order.partition = partition;
    order.brokers = brokers;
    order.count = count;
    return give(mock, &order);
}

int kc_mock_reassign(kc_mock *mock, const char *topic, int32_t partition, const int32_t *brokers, int32_t count)
{
    return give_brokers(mock, (struct order){ .run = reassign }, topic, partition, brokers, count);
}

int kc_mock_set_isr(kc_mock *mock, const char *topic, int32_t partition, const int32_t *brokers, int32_t count)
{
    return give_brokers(mock, (struct order){ .run = set_isr }, topic, partition, brokers, count);
}

static int16_t truncate_replica(struct mb_cluster *cluster, const struct order *order, int64_t now)
{
    return mb_cluster_truncate(cluster, order->topic, order->partition, order->broker, order->offset, now);
}

int kc_mock_truncate(kc_mock *mock, const char *topic, int32_t partition, int32_t broker, int64_t offset)
{
    return give(mock, &(struct order){ .run = truncate_replica,
                                       .topic = kci_str_of(topic),
                                       .partition = partition,
                                       .broker = broker,
                                       .offset = offset });
}

static int16_t rebalance(struct mb_cluster *cluster, const struct order *order, int64_t now)
{
    return mb_cluster_group_rebalance(cluster, order->group, now);
}

int kc_mock_group_rebalance(kc_mock *mock, const char *group)
{
    return give(mock, &(struct order){ .run = rebalance, .group = kci_str_of(group) });
}

static int16_t kick(struct mb_cluster *cluster, const struct order *order, int64_t now)
{
    return mb_cluster_group_kick(cluster, order->group, order->member, now);
}

int kc_mock_group_kick(kc_mock *mock, const char *group, const char *member_id)
{
    return give(mock, &(struct order){ .run = kick, .group = kci_str_of(group), .member = kci_str_of(member_id) });
}

static int16_t switch_fault(struct mb_cluster *cluster, const struct order *order, int64_t now)
{
    return mb_fault_switch(cluster, order->broker, order->flag, now) ? 0 : -1;
}

int kc_mock_fault_switch(kc_mock *mock, int32_t id, int on)
{
    return give(mock, &(struct order){ .run = switch_fault, .broker = id, .flag = on != 0 });
}
