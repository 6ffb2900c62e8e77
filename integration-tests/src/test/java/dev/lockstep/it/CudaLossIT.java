// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.GroupStatus;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Groups with GPUs that lose a rank, their scheduler or a device.
@ExtendWith(LogsOnFailure.class)
final class CudaLossIT {
    /// Longer than it takes to kill the scheduler, which happens within a step.
    private static final String SLOW = "--failpoints=worker.before-step=sleep:200ms";

    /// The workers that survive record their steps again, on rows that write to no block.
    @Test
    void aLostRankOrSchedulerLeavesProcessesAndBlocksToTheNextEpoch() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                CudaClusters.start(sandbox, Models.tiny(sandbox, 4), 2, SLOW)) {
            ObjectNode body = CompletionBodies.greedy(IntStream.range(3, 63).boxed().toList(), 3);
            Generated before = generate(cluster, body);
            GroupStatus first = cluster.group();
            ObjectNode running = CompletionBodies.greedy(List.of(5, 6, 7), 12);
            Generated whole = generate(cluster, running);
            Generated rest =
                    generateWhileARankIsKilled(first.getRanks(1).getPid(), running, cluster);
            assertTrue(whole.text().endsWith(rest.text()), () -> rest + ", expected " + whole);
            assertEquals(whole.finishReason(), rest.finishReason());
            CudaClusters.awaitEpochAfter(first.getEpoch(), cluster);
            GroupStatus second = cluster.group();
            assertEquals(first.getRanks(0).getPid(), second.getRanks(0).getPid());
            assertEquals(before, generate(cluster, body));
            PosixSignals.send("KILL", Long.toString(sandbox.processIdOf("scheduler")));
            CudaClusters.awaitEpochAfter(second.getEpoch(), cluster);
            assertEquals(before, generate(cluster, body));
            GroupStatus third = cluster.group();
            assertEquals(48, third.getCachedTokens(), "three full blocks of the prompt's tokens");
            assertEquals(second.getRanks(0).getPid(), third.getRanks(0).getPid());
            assertEquals(second.getRanks(1).getPid(), third.getRanks(1).getPid());
            assertAbortedPrefillLeavesNoBlock(cluster);
            GroupStatus fourth = cluster.group();
            assertEquals(third.getRanks(0).getPid(), fourth.getRanks(0).getPid());
            assertEquals(third.getRanks(1).getPid(), fourth.getRanks(1).getPid());
        }
    }

    /// Returns the answer of a stream whose rank is killed while it runs.
    private static Generated generateWhileARankIsKilled(
            long pid, ObjectNode body, ServedCluster cluster) {
        try (EventReader events =
                cluster.api().stream(
                        CompletionBodies.COMPLETIONS, body.deepCopy().put("stream", true))) {
            assertTrue(events.next().orElseThrow().has("choices"), "the first token");
            PosixSignals.send("KILL", Long.toString(pid));
            return Generated.of(events);
        }
    }

    private static void assertAbortedPrefillLeavesNoBlock(ServedCluster cluster) throws Exception {
        ObjectNode body =
                CompletionBodies.greedy(IntStream.range(3, 363).boxed().toList(), 2)
                        .put("logprobs", 2);
        // Another salt: none of its blocks is found below.
        Generated fresh = generate(cluster, body.deepCopy().put("cache_salt", "fresh"));
        GroupStatus before = cluster.group();
        try (ExecutorService client = Executors.newVirtualThreadPerTaskExecutor()) {
            Future<Api.Response> aborted =
                    client.submit(() -> cluster.api().post(CompletionBodies.COMPLETIONS, body));
            BoundedWait.await(
                    "the prefill runs", () -> cluster.group().getSteps() > before.getSteps());
            PosixSignals.send("KILL", Long.toString(cluster.sandbox().processIdOf("scheduler")));
            assertEquals(fresh, Generated.of(aborted.get().ok()));
        }
        CudaClusters.awaitEpochAfter(before.getEpoch(), cluster);
        assertEquals(fresh, generate(cluster, body));
    }

    /// An illegal address in a step: the context of the process cannot be used any more. A kernel
    /// that does not end: only the end of the process ends it.
    @ParameterizedTest
    @CsvSource({"700, 'CUDA_ERROR_ILLEGAL_ADDRESS (700)'", "-1, 'after they were aborted'"})
    void aWorkerWhoseDeviceIsLostEndsWithItsOwnCodeAndIsReplaced(int fault, String message)
            throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                CudaClusters.startBy(
                        List.of("env", "CUDA_EMULATION_FAULTS=cuLaunchKernel:3000:" + fault),
                        sandbox,
                        Models.tiny(sandbox, 4),
                        1,
                        "--disable-cuda-graph")) {
            GroupStatus before = cluster.group();
            // The fault comes while it runs.
            ObjectNode body = CompletionBodies.greedy(List.of(5, 6, 7), 400);
            JsonNode answer = cluster.api().post(CompletionBodies.COMPLETIONS, body).ok();
            assertEquals(400, Generated.of(answer).ids().size());
            assertTrue(answer.at("/usage/lockstep/migrations").asInt() > 0, answer::toString);
            CudaClusters.awaitEpochAfter(before.getEpoch(), cluster);
            String errors = cluster.launcher().errors();
            assertTrue(
                    errors.contains("worker-0 ended with exit code 86 and is restarted"), errors);
            assertTrue(sandbox.logs().contains(message), sandbox::logs);
            ObjectNode few = CompletionBodies.greedy(List.of(5, 6, 7), 4);
            assertEquals(4, generate(cluster, few).ids().size());
        }
    }

    private static Generated generate(ServedCluster cluster, ObjectNode body) {
        return Generated.of(cluster.api().post(CompletionBodies.COMPLETIONS, body).ok());
    }
}
