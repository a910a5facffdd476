/* Writes java_assignments.txt: what Kafka's own RangeAssignor and StickyAssignor answer to random groups with racks.
 *
 *   java -cp 'kafka_2.13-4.x/libs/*' MakeAssignments.java > java_assignments.txt
 *
 * A assignor   (a group of "sticky" begins; else it is one of "range")
 * O member generation partitions ...   (what a member of "sticky" has)
 * T topic racks-of-p0 racks-of-p1 ...   (a letter is a rack)     M member rack topic ...  (- no rack)     R member partitions ...
 *
 * Left out are groups that Kafka's StickyAssignor gives up on with an exception: its step for racks may hand out more
 * of the larger shares than there are. */
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
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
        for (int number = 0, done = 0; done < 300; number++)
            if (sticky(new Random(1000 + number), number % 3 > 0))
                done++;
    }

    static String names(Collection<TopicPartition> partitions) {
        StringBuilder text = new StringBuilder();
        for (TopicPartition partition : partitions)
            text.append(' ').append(partition.topic()).append('-').append(partition.partition());
        return text.toString();
    }

    static ByteBuffer userData(Map<String, List<TopicPartition>> owned, int generation) {
        ByteBuffer data = ByteBuffer.allocate(4096);
        data.putInt(owned.size());
        owned.forEach((topic, partitions) -> {
            data.putShort((short) topic.length());
            data.put(topic.getBytes(StandardCharsets.UTF_8));
            data.putInt(partitions.size());
            partitions.forEach(partition -> data.putInt(partition.partition()));
        });
        data.putInt(generation);
        data.flip();
        return data;
    }

    /* A group with racks or without, whose members have something already. */
    static boolean sticky(Random random, boolean racks) {
        StringBuilder text = new StringBuilder("A sticky\n");
        int topicCount = 1 + random.nextInt(3), memberCount = 1 + random.nextInt(6);
        Map<String, List<PartitionInfo>> topics = new TreeMap<>();
        Map<String, StringBuilder> lines = new TreeMap<>();
        for (int t = 0; t < topicCount; t++) {
            String name = "t" + (t + 1);
            List<PartitionInfo> partitions = new ArrayList<>();
            int count = 1 + random.nextInt(7);
            StringBuilder line = new StringBuilder("T " + name);
            for (int p = 0; p < count; p++) {
                List<Node> nodes = new ArrayList<>();
                line.append(' ');
                for (int r = 0; r < 3 && racks; r++)
                    if (random.nextInt(2) > 0) {
                        nodes.add(new Node(10 * p + r, "h", 9092, String.valueOf((char) ('a' + r))));
                        line.append((char) ('a' + r));
                    }
                if (nodes.isEmpty())
                    line.append('-');
                Node[] replicas = nodes.toArray(new Node[0]);
                partitions.add(new PartitionInfo(name, p, null, replicas, replicas));
            }
            lines.put(name, line);
            topics.put(name, partitions);
        }
        boolean same = random.nextInt(3) > 0, fresh = random.nextInt(3) == 0;
        List<Set<String>> reads = new ArrayList<>();
        for (int m = 0; m < memberCount; m++) {
            reads.add(new TreeSet<>());
            for (String topic : topics.keySet())
                if (same || random.nextInt(3) > 0)
                    reads.get(m).add(topic);
            if (reads.get(m).isEmpty())
                reads.get(m).add("t1");
        }
        topics.keySet().removeIf(topic -> reads.stream().noneMatch(set -> set.contains(topic)));
        topics.keySet().forEach(topic -> text.append(lines.get(topic)).append('\n'));
        List<Map<String, List<TopicPartition>>> owned = new ArrayList<>();
        for (int m = 0; m < memberCount; m++)
            owned.add(new TreeMap<>());
        int claimants = 1 + random.nextInt(memberCount);
        for (List<PartitionInfo> partitions : topics.values())
            for (PartitionInfo partition : partitions) {
                int m = random.nextInt(claimants);
                if (!fresh && random.nextInt(5) > 0 && reads.get(m).contains(partition.topic()))
                    owned.get(m).computeIfAbsent(partition.topic(), name -> new ArrayList<>())
                         .add(new TopicPartition(partition.topic(), partition.partition()));
            }
        Map<String, Subscription> members = new TreeMap<>();
        for (int m = 0; m < memberCount; m++) {
            int rack = random.nextInt(5), generation = fresh ? -1 : 7;
            Optional<String> where = !racks || rack == 4 ? Optional.empty() : Optional.of(String.valueOf((char) ('a' + rack)));
            List<TopicPartition> all = new ArrayList<>();
            owned.get(m).values().forEach(all::addAll);
            members.put("m" + m, new Subscription(new ArrayList<>(reads.get(m)), userData(owned.get(m), generation), all, generation, where));
            text.append("M m").append(m).append(' ').append(where.orElse("-")).append(' ').append(String.join(" ", reads.get(m))).append('\n');
            if (!all.isEmpty())
                text.append("O m").append(m).append(' ').append(generation).append(names(all)).append('\n');
        }
        Map<String, List<TopicPartition>> result;
        try {
            result = new TreeMap<>(new StickyAssignor().assignPartitions(new TreeMap<>(topics), members));
        } catch (IllegalStateException e) {
            return false;
        }
        result.forEach((member, partitions) -> {
            partitions.sort(Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition));
            text.append("R ").append(member).append(names(partitions)).append('\n');
        });
        System.out.print(text);
        return true;
    }
}
