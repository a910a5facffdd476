/* What kc perf does, with the Java client: same options, same line of JSON.
 *
 *     java -cp "libs/*" bench/java/Perf.java produce|consume|latency -b ADDR -t TOPIC [-n N] [-s BYTES] [-d SECONDS] [-j THREADS] [-V] [-X k=v]...
 *
 * A JVM is slow until it has compiled what it runs: the same work goes on for WARM_UP_S before it is measured, with
 * clients of its own.  All threads produce with one producer; each consuming one has its own, with its share. */
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

public class Perf {
    static final double WARM_UP_S = 2.0;
    static final double IDLE_LIMIT_S = 10;
    static final int TEXT_BYTES = 4 << 20;
    static final int VALUES = 8192; /* different arrays: the client keeps a reference to each until it is encoded */

    static String what, topic;
    static long records = 1000000, rate, limitS;
    static int size = 100, threads = 1;
    static boolean varied;
    static final Properties properties = new Properties();
    static byte[][] values;

    /* An outcome, of all threads. */
    static class Result {
        final AtomicLong records = new AtomicLong(), bytes = new AtomicLong(), errors = new AtomicLong();
        final AtomicLong last = new AtomicLong(); /* when the last record came, ns */
        final AtomicLong checksum = new AtomicLong();
        long begun, took;
        int[] latenciesUs;
    }

    interface Work {
        void run(int thread) throws Exception;
    }

    static int state = 1;

    static int random() {
        state = state * 1103515245 + 12345;
        return state >>> 16;
    }

    /* The values of tools/kc/values.c. */
    static void makeValues() {
        if (!varied) {
            byte[] value = new byte[size];
            for (int i = 0; i < size; i++)
                value[i] = (byte) ('a' + random() % 26);
            values = new byte[][] {value};
            return;
        }
        byte[][] words = new byte[256][];
        for (int i = 0; i < words.length; i++) {
            words[i] = new byte[3 + random() % 8];
            for (int j = 0; j < words[i].length; j++)
                words[i][j] = (byte) ('a' + random() % 26);
        }
        byte[] text = new byte[TEXT_BYTES + size];
        for (int at = 0; at < text.length;) {
            byte[] word = words[(random() % 256) * (random() % 256) / 256];
            int length = Math.min(word.length, text.length - at);
            System.arraycopy(word, 0, text, at, length);
            at += length;
            if (at < text.length)
                text[at++] = ' ';
        }
        int count = (int) Math.max(1, Math.min(VALUES, (256L << 20) / (size + 1)));
        values = new byte[count][];
        for (int i = 0; i < count; i++) {
            int at = (int) ((long) i * size % TEXT_BYTES);
            values[i] = Arrays.copyOfRange(text, at, at + size);
        }
    }

    static void inThreads(Work work) throws Exception {
        List<Thread> all = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            int thread = i;
            all.add(new Thread(() -> {
                try {
                    work.run(thread);
                } catch (Exception e) {
                    e.printStackTrace();
                    System.exit(1);
                }
            }));
        }
        all.forEach(Thread::start);
        for (Thread thread : all)
            thread.join();
    }

    static Result produce(long count, double limit) throws Exception {
        Result r = new Result();
        properties.setProperty("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        properties.setProperty("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
            producer.partitionsFor(topic);
            if (what.equals("latency"))
                r.latenciesUs = new int[(int) count];
            r.begun = System.nanoTime();
            inThreads(thread -> {
                long first = count * thread / threads, end = count * (thread + 1) / threads;
                for (long i = first; i < end && ((i & 255) != 0 || (System.nanoTime() - r.begun) / 1e9 < limit); i++) {
                    byte[] value = values[(int) (i % values.length)];
                    if (rate > 0) {
                        long due = r.begun + (long) ((i - first) * 1e9 * threads / rate);
                        for (long left; (left = due - System.nanoTime()) > 0;)
                            LockSupport.parkNanos(Math.min(left, 50000));
                    }
                    int slot = (int) i;
                    long sent = r.latenciesUs != null ? System.nanoTime() : 0;
                    producer.send(new ProducerRecord<>(topic, value), (metadata, e) -> {
                        if (e != null)
                            r.errors.incrementAndGet();
                        else if (r.latenciesUs != null)
                            r.latenciesUs[slot] = (int) ((System.nanoTime() - sent) / 1000);
                    });
                    r.records.lazySet(threads == 1 ? i + 1 : 0);
                    if (threads > 1)
                        r.bytes.incrementAndGet();
                }
            });
            if (threads > 1)
                r.records.set(r.bytes.get());
            producer.flush();
            r.took = System.nanoTime() - r.begun;
        }
        r.records.addAndGet(-r.errors.get());
        r.bytes.set(r.records.get() * size);
        return r;
    }

    static Result consume(long count, double limit) throws Exception {
        Result r = new Result();
        List<KafkaConsumer<byte[], byte[]>> consumers = new ArrayList<>();
        properties.setProperty("key.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
        properties.setProperty("value.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
        properties.setProperty("enable.auto.commit", "false");
        for (int i = 0; i < threads; i++) {
            KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties);
            List<TopicPartition> mine = new ArrayList<>();
            for (PartitionInfo partition : consumer.partitionsFor(topic))
                if (partition.partition() % threads == i)
                    mine.add(new TopicPartition(topic, partition.partition()));
            consumer.assign(mine);
            consumer.seekToBeginning(mine);
            consumers.add(consumer);
        }
        r.begun = System.nanoTime();
        r.last.set(r.begun);
        inThreads(thread -> {
            KafkaConsumer<byte[], byte[]> consumer = consumers.get(thread);
            while (r.records.get() < count && (System.nanoTime() - r.begun) / 1e9 < limit
                    && (System.nanoTime() - r.last.get()) / 1e9 < IDLE_LIMIT_S) {
                ConsumerRecords<byte[], byte[]> polled = consumer.poll(Duration.ofMillis(100));
                long n = 0, bytes = 0, sum = 0;
                for (ConsumerRecord<byte[], byte[]> record : polled) {
                    n++;
                    bytes += record.value().length;
                    sum += record.value().length > 0 ? record.value()[0] : 0;
                }
                if (n > 0) {
                    r.records.addAndGet(n);
                    r.bytes.addAndGet(bytes);
                    r.checksum.addAndGet(sum);
                    r.last.accumulateAndGet(System.nanoTime(), Math::max);
                }
            }
            consumer.close();
        });
        r.took = r.last.get() - r.begun;
        return r;
    }

    static Result work(long count, double limit) throws Exception {
        return what.equals("consume") ? consume(count, limit) : produce(count, limit);
    }

    static double cpuSeconds() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
    }

    static long residentKb() throws Exception {
        for (String line : java.nio.file.Files.readAllLines(java.nio.file.Path.of("/proc/self/status")))
            if (line.startsWith("VmHWM"))
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
        return 0;
    }

    static void options(String[] arguments) {
        what = arguments[0];
        for (int i = 1; i < arguments.length; i++) {
            if (arguments[i].equals("-V")) {
                varied = true;
                continue;
            }
            String value = arguments[i + 1];
            switch (arguments[i++]) {
                case "-b" -> properties.setProperty("bootstrap.servers", value);
                case "-t" -> topic = value;
                case "-n" -> records = Long.parseLong(value);
                case "-s" -> size = Integer.parseInt(value);
                case "-R" -> rate = Long.parseLong(value);
                case "-d" -> limitS = Long.parseLong(value);
                case "-j" -> threads = Integer.parseInt(value);
                case "-X" -> properties.setProperty(value.split("=", 2)[0], value.split("=", 2)[1]);
                default -> throw new IllegalArgumentException(arguments[i - 1]);
            }
        }
        if (what.equals("latency") && rate == 0)
            rate = 10000;
    }

    public static void main(String[] arguments) throws Exception {
        options(arguments);
        makeValues();
        work(rate > 0 ? (long) (rate * WARM_UP_S) : records, WARM_UP_S);
        double cpu = cpuSeconds();
        Result r = work(records, limitS > 0 ? limitS : 1e9);
        cpu = cpuSeconds() - cpu;
        double seconds = r.took / 1e9;
        String more = "";
        if (r.latenciesUs != null) {
            int n = r.latenciesUs.length;
            Arrays.sort(r.latenciesUs);
            more = String.format(",\"p50_us\":%d,\"p99_us\":%d,\"p999_us\":%d,\"max_us\":%d", r.latenciesUs[n / 2],
                    r.latenciesUs[n - 1 - n / 100], r.latenciesUs[n - 1 - n / 1000], r.latenciesUs[n - 1]);
        }
        System.out.printf(Locale.ROOT,
                "{\"records\":%d,\"bytes\":%d,\"seconds\":%.6f,\"records_per_s\":%.0f,\"mb_per_s\":%.2f,\"cpu_user_s\":%.3f,"
                        + "\"cpu_sys_s\":0,\"max_rss_kb\":%d,\"errors\":%d%s}%n",
                r.records.get(), r.bytes.get(), seconds, r.records.get() / seconds, r.bytes.get() / seconds / 1e6, cpu, residentKb(),
                r.errors.get(), more);
    }
}
