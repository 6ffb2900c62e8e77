// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.ReservedPorts;
import dev.lockstep.proto.v1.GroupStatus;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The death of a coordinator breaks the connections of its clients, which go on with their
/// responses at another one.
@ExtendWith(LogsOnFailure.class)
final class CoordinatorLossIT {
    /// Of each stream: some seconds of steps.
    private static final int TOKENS = 100;

    /// Makes steps slow enough that streams still run when the test kills their coordinator.
    private static final String SLOW = "--failpoints=worker.before-step=sleep:20ms";

    private static final String RESPONSES = "/v1/responses";

    /// Longer than a client needs to go on, on a busy machine too.
    private static final String WINDOW = "--resume-window=10m";

    /// Two coordinators of one group.
    private static final class Cluster implements AutoCloseable {
        final Sandbox sandbox = Sandbox.quick();
        final Path model = Models.tiny(sandbox, 4);
        final SeparateProcesses processes =
                new SeparateProcesses(sandbox, ReservedPorts.next(), "loss");
        Optional<LockstepProcess> scheduler = Optional.empty();
        final LockstepProcess[] coordinators = new LockstepProcess[2];
        final int[] ports = {ReservedPorts.next(), ReservedPorts.next()};
        final Api[] apis = {new Api(ports[0]), new Api(ports[1])};
        final Admin[] admins = {new Admin(ports[0]), new Admin(ports[1])};

        void start() throws Exception {
            processes.zooKeeper("zookeeper");
            scheduler = Optional.of(scheduler("scheduler", WINDOW));
            processes.worker("worker", model, sandbox.group(), 0, 1, SLOW);
            start(0);
            start(1);
        }

        private LockstepProcess scheduler(String name, String window) {
            return processes.scheduler(name, sandbox.group(), 1, window);
        }

        /// Lets another scheduler lead the group.
        void replaceScheduler(String window) throws Exception {
            LockstepProcess old = scheduler.orElseThrow();
            long epoch = group(1).orElseThrow().getEpoch();
            old.signal("KILL");
            old.awaitExit();
            scheduler = Optional.of(scheduler("another-scheduler", window));
            for (int i = 0; i < 2; i++) {
                int coordinator = i;
                BoundedWait.await(
                        "another scheduler leads",
                        () ->
                                group(coordinator)
                                        .filter(status -> status.getEpoch() > epoch)
                                        .isPresent());
                awaitReady(coordinator);
            }
        }

        void start(int coordinator) throws Exception {
            coordinators[coordinator] =
                    processes.coordinator("coordinator-" + coordinator, model, ports[coordinator]);
        }

        void awaitReady(int coordinator) throws Exception {
            BoundedWait.await(
                    "coordinator " + coordinator + " is ready", () -> apis[coordinator].isReady());
        }

        void kill(int coordinator) throws Exception {
            coordinators[coordinator].signal("KILL");
            coordinators[coordinator].awaitExit();
        }

        Optional<GroupStatus> group(int coordinator) {
            return admins[coordinator].group(sandbox.group());
        }

        @Override
        public void close() {
            for (int i = 0; i < 2; i++) {
                admins[i].close();
                apis[i].close();
            }
            sandbox.close();
        }
    }

    @Test
    void clientsGoOnAtAnotherCoordinator() throws Exception {
        var random = new Random();
        try (var cluster = new Cluster()) {
            cluster.start();
            cluster.awaitReady(0);
            cluster.awaitReady(1);
            StreamMix mix = StreamMix.undisturbed(cluster.apis[0], TOKENS);
            int broken = 0;
            for (int victim = 0; victim < 2; victim++) {
                broken = 0;
                // On a busy machine every stream may have ended before.
                for (int i = 0; i < StreamMix.TRIES && broken == 0; i++) {
                    List<StreamMix.Running> streams = mix.begin(cluster.apis[victim]);
                    streams.getFirst().read(random.nextInt(TOKENS / 4));
                    StreamMix.resumeAt(cluster.apis[1 - victim], streams);
                    cluster.kill(victim);
                    mix.requireUndisturbed(streams);
                    broken = streams.stream().mapToInt(StreamMix.Running::breaks).sum();
                    cluster.start(victim);
                    cluster.awaitReady(victim);
                }
                assertTrue(broken > 0, "no stream was running when its coordinator was killed");
            }
            assertEquals(broken, resumed(cluster.apis[0]), "of the second round");
            aRepeatedRequestIsNotRunAgain(cluster);
            responsesGoOnAtAnotherCoordinator(cluster);
            withoutAReaderBlocksAreBackAfterTheWindow(cluster);
        }
    }

    /// Counts since the start of the coordinator.
    private static long resumed(Api api) {
        return api.text("/metrics")
                .lines()
                .filter(line -> line.startsWith("lockstep_requests_resumed_total "))
                .mapToLong(line -> (long) Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                .sum();
    }

    private static void aRepeatedRequestIsNotRunAgain(Cluster cluster) throws Exception {
        ObjectNode body = CompletionBodies.greedy(List.of(9, 8, 7), TOKENS);
        long earlier = generated(cluster);
        Generated expected =
                Generated.of(cluster.apis[1].post(CompletionBodies.COMPLETIONS, body).ok());
        boolean lost = false;
        // On a busy machine the response may have arrived before.
        for (int i = 0; i < StreamMix.TRIES && !lost; i++) {
            long before = earlier + TOKENS * (i + 1L);
            BoundedWait.await("earlier ones are counted", () -> generated(cluster) == before);
            String key = "a" + i;
            lost = losesResponse(cluster, key, body, before);
            if (lost) {
                Api.Response first =
                        cluster.apis[1].postWithKey(CompletionBodies.COMPLETIONS, key, body);
                Api.Response second =
                        cluster.apis[1].postWithKey(CompletionBodies.COMPLETIONS, key, body);
                assertEquals(expected, Generated.of(first.ok()));
                assertEquals(first.body(), second.body());
                BoundedWait.await("all are counted", () -> generated(cluster) == before + TOKENS);
            }
            cluster.start(0);
            cluster.awaitReady(0);
        }
        assertTrue(lost, "the request was not running when its coordinator was killed");
    }

    /// Kills the first coordinator once a request runs. Returns false if its response has arrived.
    private static boolean losesResponse(Cluster cluster, String key, ObjectNode body, long before)
            throws Exception {
        try (ExecutorService client = Executors.newVirtualThreadPerTaskExecutor()) {
            Future<Api.Response> response =
                    client.submit(
                            () ->
                                    cluster.apis[0].postWithKey(
                                            CompletionBodies.COMPLETIONS, key, body));
            BoundedWait.await("it runs", () -> generated(cluster) > before + 5);
            cluster.kill(0);
            response.get().ok();
            return false;
        } catch (ExecutionException e) {
            return true;
        }
    }

    private static long generated(Cluster cluster) {
        return cluster.group(1).map(GroupStatus::getGeneratedTokens).orElse(0L);
    }

    private static void responsesGoOnAtAnotherCoordinator(Cluster cluster) throws Exception {
        ObjectNode body =
                JsonNodes.object()
                        .put("model", ServedCluster.MODEL)
                        .put("input", "Go on")
                        .put("temperature", 0)
                        .put("max_output_tokens", TOKENS)
                        .put("ignore_eos", true)
                        .put("stream", true);
        for (boolean background : List.of(false, true)) {
            body.put("background", background);
            var expected = new ReadResponse();
            assertTrue(expected.readFrom(cluster.apis[1].stream(RESPONSES, body), () -> {}));
            boolean lost = false;
            // On a busy machine the response may have ended before.
            for (int i = 0; i < StreamMix.TRIES && !lost; i++) {
                var read = new ReadResponse();
                lost =
                        !read.readFrom(
                                cluster.apis[0].stream(RESPONSES, body), () -> cluster.kill(0));
                if (lost) {
                    String rest =
                            "%s/%s?stream=true&starting_after=%d"
                                    .formatted(RESPONSES, read.id, read.events.size() - 1);
                    assertTrue(read.readFrom(cluster.apis[1].replay(rest, RESPONSES), () -> {}));
                }
                assertEquals(expected.events, read.events);
                if (lost) {
                    JsonNode stored = cluster.apis[1].get(RESPONSES + "/" + read.id).ok();
                    assertEquals("incomplete", stored.path("status").asText());
                }
                cluster.start(0);
                cluster.awaitReady(0);
            }
            assertTrue(lost, "no response was running when its coordinator was killed");
        }
    }

    /// What a client has of the events of a response, without what differs between two runs.
    private static final class ReadResponse {
        final List<String> events = new ArrayList<>();
        String id = "";

        /// Reads to the end and lets a fault strike after some deltas. Returns false if the
        /// connection breaks.
        boolean readFrom(EventReader reader, StreamMix.Fault fault) throws Exception {
            try (reader) {
                for (Optional<JsonNode> next = reader.next();
                        next.isPresent();
                        next = reader.next()) {
                    JsonNode event = next.get();
                    assertEquals(events.size(), event.path("sequence_number").asInt(-1));
                    events.add(event.path("type").asText() + " " + event.path("delta").asText());
                    id = event.at("/response/id").asText(id);
                    if (events.size() == TOKENS / 5) {
                        fault.strike();
                    }
                }
                return events.getLast().startsWith("response.incomplete");
            } catch (UncheckedIOException e) {
                return false;
            }
        }
    }

    private static void withoutAReaderBlocksAreBackAfterTheWindow(Cluster cluster)
            throws Exception {
        cluster.replaceScheduler("--resume-window=5s");
        ObjectNode body = CompletionBodies.greedy(List.of(4, 5, 6), 500).put("stream", true);
        try (EventReader events = cluster.apis[0].stream(CompletionBodies.COMPLETIONS, body)) {
            events.next();
            cluster.kill(0);
            long steps = cluster.group(1).orElseThrow().getSteps();
            BoundedWait.await(
                    "it runs without a reader",
                    () -> cluster.group(1).orElseThrow().getSteps() > steps + 10);
            BoundedWait.await(
                    "the blocks are back",
                    () -> cluster.group(1).filter(Baseline::isEmpty).isPresent());
            try (EventReader late =
                    cluster.apis[1].resume(events.id(), CompletionBodies.COMPLETIONS)) {
                assertEquals(404, late.status());
            }
        }
    }
}
