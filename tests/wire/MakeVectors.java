// Messages as Apache Kafka's own code writes them, for vectors_test.c: one line for each message and version,
//
//     <api key> request|response <version> <hex>
//
// with random contents (seeded by key and version, so the same every time).  Run once per Kafka release, oldest first; a later
// release skips what an earlier one wrote:
//
//     java -cp kafka-clients-3.9.1.jar:slf4j-api.jar MakeVectors.java >  vectors.txt
//     java -cp kafka-clients-4.4.0.jar:slf4j-api.jar MakeVectors.java vectors.txt >> vectors.txt
import java.lang.reflect.*;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Type;

public class MakeVectors {
    // Not sent by clients, and not in our schema: see compare_schema.py.
    static final Set<Integer> NOT_DESCRIBED = new HashSet<>(Arrays.asList(
        4, 5, 6, 7, 52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 80, 81, 82, 88, 89, 93, 94));
    static Random random;

    static String text() {
        StringBuilder s = new StringBuilder();
        for (int n = random.nextInt(4); n > 0; n--) s.append((char) ('a' + random.nextInt(26)));
        return s.toString();
    }

    static byte[] bytes() {
        byte[] b = new byte[random.nextInt(4)];
        random.nextBytes(b);
        return b;
    }

    static Object value(Type type, Class<?> java, java.lang.reflect.Type generic) throws Exception {
        if (type.isNullable() && random.nextInt(4) == 0) return null;
        if (type.isArray()) {
            Type element = type.arrayElementType().get();
            Class<?> of;
            Collection<Object> list;
            if (java == List.class) {
                of = (Class<?>) ((ParameterizedType) generic).getActualTypeArguments()[0];
                list = new ArrayList<>();
            } else {
                of = (Class<?>) ((ParameterizedType) java.getGenericSuperclass()).getActualTypeArguments()[0];
                list = make(java);
            }
            for (int n = random.nextInt(3); n > 0; n--) list.add(value(element, of, of));
            return list;
        }
        if (Message.class.isAssignableFrom(java)) {
            Message m = make(java);
            fill(m, (Schema) type);
            return m;
        }
        switch (java.getSimpleName()) {
            case "boolean": case "Boolean": return random.nextBoolean();
            case "byte": case "Byte": return (byte) random.nextInt();
            case "short": case "Short": return (short) random.nextInt();
            case "int": case "Integer": return type == Type.UINT16 ? (Object) random.nextInt(65536) : (Object) random.nextInt();
            case "long": case "Long": return type == Type.UNSIGNED_INT32 ? (Object) (random.nextLong() & 0xffffffffL) : (Object) random.nextLong();
            case "double": return random.nextInt(1000) / 8.0;
            case "String": return text();
            case "byte[]": return bytes();
            case "ByteBuffer": return ByteBuffer.wrap(bytes());
            case "Uuid": return new Uuid(random.nextLong(), random.nextLong());
            case "BaseRecords": return records(bytes());
            default: throw new IllegalStateException(java + " for " + type);
        }
    }

    // The class has moved between releases.
    static Object records(byte[] bytes) throws Exception {
        for (String where : new String[] {"record", "record.internal"})
            try {
                Class<?> c = Class.forName("org.apache.kafka.common." + where + ".MemoryRecords");
                return c.getMethod("readableRecords", ByteBuffer.class).invoke(null, ByteBuffer.wrap(bytes));
            } catch (ClassNotFoundException elsewhere) {
                continue;
            }
        throw new IllegalStateException("no MemoryRecords");
    }

    @SuppressWarnings("unchecked")
    static Collection<Field> taggedFields(TaggedFields section) throws Exception {
        for (java.lang.reflect.Field f : TaggedFields.class.getDeclaredFields())
            if (Map.class.isAssignableFrom(f.getType())) {
                f.setAccessible(true);
                return ((Map<Integer, Field>) f.get(section)).values();
            }
        throw new IllegalStateException("no tagged fields");
    }

    @SuppressWarnings("unchecked")
    static <T> T make(Class<?> c) throws Exception {
        Constructor<?> constructor = c.getConstructor();
        constructor.setAccessible(true);
        return (T) constructor.newInstance();
    }

    static String plain(String name) {
        return name.replace("_", "").toLowerCase(Locale.ROOT);
    }

    static void set(Message m, Field field) throws Exception {
        for (java.lang.reflect.Field f : m.getClass().getDeclaredFields()) {
            if (Modifier.isStatic(f.getModifiers()) || !plain(f.getName()).equals(plain(field.name))) continue;
            f.setAccessible(true);
            f.set(m, value(field.type, f.getType(), f.getGenericType()));
            return;
        }
        throw new IllegalStateException(m.getClass() + " has no " + field.name);
    }

    static void fill(Message m, Schema schema) throws Exception {
        for (BoundField bound : schema.fields()) {
            if (!(bound.def.type instanceof TaggedFields)) {
                set(m, bound.def);
                continue;
            }
            for (Field tagged : taggedFields((TaggedFields) bound.def.type))
                if (random.nextBoolean()) set(m, tagged);
            if (random.nextInt(4) == 0) m.unknownTaggedFields().add(new RawTaggedField(50 + random.nextInt(200), bytes()));
        }
    }

    static void write(ApiMessageType api, String kind, ApiMessage message, Schema[] schemas, short version) throws Exception {
        random = new Random(api.apiKey() * 1000 + version * 2 + kind.length());
        fill(message, schemas[version]);
        StringBuilder line = new StringBuilder(api.apiKey() + " " + kind + " " + version + " ");
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer out = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(out), cache, version);
        out.flip();
        while (out.hasRemaining()) line.append(String.format("%02x", out.get()));
        System.out.println(line);
    }

    public static void main(String[] earlier) throws Exception {
        Set<String> there = new HashSet<>();
        for (String path : earlier)
            for (String line : Files.readAllLines(Paths.get(path))) {
                String[] words = line.split(" ");
                if (words.length > 2) there.add(words[0] + " " + words[1] + " " + words[2]);
            }
        for (ApiMessageType api : ApiMessageType.values()) {
            if (NOT_DESCRIBED.contains((int) api.apiKey())) continue;
            for (short v = 0; v < 100; v++) {
                Schema[] requests = api.requestSchemas(), responses = api.responseSchemas();
                if (v >= api.lowestSupportedVersion() && v <= api.highestSupportedVersion(false)) {
                    if (!there.contains(api.apiKey() + " request " + v)) write(api, "request", api.newRequest(), requests, v);
                    if (!there.contains(api.apiKey() + " response " + v)) write(api, "response", api.newResponse(), responses, v);
                }
            }
        }
    }
}
