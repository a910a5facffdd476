/* Writes java_assignments.txt: what Kafka's own RangeAssignor answers to random groups with racks.
 *
 *   java -cp 'kafka_2.13-4.x/libs/*' MakeAssignments.java > java_assignments.txt
 *
 * T topic racks-of-p0 racks-of-p1 ...   (a letter is a rack)     M member rack topic ...  (- no rack)     R member partitions ... */
import java.util.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.common.*;

public class MakeAssignments {
    static final Random random = new Random(42);

    static Node[] replicas(int p) {
        List<Node> nodes = new ArrayList<>();
        for (int r = 0; r < 3; r++)
            if (random.nextInt(4) > 0)
                nodes.add(new Node(10 * p + r, "h", 9092, String.valueOf((char) ('a' + r))));
        return nodes.toArray(new Node[0]);
    }

    public static void main(String[] args) {
        for (int number = 0; number < 150; number++) {
            int topicCount = 1 + random.nextInt(3), memberCount = 1 + random.nextInt(5), like = 1 + random.nextInt(7);
            Map<String, List<PartitionInfo>> topics = new TreeMap<>();
            Map<String, Subscription> members = new TreeMap<>();
            for (int t = 0; t < topicCount; t++) {
                String name = "t" + (t + 1);
                StringBuilder line = new StringBuilder("T " + name);
                List<PartitionInfo> partitions = new ArrayList<>();
                int count = random.nextInt(3) > 0 ? like : 1 + random.nextInt(7);
                for (int p = 0; p < count; p++) {
                    Node[] nodes = replicas(p);
                    partitions.add(new PartitionInfo(name, p, nodes.length > 0 ? nodes[0] : Node.noNode(), nodes, nodes));
                    line.append(' ');
                    for (Node node : nodes)
                        line.append(node.rack());
                    if (nodes.length == 0)
                        line.append('-');
                }
                topics.put(name, partitions);
                System.out.println(line);
            }
            boolean same = random.nextBoolean();
            for (int m = 0; m < memberCount; m++) {
                List<String> reads = new ArrayList<>();
                for (String topic : topics.keySet())
                    if (same || random.nextInt(4) > 0)
                        reads.add(topic);
                int rack = random.nextInt(5);
                Optional<String> where = rack == 4 ? Optional.empty() : Optional.of(String.valueOf((char) ('a' + rack)));
                members.put("m" + m, new Subscription(reads, null, List.of(), -1, where));
                System.out.println("M m" + m + " " + where.orElse("-") + (reads.isEmpty() ? "" : " " + String.join(" ", reads)));
            }
            Map<String, List<PartitionInfo>> read = new TreeMap<>(topics);
            read.keySet().removeIf(topic -> members.values().stream().noneMatch(s -> s.topics().contains(topic)));
            Map<String, List<TopicPartition>> result = new TreeMap<>(new RangeAssignor().assignPartitions(read, members));
            for (Map.Entry<String, List<TopicPartition>> entry : result.entrySet()) {
                StringBuilder line = new StringBuilder("R " + entry.getKey());
                for (TopicPartition partition : entry.getValue())
                    line.append(' ').append(partition.topic()).append('-').append(partition.partition());
                System.out.println(line);
            }
        }
    }
}
