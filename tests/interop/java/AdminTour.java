/* A tour through Kafka's Admin: one line for each question and its answer, so that two clusters can be compared.
 *
 *     java -cp 'libs/*' AdminTour.java BOOTSTRAP CHAPTER...
 *
 * What differs from cluster to cluster (ids, times, ports) is left out.  Chapters leave nothing behind. */
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.resource.*;

public class AdminTour {
    interface Step {
        Object run() throws Exception;
    }

    static Admin admin;

    static void say(String what, Step step) {
        String answer;
        try {
            Object value = step.run();
            answer = value == null ? "ok" : value.toString();
        } catch (ExecutionException e) {
            answer = e.getCause().getClass().getSimpleName() + ": " + e.getCause().getMessage();
        } catch (Exception e) {
            answer = e.getClass().getSimpleName() + ": " + e.getMessage();
        }
        System.out.println(what + " -> " + answer.replace('\n', ' '));
    }

    static <T> String sorted(Collection<T> items) {
        return items.stream().map(Object::toString).sorted().collect(Collectors.joining("; ", "[", "]"));
    }

    static AclBinding acl(ResourceType type, String name, PatternType pattern, String principal, String host, AclOperation operation, AclPermissionType permission) {
        return new AclBinding(new ResourcePattern(type, name, pattern), new AccessControlEntry(principal, host, operation, permission));
    }

    static AclBindingFilter filter(ResourceType type, String name, PatternType pattern, String principal) {
        return new AclBindingFilter(new ResourcePatternFilter(type, name, pattern), new AccessControlEntryFilter(principal, null, AclOperation.ANY, AclPermissionType.ANY));
    }

    static void create(AclBinding binding) {
        say("create " + binding, () -> admin.createAcls(List.of(binding)).all().get());
    }

    static void describe(AclBindingFilter filter) {
        say("describe " + filter, () -> sorted(admin.describeAcls(filter).values().get()));
    }

    static void acls() {
        create(acl(ResourceType.TOPIC, "orders", PatternType.LITERAL, "User:anna", "*", AclOperation.READ, AclPermissionType.ALLOW));
        create(acl(ResourceType.TOPIC, "orders", PatternType.LITERAL, "User:anna", "*", AclOperation.READ, AclPermissionType.ALLOW));
        create(acl(ResourceType.TOPIC, "ord", PatternType.PREFIXED, "User:bert", "10.0.0.1", AclOperation.WRITE, AclPermissionType.DENY));
        create(acl(ResourceType.TOPIC, "*", PatternType.LITERAL, "User:*", "*", AclOperation.DESCRIBE, AclPermissionType.ALLOW));
        create(acl(ResourceType.GROUP, "g", PatternType.LITERAL, "User:anna", "*", AclOperation.ALL, AclPermissionType.ALLOW));
        create(acl(ResourceType.CLUSTER, "kafka-cluster", PatternType.LITERAL, "User:anna", "*", AclOperation.ALTER, AclPermissionType.ALLOW));
        create(acl(ResourceType.CLUSTER, "another", PatternType.LITERAL, "User:anna", "*", AclOperation.ALTER, AclPermissionType.ALLOW));
        create(acl(ResourceType.TOPIC, "", PatternType.LITERAL, "User:anna", "*", AclOperation.READ, AclPermissionType.ALLOW));
        create(acl(ResourceType.TOPIC, "x", PatternType.LITERAL, "anna", "*", AclOperation.READ, AclPermissionType.ALLOW));
        create(acl(ResourceType.TOPIC, "x", PatternType.LITERAL, "User:anna", "", AclOperation.READ, AclPermissionType.ALLOW));
        create(acl(ResourceType.GROUP, "x", PatternType.LITERAL, "User:anna", "*", AclOperation.WRITE, AclPermissionType.ALLOW));
        describe(AclBindingFilter.ANY);
        describe(filter(ResourceType.TOPIC, "orders", PatternType.LITERAL, null));
        describe(filter(ResourceType.TOPIC, "orders", PatternType.MATCH, null));
        describe(filter(ResourceType.TOPIC, "orders", PatternType.ANY, null));
        describe(filter(ResourceType.ANY, null, PatternType.PREFIXED, null));
        describe(filter(ResourceType.ANY, null, PatternType.ANY, "User:anna"));
        describe(filter(ResourceType.ANY, null, PatternType.ANY, "User:nobody"));
        say("delete prefixed", () -> sorted(admin.deleteAcls(List.of(filter(ResourceType.TOPIC, null, PatternType.PREFIXED, null))).all().get()));
        say("delete prefixed again", () -> sorted(admin.deleteAcls(List.of(filter(ResourceType.TOPIC, null, PatternType.PREFIXED, null))).all().get()));
        say("delete all", () -> admin.deleteAcls(List.of(AclBindingFilter.ANY)).all().get().size());
        describe(AclBindingFilter.ANY);
    }

    static void upsert(String user, int iterations) {
        say("upsert " + user + " " + iterations, () -> admin.alterUserScramCredentials(
            List.of(new UserScramCredentialUpsertion(user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, iterations), "secret"))).all().get());
    }

    static void remove(String user, ScramMechanism mechanism) {
        say("remove " + user + " " + mechanism, () -> admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(user, mechanism))).all().get());
    }

    static void scram() {
        say("describe all", () -> sorted(admin.describeUserScramCredentials().all().get().values()));
        say("describe anna", () -> admin.describeUserScramCredentials(List.of("anna")).description("anna").get());
        upsert("anna", 4096);
        upsert("anna", 8192);
        upsert("bert", 4095);
        upsert("bert", 16385);
        upsert("bert", 16384);
        upsert("", 4096);
        say("upsert both mechanisms", () -> admin.alterUserScramCredentials(List.of(
            new UserScramCredentialUpsertion("carl", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "a"),
            new UserScramCredentialUpsertion("carl", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 5000), "a"))).all().get());
        say("upsert twice", () -> admin.alterUserScramCredentials(List.of(
            new UserScramCredentialUpsertion("dora", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "a"),
            new UserScramCredentialUpsertion("dora", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 5000), "a"))).all().get());
        say("describe all", () -> sorted(admin.describeUserScramCredentials().all().get().values()));
        say("describe anna, nobody", () -> sorted(admin.describeUserScramCredentials(List.of("anna", "nobody")).users().get()));
        say("describe nobody", () -> admin.describeUserScramCredentials(List.of("anna", "nobody")).description("nobody").get());
        remove("anna", ScramMechanism.SCRAM_SHA_512);
        remove("nobody", ScramMechanism.SCRAM_SHA_256);
        remove("anna", ScramMechanism.SCRAM_SHA_256);
        remove("bert", ScramMechanism.SCRAM_SHA_256);
        remove("carl", ScramMechanism.SCRAM_SHA_256);
        remove("carl", ScramMechanism.SCRAM_SHA_512);
        say("describe all", () -> sorted(admin.describeUserScramCredentials().all().get().values()));
    }

    static void update(String name, int level, FeatureUpdate.UpgradeType type, boolean dry) {
        say("update " + name + " " + level + " " + type + (dry ? " dry" : ""), () ->
            admin.updateFeatures(Map.of(name, new FeatureUpdate((short) level, type)), new UpdateFeaturesOptions().validateOnly(dry)).all().get());
    }

    static void features() {
        say("group.version", () -> admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("group.version"));
        update("no.such.feature", 1, FeatureUpdate.UpgradeType.UPGRADE, false);
        update("group.version", 2, FeatureUpdate.UpgradeType.UPGRADE, false);
        update("group.version", 0, FeatureUpdate.UpgradeType.UPGRADE, false);
        update("group.version", 0, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE, true);
        say("group.version", () -> admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("group.version"));
        update("group.version", 0, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE, false);
        say("group.version", () -> admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("group.version"));
        update("group.version", 1, FeatureUpdate.UpgradeType.UPGRADE, false);
        update("group.version", 1, FeatureUpdate.UpgradeType.UPGRADE, false);
        say("group.version", () -> admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("group.version"));
        update("metadata.version", 6, FeatureUpdate.UpgradeType.UNSAFE_DOWNGRADE, true);
    }

    static void cluster() throws Exception {
        say("quorum", () -> {
            QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
            return "leader is a voter: " + quorum.voters().stream().anyMatch(v -> v.replicaId() == quorum.leaderId()) + ", observers " + quorum.observers().size();
        });
        say("unregister 77", () -> admin.unregisterBroker(77).all().get());
        say("operations on the cluster", () -> sorted(admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true)).authorizedOperations().get()));
        admin.createTopics(List.of(new NewTopic("tour", 1, (short) 1))).all().get();
        say("operations on a topic", () -> sorted(admin.describeTopics(List.of("tour"), new DescribeTopicsOptions().includeAuthorizedOperations(true))
            .allTopicNames().get().get("tour").authorizedOperations()));
        say("move to no directory", () -> {
            TopicPartitionReplica replica = new TopicPartitionReplica("tour", 0, 1);
            return admin.alterReplicaLogDirs(Map.of(replica, "/no/such/directory")).all().get();
        });
        say("move what is not there", () -> {
            String directory = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).keySet().iterator().next();
            return admin.alterReplicaLogDirs(Map.of(new TopicPartitionReplica("nothing", 0, 1), directory)).all().get();
        });
        say("producers", () -> admin.describeProducers(List.of(new TopicPartition("tour", 0))).all().get().get(new TopicPartition("tour", 0)).activeProducers().size());
        admin.deleteTopics(List.of("tour")).all().get();
        say("create token", () -> admin.createDelegationToken().delegationToken().get());
        say("describe tokens", () -> admin.describeDelegationToken().delegationTokens().get());
        say("renew token", () -> admin.renewDelegationToken(new byte[] {1}).expiryTimestamp().get());
        say("expire token", () -> admin.expireDelegationToken(new byte[] {1}).expiryTimestamp().get());
    }

    static ConfigResource resource(ConfigResource.Type type, String name) {
        return new ConfigResource(type, name);
    }

    static void alter(ConfigResource resource, AlterConfigOp.OpType type, String key, String value) {
        say(resource.type() + " " + resource.name() + " " + type + " " + key + "=" + value, () ->
            admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(key, value), type)))).all().get());
    }

    static void show(ConfigResource resource) {
        say("show " + resource.type() + " " + resource.name(), () -> sorted(admin.describeConfigs(List.of(resource)).all().get().get(resource).entries().stream()
            .filter(e -> resource.type() != ConfigResource.Type.GROUP || e.name().startsWith("consumer."))
            .map(e -> e.name() + "=" + e.value() + " " + e.source() + " " + e.type() + (e.isReadOnly() ? " read-only" : "") + (e.isSensitive() ? " sensitive" : "")).toList()));
    }

    static void configs() {
        ConfigResource metrics = resource(ConfigResource.Type.CLIENT_METRICS, "sub");
        show(metrics);
        alter(metrics, AlterConfigOp.OpType.SET, "interval.ms", "60000");
        alter(metrics, AlterConfigOp.OpType.SET, "interval.ms", "99");
        alter(metrics, AlterConfigOp.OpType.SET, "interval.ms", "3600001");
        alter(metrics, AlterConfigOp.OpType.SET, "interval.ms", "soon");
        alter(metrics, AlterConfigOp.OpType.SET, "metrics", "org.apache.kafka.producer.,org.apache.kafka.consumer.coordinator.");
        alter(metrics, AlterConfigOp.OpType.APPEND, "metrics", "org.apache.kafka.admin.");
        alter(metrics, AlterConfigOp.OpType.SET, "match", "client_software_name=apache-kafka-java,client_software_version=4.*");
        alter(metrics, AlterConfigOp.OpType.SET, "match", "nothing=1");
        alter(metrics, AlterConfigOp.OpType.SET, "match", "client_id");
        alter(metrics, AlterConfigOp.OpType.SET, "match", "client_id=[");
        alter(metrics, AlterConfigOp.OpType.SET, "no.such.key", "1");
        alter(resource(ConfigResource.Type.CLIENT_METRICS, ""), AlterConfigOp.OpType.SET, "interval.ms", "60000");
        show(metrics);
        say("list", () -> sorted(admin.listConfigResources(Set.of(ConfigResource.Type.CLIENT_METRICS), new ListConfigResourcesOptions()).all().get()));
        alter(metrics, AlterConfigOp.OpType.DELETE, "metrics", "");
        alter(metrics, AlterConfigOp.OpType.DELETE, "match", "");
        alter(metrics, AlterConfigOp.OpType.DELETE, "interval.ms", "");
        show(metrics);
        say("list", () -> sorted(admin.listConfigResources(Set.of(ConfigResource.Type.CLIENT_METRICS), new ListConfigResourcesOptions()).all().get()));
        ConfigResource group = resource(ConfigResource.Type.GROUP, "readers");
        show(group);
        alter(group, AlterConfigOp.OpType.SET, "consumer.session.timeout.ms", "50000");
        alter(group, AlterConfigOp.OpType.SET, "consumer.session.timeout.ms", "1");
        alter(group, AlterConfigOp.OpType.SET, "consumer.session.timeout.ms", "100000");
        alter(group, AlterConfigOp.OpType.SET, "consumer.session.timeout.ms", "soon");
        alter(group, AlterConfigOp.OpType.SET, "consumer.heartbeat.interval.ms", "4999");
        alter(group, AlterConfigOp.OpType.SET, "consumer.heartbeat.interval.ms", "6000");
        alter(group, AlterConfigOp.OpType.SET, "no.such.key", "1");
        alter(resource(ConfigResource.Type.GROUP, ""), AlterConfigOp.OpType.SET, "consumer.session.timeout.ms", "50000");
        show(group);
        say("list", () -> sorted(admin.listConfigResources(Set.of(ConfigResource.Type.GROUP), new ListConfigResourcesOptions()).all().get()));
        alter(group, AlterConfigOp.OpType.DELETE, "consumer.session.timeout.ms", "");
        alter(group, AlterConfigOp.OpType.DELETE, "consumer.heartbeat.interval.ms", "");
        show(group);
        say("list", () -> sorted(admin.listConfigResources(Set.of(ConfigResource.Type.GROUP), new ListConfigResourcesOptions()).all().get()));
    }

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("request.timeout.ms", "20000");
        properties.put("default.api.timeout.ms", "20000");
        properties.put("enable.metrics.push", "false");
        admin = Admin.create(properties);
        for (String chapter : Arrays.asList(arguments).subList(1, arguments.length)) {
            System.out.println("== " + chapter);
            switch (chapter) {
                case "acls" -> acls();
                case "scram" -> scram();
                case "features" -> features();
                case "cluster" -> cluster();
                case "configs" -> configs();
                default -> throw new IllegalArgumentException(chapter);
            }
        }
        admin.close();
    }
}
