/* Transactions of the Java clients: what they do is printed, one line each, so that a test can compare.
 *
 *     java -cp 'libs/*' Transactions.java BOOTSTRAP STEP...
 *
 *     write      topic "written": a commit, an abort, a commit; prints how many of each
 *     fence      a second producer of the same transactional.id ends the first one
 *     transform  reads "written" (read_committed), writes "transformed" and the offsets in transactions; the first is aborted
 *     offsets    what the group of transform has committed */
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

public class Transactions {
    static String bootstrap;

    static KafkaProducer<String, String> producer(String id) {
        return new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap, "transactional.id", id, "transaction.timeout.ms", "600000"), new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String group) {
        return new KafkaConsumer<>(Map.of("bootstrap.servers", bootstrap, "group.id", group, "isolation.level", "read_committed", "enable.auto.commit", "false",
                                          "auto.offset.reset", "earliest"), new StringDeserializer(), new StringDeserializer());
    }

    static void send(KafkaProducer<String, String> producer, String prefix, int count) {
        for (int i = 0; i < count; i++)
            producer.send(new ProducerRecord<>("written", i % 3, null, prefix + "-" + i));
    }

    static void write() {
        try (KafkaProducer<String, String> producer = producer("writer")) {
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, "first", 100);
            producer.commitTransaction();
            producer.beginTransaction();
            send(producer, "aborted", 50);
            producer.flush();
            producer.abortTransaction();
            producer.beginTransaction();
            send(producer, "second", 100);
            producer.commitTransaction();
        }
        System.out.println("write: ok");
    }

    static void fence() {
        try (KafkaProducer<String, String> first = producer("fenced"); KafkaProducer<String, String> second = producer("fenced")) {
            first.initTransactions();
            first.beginTransaction();
            send(first, "fenced", 3);
            first.flush();
            second.initTransactions();
            String outcome = "committed";
            try {
                first.commitTransaction();
            } catch (ProducerFencedException | InvalidProducerEpochException e) {
                outcome = "fenced";
            }
            second.beginTransaction();
            send(second, "fencing", 3);
            second.commitTransaction();
            System.out.println("fence: " + outcome);
        }
    }

    static void transform() {
        int done = 0;
        boolean abort = true;
        try (KafkaConsumer<String, String> consumer = consumer("transformers"); KafkaProducer<String, String> producer = producer("transformer")) {
            producer.initTransactions();
            consumer.subscribe(List.of("written"));
            while (done < 203) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofSeconds(1));
                if (records.isEmpty())
                    continue;
                producer.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (ConsumerRecord<String, String> record : records) {
                    producer.send(new ProducerRecord<>("transformed", record.value()));
                    offsets.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
                }
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                if (abort) {
                    producer.abortTransaction();
                    Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
                    for (TopicPartition partition : consumer.assignment())
                        consumer.seek(partition, committed.get(partition) == null ? 0 : committed.get(partition).offset());
                    abort = false;
                } else {
                    producer.commitTransaction();
                    done += records.count();
                }
            }
        }
        System.out.println("transform: " + done);
    }

    static void offsets() {
        try (KafkaConsumer<String, String> consumer = consumer("transformers")) {
            Set<TopicPartition> partitions = Set.of(new TopicPartition("written", 0), new TopicPartition("written", 1), new TopicPartition("written", 2));
            TreeMap<Integer, Long> offsets = new TreeMap<>();
            consumer.committed(partitions).forEach((p, o) -> offsets.put(p.partition(), o == null ? -1 : o.offset()));
            System.out.println("offsets: " + offsets);
        }
    }

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        for (String step : Arrays.copyOfRange(arguments, 1, arguments.length)) {
            switch (step) {
                case "write" -> write();
                case "fence" -> fence();
                case "transform" -> transform();
                case "offsets" -> offsets();
                default -> throw new IllegalArgumentException(step);
            }
        }
    }
}
