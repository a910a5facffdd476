/* The list of planted defects, in the order of the properties in docs/simulation.md; and the seeds that are kept. */
#include "plants.h"

#include "consumer/consumer.h"
#include "mockbroker/core/broker.h"
#include "producer/producer.h"

#define P(number)                                                                                                      \
    {                                                                                                                  \
        .producer = KCI_PLANT_##number                                                                                 \
    }
#define C(number)                                                                                                      \
    {                                                                                                                  \
        .consumer = KCI_PLANT_##number                                                                                 \
    }
#define B(number)                                                                                                      \
    {                                                                                                                  \
        .broker = MB_PLANT_##number                                                                                    \
    }

const struct sim_plant sim_plant_list[] = {
    { "", "none", { 0 }, "no defect" },
    { "P1", "ack-before-sent", P(ACK_BEFORE_SENT), "a lost connection counts as success" },
    { "P1", "hw-ahead", B(HW_AHEAD), "the high watermark does not wait for the ISR" },
    { "P2", "fresh-sequence", P(FRESH_SEQUENCE), "a retry takes a new sequence number" },
    { "P2", "no-dedup", B(NO_DEDUP), "the broker does not look at sequences" },
    { "P3", "overtake", P(OVERTAKE), "new batches pass one that is to be sent again" },
    { "P4", "sure-of-timeout", P(SURE_OF_TIMEOUT), "what got no answer is reported as surely not written" },
    { "P5", "two-fates", P(TWO_FATES), "a failed record is reported twice" },
    { "P5", "forget-expired", P(FORGET_EXPIRED), "what expires is not reported" },
    { "P6", "flushed-early", P(FLUSHED_EARLY), "a flush does not wait" },
    { "P7", "wrong-offset", P(WRONG_OFFSET), "reported offsets are one too high" },
    { "P8", "wrong-hash", P(WRONG_HASH), "a key goes to the neighbour of its partition" },
    { "P9", "cross-talk", P(CROSS_TALK), "a request names another partition for a batch" },
    { "P10", "ack-of-leader", P(ACK_BEFORE_SENT), "with acks=1, too: a lost connection counts as success" },
    { "P10", "ignore-retries", P(IGNORE_RETRIES), "`retries` is no limit" },
    { "L1", "late-expiry", P(LATE_EXPIRY), "records expire after twice their time" },
    { "L5", "ignore-abandon", P(IGNORE_ABANDON), "a producer that gives up waits for ever" },
    { "L6", "no-backoff", P(NO_BACKOFF), "a failed batch is sent again at once" },
    { "R1", "leak", P(LEAK), "requests are not freed" },
    { "R2", "no-ceiling", P(NO_CEILING), "buffer.memory is no limit" },
    { "R3", "reuse-in-flight", P(REUSE_IN_FLIGHT), "bytes change while a connection has them" },
    { "F1", "skip-one", C(SKIP_ONE), "the next fetch begins one offset too far" },
    { "F2", "scribble", C(SCRIBBLE), "bytes of a batch change behind its CRC check" },
    { "F5", "silent-reset", C(SILENT_RESET), "nobody is told of a reset" },
    { "F6", "stale-fetch", C(STALE_FETCH), "a fetch from before a seek is returned" },
    { "F6", "deaf-pause", C(DEAF_PAUSE), "partitions that are paused are returned" },
    { "F3", "any-aborted", C(ANY_ABORTED), "the list of aborted transactions is not looked at" },
    { "F3", "control-returned", C(CONTROL_RETURNED), "markers are returned as records" },
    { "F3", "marker-unseen", C(MARKER_UNSEEN), "an abort marker does not end what is left out" },
    { "F3", "open-visible", B(OPEN_VISIBLE), "the last stable offset is the high watermark" },
    { "F3", "aborted-edge", B(ABORTED_EDGE), "what was aborted is not told when it begins with the last record" },
    { "F5", "reset-easily", C(RESET_EASILY), "a leader that moved counts as an offset that is gone" },
    { "F7", "session-stale", C(SESSION_STALE), "a fetch session is not told of new positions" },
    { "F4", "any-history", C(ANY_HISTORY), "a log that was truncated is read on" },
    { "G1", "keep-revoked", C(KEEP_REVOKED), "partitions that were given back are read on" },
    { "G1", "two-owners", B(TWO_OWNERS), "KIP-848: a partition is given away before it is given back" },
    { "G5", "loiter", C(LOITER), "who hears that it is out when it reaches the coordinator again reads on" },
    { "G2", "commit-after-lost", C(COMMIT_AFTER_LOST), "commits in a new generation what was read in an old one" },
    { "G3", "commit-ahead", C(COMMIT_AHEAD), "commits what was fetched, not what was returned" },
    { "G4", "lost-is-revoked", C(LOST_IS_REVOKED), "who lost its membership is told to give back" },
    { "G4", "no-fencing", B(NO_FENCING), "the coordinator takes commits of old generations" },
    { "G5", "all-assigned", C(ALL_ASSIGNED), "told what it has, not what is new" },
    { "G7", "rejoin-always", C(REJOIN_ALWAYS), "each heartbeat begins a rebalance" },
    { "L2", "leader-forgotten", C(LEADER_FORGOTTEN), "a leader that moved is not looked for" },
    { "L3", "deaf", C(DEAF), "heartbeats do not say that the group is being rebalanced" },
    { "L3", "forsaken", C(FORSAKEN), "a member that cannot reach the coordinator at last looks for it no more" },
    { "L5", "leave-patiently", C(LEAVE_PATIENTLY), "leaving has no deadline" },
    { "L6", "impatient", C(IMPATIENT), "fetches do not wait at the broker" },
    { "R2", "no-limit", C(NO_LIMIT), "fetch.memory.max is no limit" },
    { "T1", "torn-markers", B(TORN_MARKERS), "one partition is told that a transaction was committed" },
    { "T2", "ended-early", B(ENDED_EARLY), "the end is answered before it is in the log" },
    { "T3", "zombies", B(ZOMBIES), "batches of a producer that was replaced are taken" },
    { "T5", "offsets-early", B(OFFSETS_EARLY), "offsets count when they come" },
    { "T7", "no-abort", B(NO_ABORT), "aborted transactions get no markers" },
    { "T7", "markers-lost", B(MARKERS_LOST), "a new coordinator does not go on with markers" },
    { "T7", "first-marker", B(FIRST_MARKER), "a transaction has ended with its first marker" },
    { "T7", "patient", B(PATIENT), "no transaction takes too long" },
    { "B3", "same-epoch", B(SAME_EPOCH), "a new leader goes on in the epoch of the old one" },
    { "B3", "no-cut", B(NO_CUT), "followers keep what their leader does not have" },
    { "B3", "clean-ahead", B(CLEAN_AHEAD), "the cleaner does not wait for the high watermark" },
    { "B3", "clean-early", B(CLEAN_EARLY), "tombstones go at once" },
    { "B3", "retain-ahead", B(RETAIN_AHEAD), "retention does not wait for the high watermark" },
    { "B4", "no-sync", B(NO_SYNC), "flush.messages is nothing to the logs" },
    { "B4", "trust-disk", B(TRUST_DISK), "recovery believes that what it finds is whole" },
    { "B4", "forgetful", B(FORGETFUL), "after a restart the brokers know no producer" },
    { "P1", "trust-killed", B(TRUST_KILLED), "KIP-966: who was killed stays eligible" },
    { "B5", "uncounted", B(UNCOUNTED), "faults do not count every hit" },
};
const size_t sim_plant_count = sizeof sim_plant_list / sizeof *sim_plant_list;

#define SIM_BEFORE_CUTS (SIM_DISK | SIM_MIXED | SIM_RECREATE | SIM_ERRORS | SIM_TXNS | SIM_GAPS | SIM_HERD)
#define SIM_ALL         (SIM_BEFORE_CUTS | SIM_CUTS)

const struct sim_regression sim_regression_list[] = {
    { 1700, SIM_DISK | SIM_MIXED | SIM_RECREATE | SIM_ERRORS | SIM_TXNS,
      "who holds a partition of a topic that is gone may commit for it, though another one has its successor" },
    { 200134, SIM_DISK | SIM_MIXED | SIM_RECREATE | SIM_ERRORS | SIM_TXNS,
      "a partition that is assigned while its topic is known does not notice when the next metadata name another "
      "topic" },
    { 516804, SIM_DISK | SIM_MIXED | SIM_RECREATE | SIM_ERRORS | SIM_TXNS,
      "a late EndTxn of transaction.version 2 counts as that of its classic successor, as in Kafka" },
    { 700883, 0, "an assignment that comes later than the session counts for the check as one of a member" },
    { 7276, SIM_BEFORE_CUTS, "a group became a classic one with targets for a topic that was gone; nobody led it" },
    { 500742, SIM_BEFORE_CUTS, "a new coordinator answered from records that were not committed, and then were lost" },
    { 4786, SIM_BEFORE_CUTS, "a new coordinator told offsets of markers that were not committed, and then were lost" },
    { 8450, SIM_BEFORE_CUTS, "each of 140 members that have crashed costs a round, as in Kafka" },
    { 5356, SIM_BEFORE_CUTS,
      "who is in the middle of a rebalance when the group changes its protocol is forgotten, as in "
      "Kafka" },
    { 513302, SIM_BEFORE_CUTS, "a commit that waited behind a heartbeat passes a later one on a new connection" },
    { 11821, SIM_ALL, "two have partition 2, of two topics: one was deleted, and made anew while the answer was late" },
    { 504832, SIM_ALL,
      "what expired, and what followed it, came late from an old connection, and again under a new epoch" },
    { 6696, SIM_ALL, "a static member came back as a classic one, and nobody heard that what it gave up was free" },
    { 908631, SIM_ALL,
      "half of a request was sent when its connection broke, and those behind it were the first on the next" },
    { 906007, SIM_ALL,
      "a topic was deleted when nobody led a partition: what it had was taken from a copy without its tail" },
    { 902882, SIM_ALL,
      "who was further in the topic that was deleted than the new one goes counted as done, and then read on" },
    { 518873, SIM_ALL,
      "a group that was being rebalanced became a mixed one by a member that was no new one: no new target" },
    { 514009, SIM_ALL,
      "a partition was in a transaction by a record that was lost with its coordinator, and got no marker" },
};
const size_t sim_regression_count = sizeof sim_regression_list / sizeof *sim_regression_list;
